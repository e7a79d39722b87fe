"""Rates with their 95 % intervals, clustered by source: samples of one picture are one witness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Names: TypeAlias = np.ndarray[Any, Any]

DRAWS = 400
"""Sets of sources drawn with replacement, by which an interval is read off."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval; ``sources`` and ``samples`` it was counted on."""

    value: float
    low: float
    high: float
    sources: int
    samples: int

    def __str__(self) -> str:
        if not self.samples:
            return "-"
        return f"{self.value:.1%} ({self.low:.1%} - {self.high:.1%})"

    def against(self, target: float, *, most: bool = False) -> str:
        """``met``, ``missed``, or ``not resolved`` where the target is inside the interval."""
        if not self.samples:
            return "-"
        if self.low <= target <= self.high:
            return "not resolved"
        return "met" if (self.value <= target) == most else "missed"


def share(hits: Names, sources: Names, seed: int = 0) -> Rate:
    """The share of samples that are hits."""
    hits = np.asarray(hits, float)
    names, place = np.unique(sources, return_inverse=True)
    rates = [
        float((hits * weight).sum() / weight.sum())
        for weight in (counts[place] for counts in _draws(len(names), seed))
        if weight.sum()
    ]
    return _rate(float(hits.mean()) if len(hits) else 0.0, rates, len(names), len(hits))


def recall_at(
    negatives: Floats,
    negative_sources: Names,
    positives: Floats,
    positive_sources: Names,
    allowed: float,
    seed: int = 0,
) -> Rate:
    """The share of positives above the score that ``allowed`` of the negatives are above.

    Sources are drawn anew for both at once, so that the interval holds the threshold's too.
    """
    if not len(positives) or not len(negatives):
        return Rate(0.0, 0.0, 1.0, 0, 0)
    names, place = np.unique(
        np.concatenate([negative_sources, positive_sources]), return_inverse=True
    )
    below, above = place[: len(negatives)], place[len(negatives) :]
    order = np.argsort(-negatives)
    ranked, below = negatives[order], below[order]

    def recall(counts: Floats) -> float | None:
        weights, found = counts[below], counts[above]
        if not weights.sum() or not found.sum():
            return None
        limit = _limit(ranked, weights, allowed)
        return float(found[positives > limit].sum() / found.sum())

    rates = [recall(counts) for counts in _draws(len(names), seed)]
    value = recall(np.ones(len(names)))
    return _rate(
        value or 0.0, [r for r in rates if r is not None],
        len(np.unique(positive_sources)), len(positives),
    )  # fmt: skip


def limit_at(negatives: Floats, allowed: float, weights: Floats | None = None) -> float:
    """The least score that at most ``allowed`` of the negatives are above."""
    order = np.argsort(-negatives)
    given = np.ones(len(negatives)) if weights is None else weights[order]
    return _limit(negatives[order], given, allowed)


def _limit(ranked: Floats, weights: Floats, allowed: float) -> float:
    over = np.cumsum(weights) > allowed * weights.sum()
    return float(ranked[int(np.argmax(over))])


def _draws(count: int, seed: int) -> list[Floats]:
    rng = np.random.default_rng(seed)
    even = np.full(count, 1 / max(count, 1))
    return [rng.multinomial(count, even).astype(float) for _ in range(DRAWS)] if count else []


def _rate(value: float, rates: list[float], sources: int, samples: int) -> Rate:
    if not rates:
        return Rate(value, 0.0, 1.0, sources, samples)
    low, high = np.percentile(rates, [2.5, 97.5])
    if value in (0.0, 1.0):
        # Nothing drawn from what was never seen: the rule of three, on sources.
        slack = min(1.0, 3 / max(sources, 1))
        low, high = (low, slack) if value == 0.0 else (1 - slack, high)
    return Rate(value, float(low), float(high), sources, samples)
