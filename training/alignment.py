"""Where in an original a smaller picture of a part of it lies."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]

ALIKE = 0.9
"""Correlation of the two from which they are taken for the same."""


COARSE = 4
"""The whole is searched at a quarter of the scale, what is found there at the full one."""


def located(part: Image.Image, whole: Image.Image) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of ``part`` in ``whole``, at the same scale; None: not there.

    By normalised cross-correlation of luma (Lewis 1995).
    """
    if part.width > whole.width or part.height > whole.height:
        return None
    small, large = (_luma(image.reduce(COARSE)) for image in (part, whole))
    top, left = (COARSE * at for at in _best(small, large)[1])
    # Reduced by whole cells, the two lie alike up to a cell.
    left, top = max(0, left - COARSE), max(0, top - COARSE)
    right = min(whole.width, left + part.width + 2 * COARSE)
    bottom = min(whole.height, top + part.height + 2 * COARSE)
    left, top = max(0, right - part.width - 2 * COARSE), max(0, bottom - part.height - 2 * COARSE)
    alike, place = _best(_luma(part), _luma(whole.crop((left, top, right, bottom))))
    if alike < ALIKE:
        return None
    left, top = left + place[1], top + place[0]
    return left, top, left + part.width, top + part.height


def _luma(image: Image.Image) -> Floats:
    return np.asarray(image.convert("L")).astype(np.float32)


def _best(small: Floats, large: Floats) -> tuple[float, tuple[int, int]]:
    """The correlation of one picture with another where it is highest; row and column there."""
    mean = small.mean()
    small, large = (values.astype(np.float64) - mean for values in (small, large))
    rows, columns = (big - little + 1 for big, little in zip(large.shape, small.shape, strict=True))
    if rows * columns <= (2 * COARSE + 1) ** 2:
        product = np.array(
            [
                [np.vdot(large[r : r + small.shape[0], c : c + small.shape[1]], small)
                 for c in range(columns)]
                for r in range(rows)
            ]
        )  # fmt: skip
    else:
        spectrum = np.fft.rfft2(large) * np.conj(np.fft.rfft2(small, s=large.shape))
        product = np.fft.irfft2(spectrum, s=large.shape)[:rows, :columns]
    squares, levels = (_sums(values, *small.shape) for values in (large**2, large))
    spread = np.maximum(squares - levels**2 / small.size, 1.0) * max(float((small**2).sum()), 1.0)
    alike = product / np.sqrt(spread)
    row, column = np.unravel_index(int(np.argmax(alike)), alike.shape)
    return float(alike[row, column]), (int(row), int(column))


def _sums(values: Any, height: int, width: int) -> Any:
    """The sums of all rectangles of a size."""
    total = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return (
        total[height:, width:]
        - total[:-height, width:]
        - total[height:, :-width]
        + total[:-height, :-width]
    )
