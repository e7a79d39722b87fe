"""``Content-Range``: which part of a file a reply holds."""

from __future__ import annotations

import re

_BYTES = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


def parse_content_range(value: str | None) -> tuple[int, int, int] | None:
    """First byte, last byte and the whole file's bytes, or None.

    None stands for everything that cannot be relied on: no header, another unit, an unknown length
    (``*``), a range that is empty or does not lie in the file. Source: RFC 9110 section 14.4.
    """
    found = _BYTES.fullmatch(value.strip()) if value is not None else None
    if found is None:
        return None
    start, end, total = (int(number) for number in found.groups())
    return (start, end, total) if start <= end < total else None
