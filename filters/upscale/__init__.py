"""Upscales: pictures that are larger than their detail, by interpolation or by a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Bound, Measures, option
from filters.effective import BOUNDS, REASONS, effective_measures

if TYPE_CHECKING:
    from filters.explanation import Explanation
    from filters.picture import Picture
    from filters.upscale.detector import Detector


NATIVE = "native"


@dataclass(frozen=True)
class Options:
    max_upscale: float = option(
        1.2,
        "How many times larger than its detail a picture may be.",
        unit="times",
        low=1,
        high=100,
        source="benchmarks/results/upscale.md",
    )
    max_pixel_scale: int = option(
        100,
        "Pixel art: how large one of its squares may be; 1 rejects all that was enlarged.",
        unit="pixels",
        low=1,
        high=100,
    )


class Upscale(BaseFilter):
    """Measures whether a picture was enlarged, how far and by what; and what is really there.

    Sizes are judged on the detail: what borders hold and what an upscaler made up does not count.
    """

    name: ClassVar[str] = "upscale"
    order: ClassVar[int] = 45
    reasons: ClassVar[Mapping[str, str]] = {
        "upscaled": "it was enlarged by more than max_upscale",
        "pixel_art": "pixel art whose squares are larger than max_pixel_scale",
        **REASONS,
    }
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("upscaled", "factor", "max_upscale", most=True),
        Bound("pixel_art", "pixel_scale", "max_pixel_scale", most=True),
        *BOUNDS,
    )
    Options: ClassVar[type[Options]] = Options

    @cached_property
    def _detector(self) -> Detector:
        from filters.upscale.detector import Detector

        return Detector()

    def measure(self, picture: Picture) -> Measures:
        """``answer`` (native, upscaled, undecided or pixel_art) with its ``score`` and ``head``.

        ``interpolated`` and ``ai`` are the heads' scores (0.5 and more: upscaled), ``factor`` how
        many times too large the picture is (1 unless upscaled), ``pixel_scale`` the squares of
        pixel art, ``detail`` what there is to judge by; ``effective_*`` what is really there.
        """
        # numpy and onnxruntime are slow to import, and a command that only reads the options has
        # no picture.
        from filters.borders import content_box
        from filters.upscale.pixel_art import pixel_scale

        scale = pixel_scale(picture)
        found = None if scale else self._detector.estimate(picture)
        factor = found.factor if found else 1.0
        return {
            "answer": "pixel_art" if scale else found.answer if found else "undecided",
            "score": found.score if found else None,
            "head": found.head if found and found.answer == "upscaled" else None,
            "interpolated": found.scores["interpolated"] if found else None,
            "ai": found.scores["ai"] if found else None,
            "factor": factor,
            "pixel_scale": scale,
            "detail": found.detail if found else None,
            **effective_measures(content_box(picture), factor),
        }

    def summary(self, measures: Measures) -> str:
        """The answer with its score, and what is really there."""
        told = str(measures["answer"])
        if measures["head"]:
            by = "a network" if measures["head"] == "ai" else "interpolation"
            told += f" {measures['factor']:g}x by {by}"
        elif measures["pixel_scale"]:
            told += f", squares of {measures['pixel_scale']:g}"
        if measures["score"] is not None:
            told += f" {measures['score']:.2f}"
        return f"{told}, effective {measures['effective_width']}x{measures['effective_height']}"

    def explain(self, picture: Picture) -> Explanation | None:
        """The tiles that the network looked at, and which answer each of them gives."""
        from filters.borders import content_box
        from filters.explanation import Explanation, Seen
        from filters.upscale.pixel_art import pixel_scale

        if scale := pixel_scale(picture):
            note = f"upscale: pixel art whose squares are {scale:g} pixels a side"
            return Explanation((), content_box(picture), (note,))
        found = self._detector.estimate(picture)
        if found is None:
            return None
        tiles = tuple(
            Seen(tile.box, round(share, 2), f"{label} {factor:.2g}x" if label != NATIVE else label)
            for tile, (label, share, factor) in zip(found.tiles, found.told(), strict=True)
        )
        notes = (
            f"upscale: interpolated {found.scores['interpolated']:.2f}, by a network"
            f" {found.scores['ai']:.2f}; 0.5 and more is called upscaled",
            f"upscale: detail {found.detail:.2f}, which is"
            + ("" if found.detail >= self._detector.least_detail else " not")
            + " enough to judge by",
        )
        return Explanation(tiles, content_box(picture), notes)
