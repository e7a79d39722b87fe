"""Size in pixels: claimed before the download, decoded after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Bound, Measures, option

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
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("too_small", "side", "min_side", claimed=True),
        Bound("too_few_pixels", "pixels", "min_pixels", claimed=True),
        Bound("too_many_pixels", "pixels", "max_pixels", most=True, claimed=True),
    )
    Options: ClassVar[type[Options]] = Options

    def measure(self, picture: Picture) -> Measures:
        """Width and height as seen, the shorter of them, and their product."""
        width, height = picture.display_width, picture.display_height
        return {
            "width": width,
            "height": height,
            "side": min(width, height),
            "pixels": width * height,
        }
