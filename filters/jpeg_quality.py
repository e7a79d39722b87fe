"""The quality setting a JPEG was saved with, read from its quantisation tables."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
"""ITU-T T.81 annex K.1 and K.2 (the second is 99 outside this corner): quality 50 of libjpeg."""


def jpeg_quality(tables: Sequence[Sequence[int]]) -> float | None:
    """The quality on libjpeg's scale of 1 to 100 that is as coarse as these tables.

    ``tables`` is of luma first, then of chroma where it has its own; None where there is none.
    Exact for libjpeg's own tables. For others it is the libjpeg quality with the same mean
    logarithm, whatever the order of the coefficients, so one odd entry moves it little.
    """
    if not tables:
        return None
    coarseness = float(np.mean([_coarseness(table) for table in tables[:2]]))
    scale = _scale(len(tables[:2]))
    # np.interp wants rising values; quality falls as coarseness rises.
    return round(float(np.interp(coarseness, scale[::-1], np.arange(100, 0, -1))), 2)


def _coarseness(table: Sequence[int]) -> float:
    return float(np.mean(np.log(np.maximum(table, 1))))


@functools.cache
def _scale(tables: int) -> list[float]:
    """The coarseness of libjpeg's qualities 1 to 100."""
    chroma = np.full((8, 8), 99)
    chroma[:4, :4] = _CHROMA
    bases = (np.array(_LUMA), chroma)[:tables]
    out = []
    for quality in range(1, 101):
        percent = 5000 // quality if quality < 50 else 200 - 2 * quality
        scaled = [np.clip((base * percent + 50) // 100, 1, 255) for base in bases]
        out.append(float(np.mean([_coarseness(table.ravel()) for table in scaled])))
    return out
