"""``Retry-After``: how long a reply asks us to stay away."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 10 * 366 * 86_400.0
"""Seconds; longer values count as this, so that dates made from them stay real dates."""


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Seconds to wait, or None where the header says nothing that can be obeyed.

    ``value`` is whole seconds or an HTTP date; a date counts from the reply's own ``Date`` header,
    so that neither clock has to be right (without one, from our clock). Negative waits, and
    anything else, are None. Source: RFC 9110 section 10.2.3.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # A number of many digits is long beyond the cap; int() would refuse the longest ones.
        return min(float(int(text)), LONGEST) if len(text) <= 12 else LONGEST
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
