"""What the tiles of a picture say together: the numbers that the heads judge by."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

TILE = 96
"""Pixels a side of the tiles that the network looks at."""
TILES = 12

_OF_TILES = ("mean", "highest", "second", "lowest", "deviation")
NAMES = (
    *(f"{what}_{of}" for what in ("interpolated", "ai") for of in _OF_TILES),
    *(f"factor_{of}" for of in _OF_TILES),
    "interpolated_share",
    "ai_share",
    "detail",
    "tiles",
)
"""The names of :func:`evidence`'s numbers, in their order."""


def evidence(answers: Floats, tiles: np.ndarray[Any, np.dtype[np.uint8]]) -> Floats:
    """The numbers of one picture, of its tiles (n x S x S) and the network's answers (n x 4).

    An answer is a logit for native, interpolated and made up by a network, and log2 of the factor.
    """
    against_native = answers[:, 1:3] - answers[:, :1]
    columns = [against_native[:, 0], against_native[:, 1], answers[:, 3]]
    shares = shares_of(answers).mean(axis=0)
    found = [number for column in columns for number in _spread(column)]
    return np.array([*found, *shares[1:], detail(tiles), len(tiles)], np.float32)


def shares_of(answers: Floats) -> Floats:
    """How sure the network is of native, interpolated and ai: n x 3, every row adds up to 1."""
    powers = np.exp(answers[:, :3] - answers[:, :3].max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def detail(tiles: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """log10 of the tiles' mean squared step between neighbours: how much there is to judge by."""
    wide = tiles.astype(np.float32)
    across, down = np.diff(wide, axis=2), np.diff(wide, axis=1)
    return float(np.log10(np.mean(across * across) + np.mean(down * down) + 1e-3))


def _spread(column: Floats) -> tuple[float, ...]:
    ranked = np.sort(column)
    second = ranked[-2] if len(ranked) > 1 else ranked[-1]
    return (
        float(column.mean()), float(ranked[-1]), float(second), float(ranked[0]),
        float(column.std()),
    )  # fmt: skip
