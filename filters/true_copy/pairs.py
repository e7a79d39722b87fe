"""The same places of two copies, brought to each other's size in every common way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from filters.tiles import detailed

if TYPE_CHECKING:
    from filters.picture import Picture

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Area: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""
Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

KERNELS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
"""How the small copy is enlarged; Pillow's box is its nearest there."""
REDUCERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
"""How the large copy is reduced."""
PLACES = 10
PIXELS = 60_000
"""Pixels of the large copy that are looked at: about, and three places at least."""
SIDES = ((1.6, 48), (2.5, 32), (4.2, 24), (float("inf"), 16))
"""Up to which factor a place is how many pixels of the small copy wide: whole JPEG blocks."""
TIE = 0.01
"""Pixels of the small copy by which nearest is moved to choose between two."""
SUPPORT = 3
"""Pixels of the smaller copy beyond a place that its resampling looks at, for Lanczos."""


@dataclass(frozen=True, slots=True)
class Places:
    """Luma of some places in both copies: stacks of squares, grey levels 0 to 255."""

    factor: float
    """How many times larger the large copy is."""
    large: Floats
    """Places x N x N."""
    enlarged: Floats
    """Of the small copy, by every kernel: kernels x places x N x N."""
    small: Floats
    """Places x n x n."""
    reduced: Floats
    """Of the large copy, by every kernel: kernels x places x n x n."""

    @property
    def alike(self) -> float:
        """Median correlation of the places of the large copy with those of the small one."""
        return likeness(self.small, self.reduced[0])


def likeness(ones: Floats, others: Floats) -> float:
    """Median correlation of places (n x S x S) with others of the same size."""
    pairs = [
        (one - one.mean(), other - other.mean()) for one, other in zip(ones, others, strict=True)
    ]
    found = [(a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1) for a, b in pairs]
    return float(np.median(found))


def places(small: Picture, large: Picture) -> Places:
    """The places of a small copy with the most detail, most first, in both.

    Both show the same picture, edge to edge; the larger is so in both directions.
    """
    across = large.rgb.width / small.rgb.width
    down = large.rgb.height / small.rgb.height
    factor = (across * down) ** 0.5
    side = min(next(side for limit, side in SIDES if factor <= limit), *small.rgb.size)
    side = side // 8 * 8 or side
    wide, high = round(side * across), round(side * down)
    wide = high = min(wide, high)
    count = min(PLACES, max(3, PIXELS // (wide * high)))
    lumas, enlarged, smalls, reduced = [], [], [], []
    for tile in detailed(small, side, count):
        left = min(round(tile.left * across), large.rgb.width - wide)
        top = min(round(tile.top * down), large.rgb.height - high)
        lumas.append(np.asarray(large.rgb.crop((left, top, left + wide, top + high)).convert("L")))
        seen = (left / across, top / down, (left + wide) / across, (top + high) / down)
        cut = _cut(small.rgb, seen, SUPPORT + 1)
        made = [_nearest(*cut, lumas[-1])]
        made += [np.asarray(cut[0].resize((wide, high), way, cut[1])) for way in KERNELS[1:]]
        enlarged.append(np.stack(made))
        box = (tile.left, tile.top, tile.left + side, tile.top + side)
        smalls.append(np.asarray(small.rgb.crop(box).convert("L")))
        seen = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        reach = int(SUPPORT * max(across, down)) + 2
        cut = _cut(large.rgb, seen, reach)
        made = [np.asarray(cut[0].resize((side, side), way, cut[1])) for way in REDUCERS]
        reduced.append(np.stack(made))
    return Places(
        factor,
        np.stack(lumas).astype(np.float32),
        np.stack(enlarged, axis=1).astype(np.float32),
        np.stack(smalls).astype(np.float32),
        np.stack(reduced, axis=1).astype(np.float32),
    )


def _cut(rgb: Image.Image, box: Area, reach: int) -> tuple[Image.Image, Area]:
    """The luma of a part of a picture and of some pixels around it; and where the part is in it."""
    left, top = max(0, int(box[0]) - reach), max(0, int(box[1]) - reach)
    right, bottom = min(rgb.width, int(box[2]) + reach), min(rgb.height, int(box[3]) + reach)
    luma = rgb.crop((left, top, right, bottom)).convert("L")
    inside = (
        max(box[0] - left, 0.0),
        max(box[1] - top, 0.0),
        min(box[2] - left, luma.width),
        min(box[3] - top, luma.height),
    )
    return luma, inside


def _nearest(luma: Image.Image, inside: Area, large: Bytes) -> Bytes:
    """A part of the small copy enlarged by repeating pixels, as the large copy would have it.

    Where a pixel of the large copy lies between two of the small one, some programs repeat the one
    and some the other.
    """
    best, least = large, float("inf")
    for across in (-TIE, TIE):
        for down in (-TIE, TIE):
            moved = (
                max(0.0, inside[0] + across),
                max(0.0, inside[1] + down),
                min(luma.width, inside[2] + across),
                min(luma.height, inside[3] + down),
            )
            made = np.asarray(luma.resize(large.shape[::-1], KERNELS[0], moved))
            away = made.astype(np.int16) - large
            if (error := float(np.mean(away * away, dtype=np.float32))) < least:
                best, least = made, error
    return best
