"""Pictures in one colour: greys, scans, sepia, tints, gradient maps, and greys with one highlight.

Danbooru's definitions are the reference: a gradient map over a black and white drawing is
monochrome, and grey with a small highlight (spot colour) is, too; a limited palette of more than
two colours and a picture in colour in large parts are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Claims, Measures, Rejection, option
from filters.policy import Policy

if TYPE_CHECKING:
    from filters.monochrome.classification import Classifier
    from filters.picture import Picture

KINDS = ("grey", "paper", "sepia", "tint", "gradient_map", "spot_colour")
"""Ways of having no colours; everything else is of the kind ``colour``."""
MIN_SCORE = 0.85


@dataclass(frozen=True)
class Options:
    reject: tuple[str, ...] = option(
        KINDS,
        "Kinds of monochrome that are rejected.",
        choices=KINDS,
        source="Danbooru's definitions of its tags",
    )
    min_score: float = option(
        MIN_SCORE,
        "How sure it is that a picture is monochrome before it is rejected; plain grey has 1.",
        unit="probability",
        low=0,
        high=1,
        source="benchmarks/results/monochrome.md",
    )


class Monochrome(BaseFilter):
    """Tells pictures in one colour from pictures in colours, and what kind they are."""

    name: ClassVar[str] = "monochrome"
    order: ClassVar[int] = 45
    reasons: ClassVar[Mapping[str, str]] = {"monochrome": "in one colour or in greys"}
    Options: ClassVar[type[Options]] = Options

    @cached_property
    def _classifier(self) -> Classifier:
        from filters.monochrome.classification import Classifier

        return Classifier()

    def measure(self, picture: Picture) -> Measures:
        """``kind`` (one of KINDS; ``colour`` where it is less sure than ``MIN_SCORE``),
        ``likeness`` (the one of KINDS it comes nearest to), ``score`` (0 to 1: that it is
        monochrome), and what there is to see of it: ``chroma`` (of OKLab, which 99 % of the pixels
        that are not blank paper stay under), ``hue`` of most of them (degrees; None for greys) and
        ``coloured`` (share of them off the curve that the rest of the picture keeps to).
        """
        # numpy is slow to import, and a command that only reads the options has no picture.
        from filters.monochrome.classification import hue_of
        from filters.monochrome.numbers import numbers

        found = numbers(picture)
        likeness, score = self._classifier.judge(found)
        return {
            "kind": likeness if score >= MIN_SCORE else "colour",
            "likeness": likeness,
            "score": score,
            "chroma": found["point_chroma_99"],
            "hue": hue_of(found),
            "coloured": found["point_off_over_3"],
        }

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        """Rejects the kinds that the policy names, where it is sure enough."""
        options: Options = policy[self.name]
        score = measures.get("score")
        if not isinstance(score, (int, float)) or score < options.min_score:
            return None
        likeness = measures.get("likeness")
        if likeness not in options.reject:
            return None
        return Rejection("monochrome", f"{likeness} {score:g}", options.min_score)

    def summary(self, measures: Measures) -> str:
        """The kind, and how sure it is."""
        return f"{measures['kind']} {measures['score']:.2f}"
