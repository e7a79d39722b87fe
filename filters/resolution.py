"""Size in pixels: claimed before the download, decoded after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Claims, Measures, Rejection, option
from filters.policy import Policy

if TYPE_CHECKING:
    from filters.picture import Picture


@dataclass(frozen=True)
class Options:
    min_side: int = option(
        768, "Shorter side of the picture as seen.", unit="pixels", low=1, high=100_000
    )
    min_pixels: int = option(
        900_000,
        "Width x height; with min_side, both hold.",
        unit="pixels",
        low=1,
        high=10_000_000_000,
        source="1300 x 700 is 0.91 MP and trains well",
    )
    max_pixels: int = option(
        100_000_000,
        "Width x height that is decoded at all.",
        unit="pixels",
        low=1,
        high=441_000_000,
    )


class Resolution(BaseFilter):
    """Pictures too small to train on, or too large to decode safely."""

    name: ClassVar[str] = "resolution"
    order: ClassVar[int] = 20
    reasons: ClassVar[Mapping[str, str]] = {
        "too_small": "its shorter side is under min_side",
        "too_few_pixels": "width x height is under min_pixels",
        "too_many_pixels": "width x height is over max_pixels",
    }
    Options: ClassVar[type[Options]] = Options

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        return policy.first(_objections(claims.width, claims.height, policy[self.name]))

    def measure(self, picture: Picture) -> Measures:
        """Width and height as seen."""
        return {"width": picture.display_width, "height": picture.display_height}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        width, height = measures.get("width"), measures.get("height")
        if not isinstance(width, int) or not isinstance(height, int):
            return None
        return policy.first(_objections(width, height, policy[self.name]))


def _objections(width: int | None, height: int | None, options: Options) -> Iterator[Rejection]:
    # One known side may already be too short; zero is how some sites say that they do not know.
    sides = [side for side in (width, height) if side]
    if sides and min(sides) < options.min_side:
        yield Rejection("too_small", min(sides), options.min_side)
    if width and height:
        pixels = width * height
        if pixels < options.min_pixels:
            yield Rejection("too_few_pixels", pixels, options.min_pixels)
        if pixels > options.max_pixels:
            yield Rejection("too_many_pixels", pixels, options.max_pixels)
