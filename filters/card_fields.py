"""Reading a JSON object that a person wrote, field by field: what is wrong is told by its place."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from filters.onnx_model import ModelError

Numbers: TypeAlias = tuple[float, ...]

MAX_CARD_BYTES = 1 << 20
MAX_SIDE = 4096
"""Pixels."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of at most 1 MiB. Raises ModelError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CARD_BYTES + 1)
        if len(data) > MAX_CARD_BYTES:
            raise ModelError(f"{path} is no model card: it is larger than {MAX_CARD_BYTES} bytes")
        found = json.loads(data)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} takes a JSON object")
    return found


class Fields:
    """The fields of a JSON object, each looked at once; what is left over is a mistake."""

    def __init__(self, path: Path, values: Mapping[str, Any], before: str = "") -> None:
        self.path = path
        self._values = dict(values)
        self._before = before
        self._known: set[str] = set()
        self._within: list[Fields] = []

    def wrong(self, name: str, problem: str) -> ModelError:
        return ModelError(f"{self.path}: {self._before}{name} {problem}")

    def take(self, name: str, default: Any = None) -> Any:
        self._known.add(name)
        return self._values.pop(name, default)

    def within(self, name: str) -> Fields:
        found = self.take(name, {})
        if not isinstance(found, dict):
            raise self.wrong(name, f"takes an object, not {found!r}")
        fields = Fields(self.path, found, f"{self._before}{name}.")
        self._within.append(fields)
        return fields

    def text(self, name: str, default: str = "", among: tuple[str, ...] = ()) -> str:
        found = self.take(name, default)
        if not isinstance(found, str) or (among and found not in among):
            kinds = " or ".join(among) if among else "text"
            raise self.wrong(name, f"takes {kinds}, not {found!r}")
        return found

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of names; a single one need not be in a list."""
        found = self.take(name, default)
        if isinstance(found, str):
            found = [found]
        if not isinstance(found, (list, tuple)) or not all(
            isinstance(one, str) and one for one in found
        ):
            raise self.wrong(name, 'takes a list of names, such as ["monochrome", "normal"]')
        return tuple(found)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        found = self.take(name, default)
        if not _is_number(found) or not low <= found <= high:
            raise self.wrong(name, f"takes a number from {low:g} to {high:g}, not {found!r}")
        return float(found)

    def whole(self, name: str, low: int, high: int) -> int | None:
        found = self.take(name)
        if found is not None and (type(found) is not int or not low <= found <= high):
            raise self.wrong(name, f"takes a whole number from {low} to {high}, not {found!r}")
        return found

    def numbers(self, name: str, default: float, count: int) -> Numbers:
        """One number for each channel; one alone stands for all."""
        found = self.take(name, default)
        each = found if isinstance(found, list) else [found]
        each = each * count if len(each) == 1 else each
        if len(each) != count or not all(map(_is_number, each)):
            raise self.wrong(name, f"takes {count} numbers, not {found!r}")
        return tuple(map(float, each))

    def sides(self, name: str) -> tuple[int, ...]:
        """Pixels: a number, or a list of height and width; empty where there is none."""
        found = self.take(name, [])
        each = found if isinstance(found, list) else [found]
        if len(each) > 2 or not all(type(s) is int and 1 <= s <= MAX_SIDE for s in each):
            raise self.wrong(name, f"takes [height, width] up to {MAX_SIDE}, not {found!r}")
        return tuple(each)

    def done(self) -> None:
        """Raises ModelError for a field that nobody knows."""
        for name in self._values:
            close = difflib.get_close_matches(name, self._known, n=1)
            known = ", ".join(sorted(self._known))
            hint = f"did you mean {close[0]}?" if close else f"there are: {known}"
            raise self.wrong(name, f"is no field of a card; {hint}")
        for fields in self._within:
            fields.done()


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
