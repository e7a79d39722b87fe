"""How the power of the most detailed tiles falls towards the highest frequencies."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

SIDE = 128
BANDS = 16
"""Bands of equal width from no frequency to half a cycle per pixel, along one axis."""
CARRIERS = {"half": (64, 0), "corner": (64, 64), "third": (43, 0), "quarter": (32, 0)}
"""Where upscaling by a whole factor leaves a grid of its own: cycles per tile."""

NAMES = (
    *(f"axis_{band}" for band in range(BANDS)),
    "slope",
    "bend_of_slope",
    "steepest",
    "diagonal",
    "flatness",
    "predictable",
    *(f"grid_{name}" for name in CARRIERS),
)


def measure(tiles: Floats) -> list[float]:
    """The numbers of ``NAMES``, of luma: tiles x 128 x 128."""
    level = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    transform = np.fft.rfft2(level * _window())
    power = transform.real**2 + transform.imag**2
    # Both halves of the plane are alike but for the columns of no and of half a cycle.
    power[:, :, 1:-1] *= 2
    # Every tile counts alike, however strong its contrast.
    power /= power.sum(axis=(1, 2), keepdims=True) + 1.0
    mean = power.mean(axis=0)
    across, down = power.sum(axis=1), _folded(power.sum(axis=2))
    axis = _log(_bands(np.stack([across, down])).mean(axis=(0, 1)))
    numbers = [*axis, *_shape(axis)]
    fine = _folded(mean.T[None])[0].T
    numbers.append(float(_log(fine[33:, 33:].mean()) - _log(fine[:32, 33:].mean())))
    numbers.append(float(_log(mean).mean() - _log(mean.mean())))
    # How well a pixel is told from all the others: the harmonic mean is what is left of it.
    numbers.append(float(-_log((1 / (mean + 1e-12)).mean()) - _log(mean.mean())))
    numbers += [_grid(fine, *place) for place in CARRIERS.values()]
    return [float(number) for number in numbers]


@cache
def _window() -> Floats:
    hann = np.hanning(SIDE + 2)[1:-1].astype(np.float32)
    return np.outer(hann, hann).astype(np.float32)


def _log(values: Any) -> Any:
    return np.log10(np.asarray(values) + 1e-12)


def _folded(power: Floats) -> Floats:
    """Negative frequencies along the last axis added to the positive ones."""
    found = power[..., : SIDE // 2 + 1].copy()
    found[..., 1 : SIDE // 2] += power[..., : SIDE // 2 : -1]
    return found


def _bands(power: Floats) -> Floats:
    """Of 65 frequencies: BANDS sums."""
    edges = np.arange(BANDS) * (SIDE // 2 // BANDS) + 1
    return np.add.reduceat(power, edges, axis=-1).astype(np.float32)


def _shape(axis: Floats) -> list[float]:
    """Slope and bend of a parabola through the bands, and the steepest fall."""
    octaves = np.log2(np.arange(1, BANDS + 1) - 0.5)
    bend, slope, _ = np.polyfit(octaves, axis, 2)
    return [float(slope), float(bend), float((axis[4:-1] - axis[5:]).max())]


def _grid(power: Floats, across: int, down: int) -> float:
    """Power at one frequency, on either axis, over that of its neighbours."""
    found = []
    for row, column in {(across, down), (down, across)}:
        near = power[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
        found.append(float(_log(power[row, column]) - _log(np.median(near))))
    return max(found)
