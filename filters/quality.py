"""Ruined files: JPEGs saved far too coarsely, and pictures with nothing sharp in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Bound, Measures, option
from filters.explanation import Explanation, Seen

if TYPE_CHECKING:
    from filters.picture import Picture


@dataclass(frozen=True)
class Options:
    min_jpeg_quality: float = option(
        50.0,
        "Quality a JPEG was last saved with, from its tables; 0 asks for nothing.",
        unit="libjpeg quality",
        low=0,
        high=100,
        source="benchmarks/results/ruined.md",
    )
    min_sharpness: float = option(
        0.3,
        "Sharpness of the sharpest place; 0 asks for nothing.",
        unit="share of an edge's contrast in one pixel",
        low=0,
        high=1,
        source="benchmarks/results/ruined.md",
    )


class Quality(BaseFilter):
    """Measures JPEG quality and sharpness at full size; rejects what training cannot mend."""

    name: ClassVar[str] = "quality"
    order: ClassVar[int] = 40
    reasons: ClassVar[Mapping[str, str]] = {
        "low_quality": "a JPEG saved with a quality under min_jpeg_quality",
        "blurred": "even its sharpest place is blurred",
    }
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("low_quality", "jpeg_quality", "min_jpeg_quality"),
        Bound("blurred", "sharpness", "min_sharpness"),
    )
    Options: ClassVar[type[Options]] = Options

    def measure(self, picture: Picture) -> Measures:
        """``jpeg_quality`` and ``subsampling`` (JPEG only), ``sharpness``; None: cannot tell."""
        # numpy is slow to import, and a command that only reads the options has no picture.
        from filters.jpeg_quality import jpeg_quality
        from filters.sharpness import sharpness

        return {
            "jpeg_quality": jpeg_quality(picture.quantization),
            "subsampling": picture.subsampling,
            "sharpness": sharpness(picture),
        }

    def explain(self, picture: Picture) -> Explanation:
        """The tiles whose sharpness was measured; the sharpest of them speaks."""
        from filters.sharpness import sharpness_of_tiles

        seen = sharpness_of_tiles(picture)
        told = [score for _, score in seen if score is not None]
        note = f"the sharpest place has {max(told):g}" if told else "no place has contrast enough"
        return Explanation(
            tiles=tuple(
                Seen(tile.box, score, "sharpness" if score is not None else "too little contrast")
                for tile, score in seen
            ),
            notes=(f"sharpness of the {len(seen)} places with the most contrast: {note}",),
        )
