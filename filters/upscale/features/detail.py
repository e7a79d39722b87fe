"""The finest detail itself: how it is spread over scales, edges, flat places and neighbours."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Levels: TypeAlias = np.ndarray[Any, np.dtype[np.int16]]

SCALES = 3
PERCENTILES = (25, 50, 75, 90, 98)
CELL = 8
FLAT, EDGY = 25, 90
"""Percentiles of the cells' contrast that stand for flat places and for edges."""
EDGES = 1 / 32
"""The share of steps that are taken for edges; 12 grey levels at least."""
ENOUGH, MOST_EDGES = 16, 1500
AROUND = 5
"""Pixels on either side of an edge."""
NEAR = 2
"""Grey levels: what is no further apart is taken for the same shade."""


def _pattern_names() -> tuple[str, ...]:
    return tuple(f"pattern_{index}" for index in range(int(_patterns().max()) + 1))


@cache
def _patterns() -> np.ndarray[Any, np.dtype[np.intp]]:
    """Which of 27 runs of three steps (down, level, up) are alike turned or read backwards."""
    groups: dict[tuple[int, ...], int] = {}
    found = np.zeros(27, np.intp)
    for code in range(27):
        run = (code // 9 - 1, code // 3 % 3 - 1, code % 3 - 1)
        turned = tuple(-step for step in run)
        alike = min(run, turned, run[::-1], turned[::-1])
        found[code] = groups.setdefault(alike, len(groups))
    return found


NAMES = (
    *(f"haar_{band}_{scale}" for scale in range(1, SCALES + 1) for band in ("edge", "cross")),
    *(f"haar_cross_share_{scale}" for scale in range(1, SCALES + 1)),
    *(f"haar_fall_{band}_{scale}" for scale in range(1, SCALES) for band in ("edge", "cross")),
    *(f"haar_peaked_{scale}" for scale in range(1, SCALES + 1)),
    *(f"bends_{percentile}" for percentile in PERCENTILES),
    "same",
    "bends_over_steps",
    "edge_one_pixel",
    "edge_two_pixels",
    "edge_best",
    "overshoot",
    "flat_noise",
    "flat_bends",
    "edge_bends",
    "flat_to_edge",
    "flat_colour_of_noise",
    "cells_spread",
    "cells_agree",
    *_pattern_names(),
)


def measure(tiles: Levels) -> list[float]:
    """The numbers of ``NAMES``, of luma as int16: tiles x side x side, whole cells."""
    numbers = _haar(tiles)
    steps = np.abs(tiles[..., 1:] - tiles[..., :-1])
    bends = np.abs(2 * tiles[..., 1:-1] - tiles[..., :-2] - tiles[..., 2:])
    of_bends, of_steps = _counts(bends, 1021), _counts(steps, 256)
    numbers += _percentiles(of_bends)
    numbers.append(float(of_steps[0] / of_steps.sum()))
    numbers.append(_log(_mean(of_bends) + 0.1) - _log(_mean(of_steps) + 0.1))
    beyond = np.cumsum(of_steps[::-1])[::-1]
    numbers += _edges(tiles, max(12, int((beyond > EDGES * beyond[0]).sum())))
    numbers += _cells(tiles)
    numbers += _runs(tiles)
    return numbers


def _log(value: Any) -> float:
    return float(np.log10(value))


def _haar(tiles: Levels) -> list[float]:
    """Mean magnitudes of the bands of three scales, and how they compare."""
    edge, cross, peaked = [], [], []
    level: Floats = tiles.astype(np.float32)
    for _ in range(SCALES):
        a, b = level[:, ::2, ::2], level[:, ::2, 1::2]
        c, d = level[:, 1::2, ::2], level[:, 1::2, 1::2]
        left, right, top, bottom = a + c, b + d, a + b, c + d
        both = np.abs(a - b - c + d)
        edge.append(float(np.abs(left - right).mean() + np.abs(top - bottom).mean()) / 4)
        cross.append(float(both.mean()) / 2)
        peaked.append(float((both**2).mean()) / (float(both.mean()) ** 2 + 0.01))
        level = ((left + right) / 4).astype(np.float32)
    edges, crosses = np.log10(np.add(edge, 0.02)), np.log10(np.add(cross, 0.02))
    return [
        *(float(x) for pair in zip(edges, crosses, strict=True) for x in pair),
        *map(float, crosses - edges),
        *(float(x) for pair in zip(np.diff(edges), np.diff(crosses), strict=True) for x in pair),
        *map(_log, np.add(peaked, 0.1)),
    ]


def _counts(values: Levels, size: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    return np.bincount(values.ravel(), minlength=size)


def _percentiles(counts: np.ndarray[Any, np.dtype[np.intp]]) -> list[float]:
    """Of whole numbers counted, as if each were spread over its unit: logarithms."""
    sums = np.concatenate([[0], np.cumsum(counts)])
    found = np.interp(np.multiply(PERCENTILES, sums[-1] / 100), sums, np.arange(sums.size))
    return [_log(value + 0.1) for value in found]


def _mean(counts: np.ndarray[Any, np.dtype[np.intp]]) -> float:
    return float((counts * np.arange(counts.size)).sum() / counts.sum())


def _edges(tiles: Levels, strong: int) -> list[float]:
    """Of the strongest steps: the share of the edge in one and two pixels, and overshoot."""
    rows = tiles[:, ::2]
    step = rows[..., AROUND : 1 - AROUND] - rows[..., AROUND - 1 : -AROUND]
    places = np.nonzero(np.abs(step) >= strong)
    if places[0].size < ENOUGH:
        return [0.0, 0.0, 0.0, 0.0]
    tile, row, column = (place[:: 1 + places[0].size // MOST_EDGES] for place in places)
    near = rows[tile[:, None], row[:, None], column[:, None] + np.arange(2 * AROUND)]
    # The edge lies between the two in the middle; all rise from here on.
    near = near * np.sign(near[:, AROUND] - near[:, AROUND - 1])[:, None]
    around = near[:, 2:-2]
    span = (around.max(axis=1) - around.min(axis=1)).astype(np.float32)
    left, right = AROUND - 1, AROUND
    share = (near[:, right] - near[:, left]) / span
    two = np.maximum(near[:, right] - near[:, left - 1], near[:, right + 1] - near[:, left]) / span
    rise = (near[:, -1] + near[:, -2] - near[:, 0] - near[:, 1]) / 2
    over = (span - rise) / span
    best = np.partition(share, share.size * 95 // 100)[share.size * 95 // 100]
    return [float(share.mean()), float(two.mean()), float(best), float(over.mean())]


def _cells(tiles: Levels) -> list[float]:
    """The finest detail of flat cells against that of cells with edges."""
    cross = np.zeros(tiles.shape, np.float32)
    bend = tiles[:, :-1] - tiles[:, 1:]
    cross[:, :-1, :-1] = np.abs(bend[:, :, :-1] - bend[:, :, 1:])
    step = np.zeros(tiles.shape, np.float32)
    step[:, :-2] = np.abs(tiles[:, 2:] - tiles[:, :-2])
    step[:, :, :-2] += np.abs(tiles[:, :, 2:] - tiles[:, :, :-2])
    fine, contrast = _celled(cross), _celled(step)
    low, high = np.percentile(contrast, [FLAT, EDGY])
    flat, edgy = contrast <= low, contrast >= high
    logs, rough = np.log10(fine + 0.05), np.log10(contrast + 0.1)
    return [
        float(logs[flat].mean()),
        float(rough[flat].mean()),
        float(logs[edgy].mean()),
        float(logs[flat].mean() - logs[edgy].mean()),
        float((logs[flat] - rough[flat]).mean()),
        float(logs.std()),
        _correlation(logs, rough),
    ]


def _celled(values: Floats) -> Floats:
    """Means of 8 x 8 cells, in one row."""
    count, height, width = values.shape
    # A product with ones is several times as fast as a sum along a short axis.
    across = values.reshape(-1, CELL) @ np.full(CELL, 1 / CELL**2, np.float32)
    found: Floats = across.reshape(count, height // CELL, CELL, width // CELL).sum(axis=2).ravel()
    return found


def _correlation(one: Floats, other: Floats) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).mean() / (a.std() * b.std() + 1e-3))


def _runs(tiles: Levels) -> list[float]:
    """Shares of the kinds of three steps in a row, along rows and columns alike."""
    counts = np.zeros(27, np.intp)
    for lines in (tiles[:, ::2], tiles[:, :, ::2].transpose(0, 2, 1)):
        step = lines[..., 1:] - lines[..., :-1]
        way = (step > NEAR).astype(np.uint8) + (step >= -NEAR)
        code = way[..., :-2] * np.uint8(9) + way[..., 1:-1] * np.uint8(3) + way[..., 2:]
        counts += np.bincount(code.ravel(), minlength=27)
    kinds = np.bincount(_patterns(), counts) / counts.sum()
    return [float(share) for share in kinds]
