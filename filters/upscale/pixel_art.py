"""Art made of large square pixels: sprites and scenes that were enlarged on purpose, sharp.

Every change of colour lies on a grid then, in rows and in columns. A photograph or a drawing
enlarged by its nearest pixels has that grid too, but not what artists do at such sizes: flat
places, and edges from one colour straight to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from filters.picture import Picture
from filters.upscale.features.lines import columns, rows

if TYPE_CHECKING:
    from filters.upscale.features.lines import Levels

Counts: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

STEP = 14
"""Grey levels between neighbours that are a change of colour."""
SHARE = 4
"""So is a step of no less than a quarter of the boldest: a JPEG's ringing is less than that."""
BOLDEST = 99
"""Percentile, of the steps that are changes."""
ON_GRID = 0.93
"""The share of changes that must lie on the grid."""
PLACES = 10
"""Different places along a line at which colours must change, or a grid could be chance."""
BUSIEST = 64
"""Places that are looked at first where squares are not whole pixels."""
LARGEST = 64
"""Pixels a side of the largest squares looked for."""
WIDEST = 1024
"""Squares along the longer side of the finest art looked for."""
SMALLEST = 16
"""Squares along the shorter side."""
UNEQUAL = 0.02
"""How far the grid of rows may differ from that of columns."""
LEAST = 64
"""A picture with a shorter side is not looked at."""
LEVEL = 0.3
"""The share of pairs of squares that must have one colour."""
SOFT = 0.35
"""The share of the other pairs that may have nearly one colour."""
ALIKE, NEARLY = 8, 24
"""Grey levels up to which two squares have one colour, or nearly."""
SMOOTHED = 0.4
"""The share of edges between flat places that may go by way of a square in between."""


def pixel_scale(picture: Picture | Image.Image) -> float | None:
    """Screen pixels along a side of one pixel of the art, 2 or more; None for all else.

    ``picture`` may be an RGB image. Squares need not be whole pixels, and a JPEG may have blurred
    them a little; pixel art of its own size, one to one, is None.
    """
    rgb = picture.rgb if isinstance(picture, Picture) else picture
    if min(rgb.size) < LEAST:
        return None
    across = _scale(rows(rgb))
    if across is None:
        return None
    down = _scale(columns(rgb))
    if down is None or abs(across - down) > UNEQUAL * across:
        return None
    size = round(rgb.width / across), round(rgb.height / down)
    if min(size) < SMALLEST:
        return None
    art = np.asarray(rgb.resize(size, Image.Resampling.NEAREST).convert("L")).astype(np.int16)
    return round((across + down) / 2, 2) if _is_pixel_art(art) else None


def _scale(lines: Levels) -> float | None:
    """The spacing of the coarsest grid on which all changes along the lines lie."""
    step = np.abs(lines[:, 1:] - lines[:, :-1])
    bold = step[step > STEP]
    if bold.size < PLACES:
        return None
    rank = bold.size * BOLDEST // 100
    least = max(STEP, int(np.partition(bold, rank)[rank]) // SHARE)
    changes = (step > least).sum(axis=0, dtype=np.int64)
    total = int(changes.sum())
    # Most places must have no change at all: true of squares of two pixels and more, and the end
    # of it for nearly every other picture.
    quiet = np.sort(changes)[: changes.size * 2 // 5]
    if quiet.sum() > (1 - ON_GRID) * total or np.count_nonzero(changes > 1) < PLACES:
        return None
    return _whole(changes, total) or _broken(changes, total)


def _whole(changes: Counts, total: int) -> float | None:
    """The largest whole spacing, wherever the grid begins."""
    for spacing in range(min(LARGEST, changes.size // SMALLEST), 1, -1):
        folded = np.bincount(np.arange(changes.size) % spacing, changes, spacing)
        if folded.max() >= ON_GRID * total:
            return float(spacing)
    return None


def _broken(changes: Counts, total: int) -> float | None:
    """The largest spacing at which a whole number of squares fills the picture."""
    length = changes.size + 1
    squares = np.arange(SMALLEST, min(WIDEST, length // 2) + 1)
    if not squares.size:
        return None
    busiest = np.argsort(-changes, kind="stable")[:BUSIEST]
    on_grid = changes[busiest] * _begins(busiest + 1, squares[:, None], length)
    for count in squares[on_grid.sum(axis=1) >= ON_GRID * changes[busiest].sum()]:
        places = np.flatnonzero(changes)
        if changes[places[_begins(places + 1, count, length)]].sum() >= ON_GRID * total:
            return float(length / count)
    return None


def _begins(pixels: Any, squares: Any, length: int) -> Any:
    """Whether a square begins at these pixels, when so many fill the length.

    Where the middle of a pixel lies just between two squares it may have gone either way.
    """
    behind = (pixels - 0.5) * squares / length
    here = (pixels + 0.5) * squares / length
    return np.floor(here + 1e-6) > np.floor(behind - 1e-6)


def _is_pixel_art(art: Levels) -> bool:
    """Whether luma of one pixel for every square is drawn as pixel art is."""
    pairs = level = soft = direct = smoothed = 0
    for along in (art, art.T):
        step = along[:, 1:] - along[:, :-1]
        apart = np.abs(step)
        flat = apart <= ALIKE
        pairs += apart.size
        level += int(flat.sum())
        soft += int((~flat & (apart <= NEARLY)).sum())
        # Flat, edge, flat; and the same with a square of a shade between on the edge.
        direct += int((flat[:, :-2] & ~flat[:, 1:-1] & flat[:, 2:]).sum())
        between = ~flat[:, 1:-2] & ~flat[:, 2:-1] & ((step[:, 1:-2] > 0) == (step[:, 2:-1] > 0))
        smoothed += int((flat[:, :-3] & between & flat[:, 3:]).sum())
    edges = max(1, direct + smoothed)
    return (
        level >= LEVEL * pairs
        and soft <= SOFT * max(1, pairs - level)
        and smoothed <= SMOOTHED * edges
    )
