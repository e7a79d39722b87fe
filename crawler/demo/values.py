"""The values of metatags: ``5``, ``5..10``, ``>=5``, ``a,b,c``, ``any``, units and tolerance."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from crawler.demo.posts import SITE_TIME

Kind: TypeAlias = Literal[
    "integer", "float", "ratio", "filesize", "duration", "md5", "word", "date", "age"
]
Matcher: TypeAlias = Callable[[Any], bool]
"""Says whether an attribute of a post (None: it has none) is what was asked for."""

TOLERANCE: Final = 0.05
"""How far an exact float, duration or file size in K or M may be off."""

_SPLIT: Final = re.compile(r"[, ]+")
_RANGES: Final = re.compile(r"<|>|\.\.")
_FILESIZE: Final = re.compile(r"(\d+(?:\.\d*)?|\d*\.\d+)([km]?)b?", re.IGNORECASE | re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d+(_\d+)*", re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_RATIO: Final = re.compile(r"(\d+(?:\.\d+)?)(?:[:/](\d+(?:\.\d+)?))?", re.ASCII)
_SPAN: Final = re.compile(
    r"(\d+(?:\.\d+)?)(y|mo|w|d|h|mi|min|m|s)?[a-z]*", re.IGNORECASE | re.ASCII
)
_SECONDS: Final = {
    "y": 365.25 * 86400,
    "mo": 30.4375 * 86400,
    "w": 7 * 86400,
    "d": 86400,
    "h": 3600,
    "mi": 60,
    "min": 60,
    "m": 60,
    "s": 1,
}


class ValueSyntaxError(ValueError):
    """A value that cannot be read; such a metatag matches nothing."""


def matcher(text: str, kind: Kind, now: datetime) -> Matcher:
    """Read one value. ``now`` is what ages count from. Raises ValueSyntaxError."""
    if kind == "word":
        words = {word.lower() for word in _SPLIT.split(text)}
        return lambda value: value in words
    if re.search(r"[, ]", text):
        parts = [part for part in _SPLIT.split(text) if part]
        if _RANGES.search(text):
            any_of = [matcher(part, kind, now) for part in parts]
            return lambda value: any(one(value) for one in any_of)
        listed = {_value(part, kind, now) for part in parts}
        return lambda value: value in listed
    if text == "any":
        return lambda value: value is not None
    if text == "none":
        return lambda value: value is None
    return _comparison(text, kind, now)


def _comparison(text: str, kind: Kind, now: datetime) -> Matcher:
    if found := re.fullmatch(r"(.+?)\.\.(\.?)(.+)", text, re.DOTALL):
        low, high = sorted((_value(found[1], kind, now), _value(found[3], kind, now)))
        if found[2]:
            return lambda value: value is not None and low <= value < high
        return lambda value: value is not None and low <= value <= high
    # An older post has a smaller time: ages compare the other way round.
    turn = kind == "age"
    for pattern, operator in (
        (r"(?:<=|\.\.)(.+)", "<="),
        (r"<(.+)", "<"),
        (r"(?:>=(?P<a>.+)|(?P<b>.+)\.\.)", ">="),
        (r">(.+)", ">"),
    ):
        if found := re.fullmatch(pattern, text, re.DOTALL):
            written = next(group for group in found.groups() if group is not None)
            bound = _value(written, kind, now)
            if turn:
                operator = operator.replace("<", "#").replace(">", "<").replace("#", ">")
            return _against(operator, bound)
    value = _value(text, kind, now)
    if kind in ("float", "duration") or (kind == "filesize" and re.search(r"[km]b?$", text, re.I)):
        low, high = value * (1 - TOLERANCE), value * (1 + TOLERANCE)
        return lambda found: found is not None and low <= found <= high
    if kind in ("date", "age"):
        start = value.replace(hour=0, minute=0, second=0, microsecond=0)
        end = start + timedelta(days=1)
        return lambda found: found is not None and start <= found < end
    return lambda found: bool(found == value)


def _against(operator: str, bound: Any) -> Matcher:
    if operator == "<=":
        return lambda value: value is not None and value <= bound
    if operator == "<":
        return lambda value: value is not None and value < bound
    if operator == ">=":
        return lambda value: value is not None and value >= bound
    return lambda value: value is not None and value > bound


def _value(text: str, kind: Kind, now: datetime) -> Any:
    text = text.strip()
    try:
        return _READERS[kind](text, now)
    except (ValueError, ArithmeticError) as error:
        raise ValueSyntaxError(f"{text!r} is no {kind}") from error


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None or len(text) > 40:
        raise ValueError(text)
    return found


def _ratio(text: str, now: datetime) -> float:
    found = _match(_RATIO, text)
    return round(float(found[1]) / float(found[2] or 1), 2)


def _filesize(text: str, now: datetime) -> int:
    found = _match(_FILESIZE, text)
    return int(float(found[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()])


def _md5(text: str, now: datetime) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
        raise ValueError(text)
    return text.lower()


def _seconds(text: str, now: datetime) -> float:
    found = _match(_SPAN, text)
    return float(found[1]) * _SECONDS[(found[2] or "s").lower()]


def _date(text: str, now: datetime) -> datetime:
    if re.fullmatch(r"\d{4}-\d{1,2}", text, re.ASCII):
        text += "-1"
    if found := re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})(T.*)?", text, re.ASCII):
        text = f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}{found[4] or ''}"
    when = datetime.fromisoformat(text)
    return when if when.tzinfo is not None else when.replace(tzinfo=SITE_TIME)


def _age(text: str, now: datetime) -> datetime:
    return now - timedelta(seconds=_seconds(text, now))


_READERS: Final[dict[Kind, Callable[[str, datetime], Any]]] = {
    "integer": lambda text, now: int(_match(_INTEGER, text)[0]),
    "float": lambda text, now: float(_match(_FLOAT, text)[0]),
    "ratio": _ratio,
    "filesize": _filesize,
    "duration": _seconds,
    "md5": _md5,
    "date": _date,
    "age": _age,
}
