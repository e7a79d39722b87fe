"""Whether the most detailed tiles could be an enlargement of something smaller.

Two questions for every common factor. What is lost when the pixels are made fewer and then as many
again? And how much of the tile no enlargement by a given kernel could have made: what lies outside
the space of everything that it can make? Along rows and along columns alone, as an enlargement is
made. Tiles begin where whole pixels of the smaller picture would.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

SIDE = 120
"""Pixels of a tile that are looked at: whole for every factor."""
FACTORS = tuple(Fraction(*f) for f in ((5, 4), (4, 3), (3, 2), (8, 5), (2, 1), (5, 2), (3, 1)))
FACTORS = (*FACTORS, Fraction(4))
KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
TESTED = (Fraction(5, 4), Fraction(4, 3), Fraction(3, 2), Fraction(2), Fraction(3), Fraction(4))
MARGIN = 8
"""Pixels of the smaller picture beside a tile that reach into it."""
FLOOR = 1e-3
"""Grey levels squared that rounding alone can make."""

NAMES = (
    *(f"lost_{float(factor):.3g}" for factor in FACTORS),
    *(f"outside_{kernel}_{float(factor):.3g}" for factor in TESTED for kernel in KERNELS),
)


def measure(tiles: Floats) -> list[float]:
    """The numbers of ``NAMES``, of luma: tiles x 120 x 120, or more of which the rest is left."""
    whole = tiles[:, :SIDE, :SIDE]
    whole = whole - whole.mean(axis=(1, 2), keepdims=True)
    # The squares of all answers to questions Q about lines X sum up to the trace of XX'Q'Q: the
    # lines' moments are all that is needed of them.
    moments = whole @ whole.transpose(0, 2, 1) + whole.transpose(0, 2, 1) @ whole
    energy = moments.reshape(len(tiles), -1) @ _questions() / (2 * SIDE)
    logs = np.log10(np.maximum(energy, 0) + FLOOR)
    bend, lost, above, outside = np.split(logs, np.cumsum(_counts()[:-1]), axis=1)
    lost = (lost - bend).mean(axis=0)
    outside = (outside - above.repeat(len(KERNELS), axis=1)).mean(axis=0)
    return [*map(float, lost), *map(float, outside)]


def _counts() -> tuple[int, ...]:
    return 1, len(FACTORS), len(TESTED), len(TESTED) * len(KERNELS)


@cache
def _questions() -> Floats:
    """Of every question Q about a line, rows to be multiplied with it: Q'Q over their number."""
    bend = np.diff(np.eye(SIDE, dtype=np.float32), 2, axis=0)
    asked = [bend]
    asked += [_lost(factor) for factor in FACTORS]
    asked += [_above(factor) for factor in TESTED]
    asked += [_outside(factor, kernel) for factor in TESTED for kernel in KERNELS.values()]
    products = [(one.T @ one / len(one)).ravel() for one in asked]
    found: Floats = np.ascontiguousarray(np.stack(products, axis=1))
    return found


def _resize(length: int, to: int, kernel: Image.Resampling) -> Floats:
    """What resizing a line does, as a matrix: to x length."""
    unit = Image.fromarray(np.eye(length, dtype=np.float32))
    made: Floats = np.asarray(unit.resize((to, length), kernel)).T
    return made


def _lost(factor: Fraction) -> Floats:
    """What fewer pixels cannot hold, as differences, of the middle of the tile."""
    fewer = int(SIDE / factor)
    there = _resize(SIDE, fewer, Image.Resampling.BICUBIC)
    back = _resize(fewer, SIDE, Image.Resampling.BICUBIC)
    difference: Floats = np.eye(SIDE, dtype=np.float32) - back @ there
    return difference[MARGIN : SIDE - MARGIN]


def _above(factor: Fraction) -> Floats:
    """The cosines of the tile above the highest frequency that fewer pixels can hold."""
    order, place = np.arange(int(SIDE / factor), SIDE), np.arange(SIDE) + 0.5
    cosines = np.cos(np.pi / SIDE * order[:, None] * place) * np.sqrt(2 / SIDE)
    found: Floats = cosines.astype(np.float32)
    return found


def _outside(factor: Fraction, kernel: Image.Resampling) -> Floats:
    """An orthonormal basis of what no enlargement by this factor and kernel can make."""
    beside = -(-MARGIN // factor.denominator) * factor.denominator
    fewer = int(SIDE / factor) + 2 * beside
    first = int(beside * factor)
    made: Floats = _resize(fewer, int(fewer * factor), kernel)[first : first + SIDE]
    left, values, _ = np.linalg.svd(made, full_matrices=True)
    rank = int((values > values[0] * 1e-3).sum())
    found: Floats = left[:, rank:].T
    return found
