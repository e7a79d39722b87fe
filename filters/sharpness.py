"""How sharp the sharpest places of a picture are, at its own size.

A sharp edge spends all its contrast in one or two pixels, a blurred one spreads it: the measure is
the largest step between neighbours, as a share of the whole range of a window around them.
Contrast cancels out, so pale art and dark photographs are read alike, and only the sharpest tile
speaks: flat areas and what lies out of focus do not.

The steps are those of the window's middle half. At its ends a window holds only a part of an edge,
whose steepest step would be a large share of what little is seen of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from filters.picture import SHARED_SIDE
from filters.tiles import Tile, by_contrast

if TYPE_CHECKING:
    from filters.picture import Picture

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

TILES = 8
TILE = 97
"""Pixels: 24 groups of four and one more, in either direction."""
WINDOW = 17
"""Pixels: four groups and one more; the steps are those of the two groups in the middle."""
RANGE = 24
"""Grey levels a window must span to count: less is grain and the ringing of compression."""
PERCENTILE = 98
ENOUGH = 8
"""Windows of contrast a tile must hold to count."""


def sharpness(picture: Picture) -> float | None:
    """0 to 1: about 1 for a hard edge, 0.3 after a blur of 2 pixels, 0.1 after one of 6.

    None where no part of the picture has contrast enough to tell, or a side is under 17 pixels.
    """
    found = [score for _, score in sharpness_of_tiles(picture) if score is not None]
    return max(found, default=None)


def sharpness_of_tiles(picture: Picture) -> list[tuple[Tile, float | None]]:
    """The same of each tile that is looked at; None where it has not contrast enough to tell."""
    rgb = picture.rgb
    chosen = by_contrast(rgb.size, picture.reduced(SHARED_SIDE), TILE)[:TILES]
    tiles = np.stack([np.asarray(rgb.crop(tile.box).convert("L")) for tile in chosen])
    if min(tiles.shape[1:]) < WINDOW:
        return [(tile, None) for tile in chosen]
    return list(zip(chosen, _sharpness(tiles), strict=True))


def _sharpness(tiles: Bytes) -> Iterator[float | None]:
    """Of each of the places with the most contrast: luma, tiles x height x width."""
    down = _windows(tiles)
    across = _windows(np.ascontiguousarray(tiles.transpose(0, 2, 1)))
    for step_and_range in zip(*down, *across, strict=True):
        step = np.concatenate([step_and_range[0].ravel(), step_and_range[2].ravel()])
        span = np.concatenate([step_and_range[1].ravel(), step_and_range[3].ravel()])
        counts = span >= RANGE
        if np.count_nonzero(counts) < ENOUGH:
            yield None
            continue
        shares = step[counts] / span[counts].astype(np.float32)
        rank = shares.size * PERCENTILE // 100
        yield round(float(np.partition(shares, rank)[rank]), 3)


def _windows(tiles: Bytes) -> tuple[Bytes, Bytes]:
    """(largest step of its middle, range) of every window down the rows, one each four rows."""
    end = (tiles.shape[1] - 1) // 4 * 4
    here, below = tiles[:, :end], tiles[:, 1 : end + 1]
    steps = _of_four(np.maximum, np.maximum(here, below) - np.minimum(here, below))
    highest, lowest = _of_four(np.maximum, here), _of_four(np.minimum, here)
    last = tiles[:, WINDOW - 1 : end + 1 : 4]
    step = np.maximum(steps[:, 1:-2], steps[:, 2:-1])
    high, low = last, last
    for group in range(4):
        beside = slice(group, group + last.shape[1])
        high, low = np.maximum(high, highest[:, beside]), np.minimum(low, lowest[:, beside])
    return step, high - low


def _of_four(choose: Callable[[Bytes, Bytes], Bytes], rows: Bytes) -> Bytes:
    return choose(
        choose(rows[:, 0::4], rows[:, 1::4]),
        choose(rows[:, 2::4], rows[:, 3::4]),
    )
