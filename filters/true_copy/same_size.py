"""What tells which of two copies of one size went through more: numbers that mirror each other.

Saving coarsely rounds fine coefficients to nothing and the others to multiples of a step, on the
grid of 8 x 8 blocks; making a picture small and large again takes its finest detail. Either stays
visible in files that were saved well afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from filters.picture import SHARED_SIDE
from filters.tiles import detailed, luma
from filters.true_copy.blocks import (
    BLOCK,
    blockiness,
    coefficients,
    effective_steps,
    quantised_step,
)
from filters.true_copy.pairs import likeness

if TYPE_CHECKING:
    from filters.picture import Picture

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]

SIDE = 72
"""Whole blocks, of which one is left over where the grid is moved by half of one."""
PLACES = 12
GROUPS = ((1, 3), (3, 5), (5, 8), (8, 15))
"""Coefficients by the sum of their row and column: from, up to."""
NAMES = (
    *(f"gain_{number}" for number in range(4)),
    *(f"zeros_{number}" for number in range(4)),
    *(f"zeros_of_grid_{number}" for number in range(4)),
    *("blocks", "steps", "declared_step", "difference_gain"),
)
"""The names of :func:`numbers`'s numbers. Each changes its sign where the copies change places."""


def numbers(first: Picture, second: Picture) -> tuple[Floats, float, float]:
    """One number for each of :data:`NAMES`, the copies' mean squared difference in levels, and how
    alike the places are (-1 to 1). No side is under 16 pixels.
    """
    # The same places whichever copy comes first.
    judged = min(first, second, key=lambda copy: (copy.bytes, copy.reduced(SHARED_SIDE).tobytes()))
    tiles = detailed(judged, min(SIDE, *first.rgb.size), PLACES)
    side = max(tiles[0].width, tiles[0].height)
    stacks = [luma(copy, tiles, side).astype(np.float32) for copy in (first, second)]
    difference = float(np.mean((stacks[0] - stacks[1]) ** 2))
    blocks = [coefficients(stack) for stack in stacks]
    moved = [coefficients(stack[:, BLOCK // 2 :, BLOCK // 2 :]) for stack in stacks]
    order = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
    gains, zeros, of_grid = [], [], []
    for start, end in GROUPS:
        group = (order >= start) & (order < end)
        a, b = (found[:, group] for found in blocks)
        off_a, off_b = (found[:, group] for found in moved)
        spread = float(np.sum((a - b) ** 2)) + 0.05 * a.size
        gains.append(float(np.sum(a**2) - np.sum(b**2)) / spread)
        zeros.append(_zeros(a) - _zeros(b))
        of_grid.append(_zeros(a) - _zeros(off_a) - _zeros(b) + _zeros(off_b))
    bends = [float(np.mean(np.diff(stack, 2, axis=1) ** 2)) for stack in stacks]
    told = [
        *np.clip(gains, -3, 3),
        *zeros,
        *of_grid,
        blockiness(stacks[0]) - blockiness(stacks[1]),
        effective_steps(blocks[0]) - effective_steps(blocks[1]),
        quantised_step(first.quantization) - quantised_step(second.quantization),
        np.log10(bends[0] + 0.1) - np.log10(bends[1] + 0.1),
    ]
    return np.array(told, np.float32), difference, likeness(*stacks)


def _zeros(found: Floats) -> float:
    """The share of coefficients that are nothing but the rounding of pixels."""
    return float(np.mean(np.abs(found) < 1.0))
