"""Shrinking pictures that are larger than training needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from PIL import Image

from filters.base import option
from stages.base import Derived
from stages.errors import UnreadablePicture
from stages.prepare import encode, is_lossless, safe_rgb
from storage.records import AcceptedImage


@dataclass(frozen=True)
class ShrinkOptions:
    """How small. ``min_side`` wins where both are given."""

    max_pixels: int = option(
        1_500_000, "area that pictures are shrunk to", unit="px", low=4096, source="EveryDream"
    )
    min_side: int = option(
        0, "shrink so that the shorter side has this many pixels instead; 0: off", unit="px", low=0
    )


class Shrink:
    """Scales pictures down, never up, by Lanczos; aspect kept to the nearest pixel.

    A picture that is small enough gives nothing: its original goes on as it is. What is given is
    upright 8-bit sRGB without metadata: PNG from lossless formats, else JPEG of quality 97
    (shrinking averages old losses away, so that a lossless copy would only cost space).
    """

    name: ClassVar[str] = "shrink"
    version: ClassVar[int] = 1
    group_by: ClassVar[Literal["image", "shot", "group"]] = "image"
    Options: ClassVar[type[ShrinkOptions]] = ShrinkOptions

    def __init__(self, options: ShrinkOptions) -> None:
        self.options = options

    def process(self, inputs: Sequence[AcceptedImage]) -> Iterator[Derived]:
        """At most one picture for each input. Raises UnreadablePicture."""
        for image in inputs:
            if image.path is None:
                raise UnreadablePicture("no_bytes", f"{image.site}:{image.site_id} has no file")
            try:
                data = image.path.read_bytes()
            except FileNotFoundError as error:
                raise UnreadablePicture("missing", f"{image.path} is gone") from error
            rgb = safe_rgb(data)
            size = self.size(*rgb.size)
            if size == rgb.size:
                continue
            format = "png" if is_lossless(data) else "jpg"
            small = rgb.resize(size, Image.Resampling.LANCZOS)
            parameters = {"width": size[0], "height": size[1], "filter": "lanczos"}
            yield Derived(encode(small, format), format, *size, parameters)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """What a picture of this size (pixels) is shrunk to; the same size if it stays."""
        if side := self.options.min_side:
            if min(width, height) <= side:
                return width, height
            if width <= height:
                return side, max(side, round(height * side / width))
            return max(side, round(width * side / height)), side
        if width * height <= self.options.max_pixels:
            return width, height
        scale = math.sqrt(self.options.max_pixels / (width * height))
        small = max(1, round(min(width, height) * scale))
        # The longer side gives way, so that rounding never exceeds the area.
        long = max(1, min(round(max(width, height) * scale), self.options.max_pixels // small))
        return (small, long) if width <= height else (long, small)
