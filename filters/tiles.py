"""The places of a picture that tell most about it: tiles of its own pixels, never rescaled.

Two looks. A small copy shows where the contrast is, over the whole picture at once; but a hard
outline shines there as well as fur or foliage, and only detail a pixel or two wide tells how large
a picture really is. So the likeliest tiles of the copy are looked at again at full size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from filters.picture import SHARED_SIDE, Picture

if TYPE_CHECKING:
    from PIL import Image

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

GRID = (120, 24)
"""Tiles begin at multiples of a multiple of the first of these that is not wider than they are:
whole JPEG blocks, and for 120 whole pixels of what was enlarged by 5/4, 4/3, 3/2, 8/5, 2, 5/2, 3
or 4 as well."""
ZONES = 4
"""The best tile of each of 4 x 4 parts of the picture gets a second look, wherever others are."""
LIKELIEST = 16
"""How many others do, if fewer than 16 are wanted."""
ROWS = 4
"""The second look reads one row and one column in four."""
CAP = 24
"""Grey levels at which detail counts in full: more is no better."""
CROWDED = 0.8
"""What a tile beside a chosen one is worth."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of a picture's pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, as Pillow's ``crop`` takes them."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)


def by_contrast(
    size: tuple[int, int], small: Image.Image, side: int, step: int | None = None
) -> tuple[Tile, ...]:
    """Tiles on a grid over a picture of ``size``, most contrast first.

    ``small`` is a reduced copy of the picture. Tiles begin at multiples of ``step``; without one
    they lie side by side and begin where a pixel of the small copy does. Where the picture is
    smaller than ``side``, so are the tiles.
    """
    luma = np.asarray(small.convert("L")).astype(np.int16)
    slope = np.zeros(luma.shape, np.int32)
    slope[:, 1:] += np.abs(np.diff(luma, axis=1))
    slope[1:] += np.abs(np.diff(luma, axis=0))
    # Capped, or one hard outline would outweigh a tile full of detail.
    np.minimum(slope, 64, out=slope)
    width, height = min(side, size[0]), min(side, size[1])
    lefts = _starts(size[0], width, step, small.width)
    tops = _starts(size[1], height, step, small.height)
    sums = np.add.reduceat(np.add.reduceat(slope, list(tops), axis=0), list(lefts), axis=1)
    across, down = list(lefts.values()), list(tops.values())
    order = np.argsort(-sums, axis=None, kind="stable")
    return tuple(
        Tile(across[column], down[row], width, height)
        for row, column in zip(*np.unravel_index(order, sums.shape), strict=True)
    )


def detailed(picture: Picture | Image.Image, side: int, count: int) -> tuple[Tile, ...]:
    """At most ``count`` tiles with the most fine detail, best first; never none.

    They lie apart where the picture has detail in several places, and avoid what is clipped to
    black or white. ``picture`` may be an RGB image: one decoded already.
    """
    rgb, small = _views(picture)
    step = next((side // grid * grid for grid in GRID if grid <= side), GRID[-1])
    tiles = by_contrast(rgb.size, small, side, step)
    tiles = _candidates(tiles, rgb.size, max(LIKELIEST, count))
    if len(tiles) == 1:
        return tiles
    worth = _fine_detail(luma(rgb, tiles, side))
    chosen: list[Tile] = []
    while len(chosen) < min(count, len(tiles)):
        best = tiles[int(np.argmax(worth))]
        chosen.append(best)
        for index, tile in enumerate(tiles):
            if tile == best:
                worth[index] = -1
            elif abs(tile.left - best.left) <= step and abs(tile.top - best.top) <= step:
                worth[index] *= CROWDED
    return tuple(chosen)


def luma(picture: Picture | Image.Image, tiles: Sequence[Tile], side: int) -> Bytes:
    """The tiles' luma (ITU-R 601): uint8, tiles x side x side; mirrored out where one is small."""
    rgb = picture.rgb if isinstance(picture, Picture) else picture
    return np.stack([_filled(np.asarray(rgb.crop(t.box).convert("L")), side) for t in tiles])


def colours(picture: Picture | Image.Image, tiles: Sequence[Tile], side: int) -> Bytes:
    """The tiles' colours: uint8, tiles x side x side x 3; mirrored out where one is small."""
    rgb = picture.rgb if isinstance(picture, Picture) else picture
    return np.stack([_filled(np.asarray(rgb.crop(t.box)), side) for t in tiles])


def _views(picture: Picture | Image.Image) -> tuple[Image.Image, Image.Image]:
    """The picture, and a copy small enough for the first look."""
    if isinstance(picture, Picture):
        return picture.rgb, picture.reduced(SHARED_SIDE)
    factor = -(-max(picture.size) // SHARED_SIDE)
    across, down = (min(factor, side) for side in picture.size)
    return picture, picture.reduce((across, down)) if factor > 1 else picture


def _starts(whole: int, side: int, step: int | None, small: int) -> dict[int, int]:
    """Where tiles begin, in pixels, by where that is in the small copy."""
    scale = whole / small
    starts: dict[int, int] = {}
    for index in range(1 + (whole - side) // (step or side)):
        at = int(index * (step or side) / scale)
        start = index * step if step else min(int(at * scale), whole - side)
        # A very long strip can have more tiles across than its small copy has pixels: each once.
        starts.setdefault(at, start)
    return starts


def _candidates(tiles: Sequence[Tile], size: tuple[int, int], count: int) -> tuple[Tile, ...]:
    """The first few, and the first of every zone."""
    zones: dict[tuple[int, int], Tile] = {}
    for tile in tiles:
        middle = (2 * tile.left + tile.width, 2 * tile.top + tile.height)
        zone = (middle[0] * ZONES // (2 * size[0]), middle[1] * ZONES // (2 * size[1]))
        zones.setdefault(zone, tile)
    return tuple(dict.fromkeys([*tiles[:count], *zones.values()]))


def _fine_detail(tiles: Bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How much each tile holds that is a pixel or two wide, and not clipped."""
    found = np.zeros(len(tiles))
    for lines in _every_few(tiles):
        wide = lines.astype(np.int16)
        bend = np.abs(2 * wide[..., 1:-1] - wide[..., :-2] - wide[..., 2:])
        clipped = ((lines < 3) | (lines > 252)).mean(axis=(1, 2))
        found += np.minimum(bend, CAP).mean(axis=(1, 2)) * (1 - clipped / 2)
    return found


def _every_few(tiles: Bytes) -> Iterator[Bytes]:
    """Some rows, then some columns, both lying along the last axis."""
    yield tiles[:, ROWS // 2 :: ROWS]
    yield np.ascontiguousarray(tiles[:, :, ROWS // 2 :: ROWS].transpose(0, 2, 1))


def _filled(pixels: Bytes, side: int) -> Bytes:
    missing = [(0, side - pixels.shape[0]), (0, side - pixels.shape[1])]
    if missing == [(0, 0), (0, 0)]:
        return pixels
    return np.pad(pixels, [*missing, *[(0, 0)] * (pixels.ndim - 2)], mode="symmetric")
