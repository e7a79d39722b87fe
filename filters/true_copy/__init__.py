"""Pairwise truth: which of two copies of one picture is the true one.

The larger copy is the true one if it holds detail that the smaller has not, and a fake if that
detail was made of the smaller; of two of one size the true one is that which went through less.
Both pictures must be there, decoded, and show the same from edge to edge: nothing of what is said
here can be read off stored measures. Pure functions: a smaller copy that appears later is compared
with the one that was kept like any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from filters.onnx_model import ShippedModel, shipped

if TYPE_CHECKING:
    from filters.picture import Picture

Better: TypeAlias = Literal["first", "second", "same", "undecided"]
Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]

ASPECT = 1.02
"""How much the copies' shapes may differ: what was cropped is no copy, edge to edge."""
LEAST_FACTOR = 1.1
"""Copies of nearly one size differ in too few frequencies to tell."""
MOST_FACTOR = 16.5
LEAST_SIDE = 48
"""Pixels a side that the smaller copy must have, or both."""
SAME = 1.5
"""Mean squared difference in grey levels under which copies of one size are the same (46 dB)."""
ALIKE = 0.7
"""Correlation of the places under which the pictures are not the same, or do not lie alike."""
LEAST_DETAIL = 1.6
"""log10 of the squared steps between neighbours under which there is nothing to judge by."""
SUSPICION = 3.0
"""By how much the logit moves where one copy alone looks upscaled for sure, and the other not."""
UNSURE = 0.15
"""Scores this near to a half decide nothing."""

_MIRRORED: Mapping[Better, Better] = {
    "first": "second",
    "second": "first",
    "same": "same",
    "undecided": "undecided",
}


@dataclass(frozen=True, slots=True)
class TrueCopy:
    """What there is to say of two copies."""

    better: Better
    score: float
    """0 to 1: how sure it is that the first is the true one; 0.5 where nothing can be told."""
    numbers: Mapping[str, float]
    """What was looked at, by name: see :mod:`.numbers` and :mod:`.same_size`."""

    @property
    def mirrored(self) -> TrueCopy:
        """What is said where the copies change places."""
        return replace(self, better=_MIRRORED[self.better], score=round(1 - self.score, 4))


class TrueCopies:
    """The models that come with the project. Safe to use from several threads."""

    def __init__(self) -> None:
        self._larger = shipped("true_copy")
        self._same_size = shipped("true_copy_same_size")

    def compare(
        self,
        first: Picture,
        second: Picture,
        *,
        first_score: float | None = None,
        second_score: float | None = None,
    ) -> TrueCopy:
        """Which copy is true.

        The scores, where there are any, are what a look at one copy alone says of its having been
        upscaled: 0 to 1, 0.5 where that is as likely as not. Raises ModelError.
        """
        sizes = first.rgb.size, second.rgb.size
        if sizes[0] == sizes[1]:
            return self._of_one_size(first, second)
        if sizes[0] > sizes[1]:
            swapped = self.compare(
                second, first, first_score=second_score, second_score=first_score
            )
            return swapped.mirrored
        return self._of_two_sizes(first, second, first_score, second_score)

    def _of_two_sizes(
        self, small: Picture, large: Picture, small_score: float | None, large_score: float | None
    ) -> TrueCopy:
        from filters.true_copy.numbers import NAMES, numbers
        from filters.true_copy.pairs import places

        across = large.rgb.width / small.rgb.width
        down = large.rgb.height / small.rgb.height
        if (
            max(across, down) > ASPECT * min(across, down)
            or not LEAST_FACTOR <= min(across, down) <= max(across, down) <= MOST_FACTOR
            or min(small.rgb.size) < LEAST_SIDE
        ):
            return TrueCopy("undecided", 0.5, {"factor": round(math.log2(max(across, down)), 4)})
        found = places(small, large)
        measured = numbers(small, large, found)
        told = _named(NAMES, measured) | {"alike": round(found.alike, 4)}
        if found.alike < ALIKE or told["detail"] < LEAST_DETAIL:
            return TrueCopy("undecided", 0.5, told)
        true = _probability(self._larger, measured)
        seen = _suspicion(large_score) - _suspicion(small_score)
        true = _shifted(true, -SUSPICION * seen)
        return _decided(1 - true, told)

    def _of_one_size(self, first: Picture, second: Picture) -> TrueCopy:
        from filters.true_copy.same_size import NAMES, numbers

        if min(first.rgb.size) < LEAST_SIDE:
            same = first.rgb.tobytes() == second.rgb.tobytes()
            return TrueCopy("same" if same else "undecided", 0.5, {})
        measured, difference, alike = numbers(first, second)
        told = _named(NAMES, measured) | {
            "difference": round(difference, 4),
            "alike": round(alike, 4),
        }
        if difference < SAME:
            return TrueCopy("same", 0.5, told)
        if alike < ALIKE:
            return TrueCopy("undecided", 0.5, told)
        # Once in each order, so that the answer mirrors.
        one, other = (_probability(self._same_size, sign * measured) for sign in (1, -1))
        return _decided((one + 1 - other) / 2, told)


def _decided(score: float, numbers: Mapping[str, float]) -> TrueCopy:
    score = round(score, 4)
    if abs(score - 0.5) < UNSURE:
        return TrueCopy("undecided", score, numbers)
    return TrueCopy("first" if score > 0.5 else "second", score, numbers)


def _named(names: tuple[str, ...], numbers: Floats) -> dict[str, float]:
    return {name: round(float(n), 4) for name, n in zip(names, numbers, strict=True)}


def _probability(model: ShippedModel, numbers: Floats) -> float:
    (found,) = model.run(numbers[None].astype(np.float32)).values()
    return float(found[0, 1])


def _suspicion(score: float | None) -> float:
    """How much a look at one copy alone speaks against it: 0 to 1."""
    return 0.0 if score is None else max(0.0, 2 * score - 1)


def _shifted(probability: float, by: float) -> float:
    """A probability whose logit is moved."""
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(math.log(kept / (1 - kept)) + by)))
