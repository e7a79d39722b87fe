"""Numbers as people write them: ``0.9M``, ``2k``, ``1.5MB``, a ratio as ``3:2``."""

from __future__ import annotations

import re

from storage.errors import BadQuery
from storage.query.fields import NUMBERS

_NUMBER = re.compile(r"^(-?\d{1,18}(?:\.\d{1,18})?)([kKmMgG]?)([bB]?)$", re.ASCII)
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_RATIO = re.compile(r"^(\d{1,9}(?:\.\d{1,9})?)[:/x](\d{1,9}(?:\.\d{1,9})?)$", re.ASCII)


def number_of(field: str, text: str) -> float:
    """The number that a text is for a field. Raises BadQuery, which shows how it is written."""
    if field == "ratio" and (sides := _RATIO.match(text)) and float(sides[2]):
        return float(sides[1]) / float(sides[2])
    match = _NUMBER.match(text)
    negative = text.startswith("-") and field in NUMBERS and field != "score"
    if match is None or negative or (match[3] and field != "bytes"):
        example = {"ratio": "1.5 or 3:2", "bytes": "1200, 900k or 1.5MB"}.get(field)
        raise BadQuery(
            f"{field} takes a number such as {example or '1200, 0.9M or 2k'}, not {text!r}"
        )
    return float(match[1]) * _SCALE[match[2].lower()]
