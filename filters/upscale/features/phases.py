"""Whether pixels differ by their place in a small grid, and how the colours go together.

Upscalers that make several pixels of one leave every one of them a little different, on a grid
that the eye does not see; enlarging by a kernel does the same. And both work on colours that the
camera or the painter left related in some other way.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

GRIDS = (2, 3, 4)
CAP = 24.0
ROWS = 4
"""One row in four is enough for the colours."""
CHANNELS = ("red_green", "green_blue", "red_blue")

NAMES = (
    *(f"phase_{grid}_{kind}" for grid in GRIDS for kind in ("size", "level", "spread")),
    *(f"colours_{pair}" for pair in CHANNELS),
    *(f"colours_coarse_{pair}" for pair in CHANNELS),
    "chroma_fine",
    "chroma_coarse",
    "chroma_fall",
)


def measure(tiles: Floats, colours: Floats) -> list[float]:
    """The numbers of ``NAMES``: luma, tiles x side x side, and RGB, x 3."""
    return [*_grids(tiles), *_channels(colours)]


def _grids(tiles: Floats) -> list[float]:
    middle = tiles[:, 1:-1, 1:-1] * 4
    sides = tiles[:, :-2, 1:-1] + tiles[:, 2:, 1:-1] + tiles[:, 1:-1, :-2] + tiles[:, 1:-1, 2:]
    bend = np.clip(middle - sides, -CAP, CAP)
    # From the tile's corner on, in grids that begin with it.
    size = (np.abs(bend)).sum(axis=0)
    level = bend.sum(axis=0)
    usual = float(size.mean()) + 0.1 * len(tiles)
    numbers = []
    for grid in GRIDS:
        sizes, levels = _phases(size, grid), _phases(level, grid)
        numbers.append(float(sizes.std()) / usual)
        numbers.append(float(levels.std()) / usual)
        numbers.append(float(sizes.max() - sizes.min()) / usual)
    return [float(np.log10(number + 1e-3)) for number in numbers]


def _phases(values: Floats, grid: int) -> Floats:
    """Means over all places that are one in a grid."""
    height, width = (side // grid * grid for side in values.shape)
    split = values[:height, :width].reshape(height // grid, grid, width // grid, grid)
    means: Floats = split.mean(axis=(0, 2))
    return means


def _channels(colours: Floats) -> list[float]:
    """Correlations of the channels' finest and less fine detail, and chroma against luma."""
    numbers: list[float] = []
    chroma: list[float] = []
    lines = colours[:, ::ROWS]
    for reach in (1, 3):
        detail = (
            2 * lines[:, :, reach:-reach] - lines[:, :, : -2 * reach] - lines[:, :, 2 * reach :]
        )
        flat = detail.reshape(-1, 3)
        moments = flat.T @ flat / len(flat)
        sizes = np.sqrt(np.diag(moments)) + 0.3
        for one, other in ((0, 1), (1, 2), (0, 2)):
            numbers.append(float(moments[one, other] / (sizes[one] * sizes[other])))
        difference = moments[0, 0] + moments[2, 2] - 2 * moments[0, 2]
        apart = max(float(difference), 0.0) + 0.1
        chroma.append(float(np.log10(apart) - np.log10(float(np.trace(moments)) + 0.3)))
    return [*numbers, *chroma, chroma[0] - chroma[1]]
