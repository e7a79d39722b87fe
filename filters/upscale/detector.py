"""Native or upscaled, how far, and which head said so: one picture, three ways of answering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from filters.onnx_model import shipped
from filters.tiles import Tile, detailed, luma
from filters.upscale.evidence import NAMES, TILE, TILES, evidence, shares_of
from filters.upscale.features import features

if TYPE_CHECKING:
    from filters.picture import Picture

HEADS = ("interpolated", "ai")
LABELS = ("native", *HEADS)
UPSCALED = 0.5
"""The score from which on a picture is called upscaled."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the heads say of a picture.

    Scores go from 0 to 1. A head's says how sure it is that the picture was enlarged by its kind of
    upscaler, on a scale that is the same for both: from 0.5 on it is called upscaled. The card says
    how the scale was laid.
    """

    answer: str
    """``native``, ``upscaled`` or ``undecided``."""
    factor: float
    """How many times larger than its detail the picture is; 1 unless it is upscaled."""
    head: str | None
    """Which head has the higher score: ``interpolated`` or ``ai``."""
    scores: dict[str, float]
    detail: float
    """log10 of the mean squared step between neighbours in the tiles."""
    tiles: tuple[Tile, ...]
    answers: Any
    """Per tile: logits for native, interpolated and ai, and log2 of the factor (n x 4)."""

    @property
    def score(self) -> float:
        return max(self.scores.values())

    def told(self) -> list[tuple[str, float, float]]:
        """Per tile: the likeliest answer, how sure the network is of it (0 to 1), the factor."""
        shares = shares_of(self.answers)
        best = shares.argmax(axis=1)
        return [
            (LABELS[label], float(row[label]), float(2 ** answer[3]))
            for label, row, answer in zip(best, shares, self.answers, strict=True)
        ]


class Detector:
    """The network and the heads that come with the project. Safe to use from several threads."""

    def __init__(self) -> None:
        self._network = shipped("upscale_tiles")
        self._heads = shipped("upscale_heads")

    @property
    def least_detail(self) -> float:
        """log10 of the mean squared step between neighbours that a native picture needs."""
        return float(self._heads.card["least_detail"])

    def estimate(self, picture: Picture) -> Estimate | None:
        """None where a picture is too small to say anything of. Raises ModelError."""
        hand_made = features(picture)
        if hand_made is None:
            return None
        tiles = detailed(picture, TILE, TILES)
        pixels = luma(picture, tiles, TILE)
        answers = self._network.run(pixels)["answers"]
        seen = evidence(answers, pixels)
        fine = float(seen[NAMES.index("detail")])
        numbers = np.concatenate([seen, hand_made])
        found = self._heads.run(numbers[None].astype(np.float32))
        calibration = self._heads.card["calibration"]
        scores = {
            head: calibrated(float(found[head].ravel()[0]), calibration[head]) for head in HEADS
        }
        head = max(HEADS, key=lambda name: scores[name])
        answer = self._answer(scores[head], fine)
        factor = 1.0
        if answer == "upscaled":
            factor = max(1.0, round(float(2 ** found["log2_factor"].ravel()[0]), 2))
        return Estimate(answer, factor, head, scores, round(fine, 2), tiles, answers)

    def _answer(self, score: float, fine: float) -> str:
        card = self._heads.card
        if fine < card["blank"]:
            return "undecided"
        if score >= UPSCALED:
            return "upscaled"
        sure = fine >= self.least_detail and score < card["most_native"]
        return "native" if sure else "undecided"


def calibrated(raw: float, knots: dict[str, list[float]]) -> float:
    """A head's raw score on the common scale: straight between the card's knots."""
    return round(float(np.interp(raw, knots["raw"], knots["score"])), 4)
