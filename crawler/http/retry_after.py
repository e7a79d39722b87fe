"""``Retry-After``: how long a reply asks us to stay away."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

LONGEST = 10 * 366 * 86_400.0
"""Seconds; longer values count as this, so that dates made from them stay real dates."""


_NUMBER = re.compile(r"([0-9]+)(?:\.[0-9]+)?")


def longest_retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait by all the ``Retry-After`` lines of a reply, of which the longest counts.

    A line of several numbers is what some proxies make of several lines. None as with one line.
    """
    date = headers.get("date")
    lines = headers.get_list("retry-after")
    said = [part for line in lines for part in (line, *line.split(","))]
    waits = [wait for part in said if (wait := parse_retry_after(part, date)) is not None]
    return max(waits, default=None)


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait, or None where the header says nothing that can be obeyed.

    ``value`` is seconds, of which a part counts as a whole one, or an HTTP date; a date counts from
    the reply's own ``Date`` header, so that neither clock has to be right (without one, from our
    clock). Negative waits, and anything else, are None. Source: RFC 9110 section 10.2.3.
    """
    if value is None:
        return None
    text = value.strip()
    if (number := _NUMBER.fullmatch(text)) is not None:
        return min(float(math.ceil(float(text))), LONGEST) if len(number[1]) <= 12 else LONGEST
    until = _moment(text)
    if until is None:
        return None
    now = _moment(date) or datetime.now(UTC)
    seconds = (until - now).total_seconds()
    return min(seconds, LONGEST) if seconds >= 0 else None


def _moment(text: str | None) -> datetime | None:
    if not text or len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
