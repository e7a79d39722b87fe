"""What JPEG leaves behind: blocks of 8 x 8, and coefficients that are multiples of a step."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]

BLOCK = 8
LEAST_STEP = 6
"""Steps under this are lost in the rounding of decoded pixels."""
ANYWHERE = 0.25
"""Mean distance to the nearest multiple, in steps, of numbers that know nothing of them."""


def coefficients(luma: Floats) -> Floats:
    """The DCT-II of each block of squares (places x n x n): blocks x 8 x 8, orthonormal."""
    side = luma.shape[1] // BLOCK * BLOCK
    count = side // BLOCK
    cut = luma[:, :side, :side] - 128
    blocks = cut.reshape(-1, count, BLOCK, count, BLOCK).swapaxes(2, 3).reshape(-1, BLOCK, BLOCK)
    basis = _basis()
    found: Floats = basis @ blocks @ basis.T
    return found


@cache
def _basis() -> Floats:
    rows, columns = np.mgrid[:BLOCK, :BLOCK]
    basis = np.cos(np.pi * (2 * columns + 1) * rows / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    basis[0] /= np.sqrt(2)
    whole: Floats = basis.astype(np.float32)
    return whole


def blockiness(luma: Floats) -> float:
    """log10 of the mean step across the edges of blocks over that within them; 0 for none."""
    logs = []
    for lines in (luma, luma.swapaxes(1, 2)):
        steps = np.abs(np.diff(lines, axis=2)).mean(axis=(0, 1))
        edges = np.arange(len(steps)) % BLOCK == BLOCK - 1
        if edges.any():
            logs.append(np.log10((steps[edges].mean() + 0.1) / (steps[~edges].mean() + 0.1)))
    return float(np.mean(logs)) if logs else 0.0


def quantised_step(tables: Sequence[Sequence[int]]) -> float:
    """log10 of the mean luma step of a JPEG's low frequencies; 0 for other formats."""
    return (
        float(np.log10(np.mean(np.reshape(tables[0], (BLOCK, BLOCK))[:4, :4]))) if tables else 0.0
    )


def off_grid(luma: Floats, tables: Sequence[Sequence[int]]) -> float:
    """How far its coefficients are from multiples of a JPEG's luma steps, in steps: 0 to 0.5.

    :data:`ANYWHERE` where there is no such table or too little to tell.
    """
    if not tables:
        return ANYWHERE
    steps = np.reshape(np.array(tables[0], np.float32), (BLOCK, BLOCK))
    told = np.abs(coefficients(luma) / steps)
    # Small ones are rounded to zero wherever they come from.
    counts = (told >= 0.75) & (steps >= LEAST_STEP)
    if np.count_nonzero(counts) < 2 * BLOCK:
        return ANYWHERE
    numbers = told[counts]
    return float(np.abs(numbers - np.rint(numbers)).mean())


def step_errors(left: Floats, tables: Sequence[Sequence[int]]) -> tuple[float, float]:
    """A difference in a JPEG's own steps: log10 of the mean square, and of the share over 0.6.

    Rounding is at most half a step off, whatever the quality; what is more was not rounding.
    """
    steps = np.full((BLOCK, BLOCK), SMALL_STEP, np.float32)
    if tables:
        steps = np.maximum(np.reshape(np.array(tables[0], np.float32), (BLOCK, BLOCK)), SMALL_STEP)
    low = np.add.outer(np.arange(BLOCK), np.arange(BLOCK)) <= BLOCK
    low[0, 0] = False
    # Differences have no mean to take off.
    errors = np.abs(coefficients(left + 128) / steps)[:, low]
    if not errors.size:
        return 0.0, 0.0
    return (
        float(np.log10(np.mean(np.minimum(errors, 8) ** 2) + 1e-3)),
        float(np.log10(np.mean(errors > 0.6) + 1e-3)),
    )


SMALL_STEP = 3.0
"""Steps under this are lost in the rounding of pixels, of both copies."""
STEPS = np.arange(3, 33, dtype=np.float32)
"""Steps that are tried; pixels' rounding hides finer ones."""
LOW = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))
"""Coefficients (row, column) that are large in most pictures."""


def effective_steps(found: Floats) -> float:
    """log10 of the coarsest step that low coefficients are multiples of, whatever they were saved
    with last; about 0 where they are of none. ``found``: blocks x 8 x 8."""
    logs = []
    for row, column in LOW:
        values = found[:, row, column]
        values = values[np.abs(values) >= 2]
        if len(values) < 3 * BLOCK:
            continue
        turns = values[:, None] / STEPS
        # A value under half a step is no multiple of it, wherever it comes from.
        counts = np.abs(turns) >= 0.5
        enough = counts.sum(axis=0)
        fit = (np.cos(2 * np.pi * turns) * counts).sum(axis=0) / np.maximum(enough, 1)
        # Divisors of a step fit as well: the coarsest good one is the step.
        good = np.nonzero((fit >= 0.55) & (enough >= 2 * BLOCK) & (enough >= len(values) / 8))[0]
        logs.append(float(np.log10(STEPS[good[-1]])) if len(good) else 0.0)
    return float(np.mean(logs)) if logs else 0.0
