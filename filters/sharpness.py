"""How sharp the sharpest places of a picture are, at its own size.

A sharp edge spends all its contrast in one or two pixels, a blurred one spreads it: the measure is
the largest step between neighbours, as a share of the whole range of a window around them.
Contrast cancels out, so pale art and dark photographs are read alike, and only the sharpest tile
speaks: flat areas and what lies out of focus do not.

The steps are those of the window's middle half. At its ends a window holds only a part of an edge,
whose steepest step would be a large share of what little is seen of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from filters.picture import Picture

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

MAX_SIDE = 256
"""Tiles are chosen on a copy at most this large."""
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
    tiles = _tiles(picture)
    if min(tiles.shape[1:]) < WINDOW:
        return None
    down = _windows(tiles)
    across = _windows(np.ascontiguousarray(tiles.transpose(0, 2, 1)))
    found = []
    for step_and_range in zip(*down, *across, strict=True):
        step = np.concatenate([step_and_range[0].ravel(), step_and_range[2].ravel()])
        span = np.concatenate([step_and_range[1].ravel(), step_and_range[3].ravel()])
        counts = span >= RANGE
        if np.count_nonzero(counts) >= ENOUGH:
            shares = step[counts] / span[counts].astype(np.float32)
            rank = shares.size * PERCENTILE // 100
            found.append(float(np.partition(shares, rank)[rank]))
    return round(max(found), 3) if found else None


def _tiles(picture: Picture) -> Bytes:
    """The places with the most contrast, as luma at full size: tiles x height x width."""
    rgb = picture.rgb
    small = picture.reduced(MAX_SIDE)
    luma = np.asarray(small.convert("L")).astype(np.int16)
    slope = np.zeros(luma.shape, np.int32)
    slope[:, 1:] += np.abs(np.diff(luma, axis=1))
    slope[1:] += np.abs(np.diff(luma, axis=0))
    # Capped, or one hard outline would outweigh a tile full of detail.
    np.minimum(slope, 64, out=slope)
    width, height = min(TILE, rgb.width), min(TILE, rgb.height)
    across, down = rgb.width / small.width, rgb.height / small.height
    columns, rows = max(1, rgb.width // width), max(1, rgb.height // height)
    lefts = [int(i * width / across) for i in range(columns)]
    tops = [int(i * height / down) for i in range(rows)]
    # A very long strip can have more tiles across than its small copy has pixels: take each once.
    lefts, tops = sorted(set(lefts)), sorted(set(tops))
    sums = np.add.reduceat(np.add.reduceat(slope, tops, axis=0), lefts, axis=1)
    best = np.argsort(-sums, axis=None, kind="stable")[:TILES]
    tiles = []
    for row, column in zip(*np.unravel_index(best, sums.shape), strict=True):
        left = min(int(lefts[column] * across), rgb.width - width)
        top = min(int(tops[row] * down), rgb.height - height)
        tile = rgb.crop((left, top, left + width, top + height)).convert("L")
        tiles.append(np.asarray(tile))
    return np.stack(tiles)


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
