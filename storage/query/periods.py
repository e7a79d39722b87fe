"""Dates as people shorten them: ``2024`` is a year, ``2024-06`` a month, both from end to end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from storage.errors import BadQuery

_PERIOD = re.compile(r"^\d{4}(?:-\d{2}(?:-\d{2}(?:[T ]\d{2}(?::\d{2}(?::\d{2})?)?)?)?)?$", re.ASCII)
_FULL = "2000-01-01T00:00:00"
_UTC = re.compile(r"(?<=:\d\d)(?:Z|\+00:00)$", re.ASCII)
"""How a moment ends as the catalog holds it, and as `trawl show` tells it."""
_BEHIND = "~"
"""Sorts behind every character of an ISO date, so behind every moment that begins so."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: a number, or a date as text; ``open`` leaves the value itself out."""

    value: float | str
    open: bool = False

    def other_side(self) -> Bound:
        """The bound of what lies beyond this one."""
        return Bound(self.value, not self.open)

    def is_behind(self, other: Bound) -> bool:
        """Whether nothing lies between this one and the other, of the same field."""
        if isinstance(self.value, str) or isinstance(other.value, str):
            return str(self.value) > str(other.value)
        return self.value > other.value


def start_of(field: str, text: str) -> Bound:
    """Where a year, month, day, hour, minute or second begins. Raises BadQuery for no date."""
    return Bound(_checked(field, text))


def end_of(field: str, text: str) -> Bound:
    """Where it ends; the bound lies behind its last moment. Raises BadQuery for no date."""
    return Bound(_checked(field, text) + _BEHIND)


def _checked(field: str, text: str) -> str:
    period = _UTC.sub("", text.replace(" ", "T"))
    try:
        if not _PERIOD.match(period):
            raise ValueError(text)
        datetime.fromisoformat(period + _FULL[len(period) :])
    except ValueError as error:
        raise BadQuery(
            f"{field} takes a date such as 2024, 2024-06, 2024-06-30 or 2024-06-30T12:00,"
            f" not {text!r}"
        ) from error
    return period
