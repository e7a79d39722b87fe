"""The part of a picture that is content: letterbox, pillarbox and uniform frames do not count.

A bar is a run of whole rows or columns of (nearly) one colour that ends in a straight edge along
what lies inside. The ground around a drawing ends in the outline of what is drawn, a sky or a
vignette ends in no edge at all: both are content. So the rule looks at how much of the content
begins at one and the same line, and asks the more of it the less the sides resemble each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from filters.picture import SHARED_SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

    from filters.picture import Picture

Colour: TypeAlias = tuple[int, int, int]
Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.int16]]

LEVEL = 12
"""Levels a pixel of the copy may differ from the colour of its bar."""
FLAT = 5
"""Levels that nineteen of twenty of them may: less than a sky drifts."""
STEP = 20
"""Levels by which content differs from its bar, where it does."""
SLOPE = 0.004
"""Share of a side within which an edge is straight; resampled and compressed edges are soft."""
RINGING = 24
"""Pixels over which compression may blur an edge."""
STRAIGHT = 0.7
"""Share of the content's side that must begin at the edge of a bar without an opposite."""
STRAIGHT_PAIR = 0.5
"""The same where the opposite side has a bar of the same colour,"""
STRAIGHT_TWINS = 0.3
"""and where that is as wide: a night scene begins black in most places."""
DARK, LIGHT = 32, 223
"""A bar without an opposite is black or white; a flat sky over a flat sea is neither."""
MOSTLY_GROUND = 0.1
"""Share of a picture under which what is not ground is all its content, whatever its outline."""
FRAMES = 3
"""Frames within frames that are taken off."""


class Box(NamedTuple):
    """Pixels of a picture as seen: ``left <= x < right``, ``top <= y < bottom``."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class _Bar:
    """What may be a bar on one side of a part of a picture."""

    colour: Colour
    width: int
    """Pixels of the picture, up to where most of the content begins."""
    straight: float
    """Share of the content's side that begins there; 0 where the bar is not of one colour."""


def content_box(picture: Picture) -> Box:
    """Where the content of a picture is; all of it where nothing else can be told."""
    rgb, small = picture.rgb, picture.reduced(SHARED_SIDE)
    factor = -(-max(rgb.size) // SHARED_SIDE)
    box = Box(0, 0, *rgb.size)
    for _ in range(FRAMES):
        inner = _within(rgb, small, factor, box)
        if inner == box:
            break
        box = inner
    return box


def _within(rgb: Image, small: Image, factor: int, box: Box) -> Box:
    """A part of a picture without its outermost bars."""
    part = Box(
        -(-box.left // factor),
        -(-box.top // factor),
        small.width if box.right == rgb.width else box.right // factor,
        small.height if box.bottom == rgb.height else box.bottom // factor,
    )
    if min(part.width, part.height) < 3:
        return box
    cells = np.asarray(small.crop(part)).astype(np.int16)
    views = [_from_outside(side, cells) for side in range(4)]
    grounds = [_ground(view) for view in views]
    margins = [_margin(v, g) if g else 0 for v, g in zip(views, grounds, strict=True)]
    inside = Box(
        part.left + margins[0],
        part.top + margins[1],
        part.right - margins[2],
        part.bottom - margins[3],
    )
    if min(inside.width, inside.height) < 1:
        return box  # all of one colour
    bars = [
        _bar(
            rgb, box, _scaled(inside, factor, box), side, ground, flat=_flat(view[:margin], ground)
        )
        if ground and margin
        else None
        for side, (view, ground, margin) in enumerate(zip(views, grounds, margins, strict=True))
    ]
    speck = inside.width * inside.height < MOSTLY_GROUND * part.width * part.height
    cut = [
        bar.width if bar and (speck or _counts(bar, bars[(side + 2) % 4])) else 0
        for side, bar in enumerate(bars)
    ]
    inner = Box(box.left + cut[0], box.top + cut[1], box.right - cut[2], box.bottom - cut[3])
    return inner if min(inner.width, inner.height) > 0 else box


def _from_outside(side: int, pixels: Pixels) -> Pixels:
    """Rows in the order in which one meets them from the left, the top, the right, the bottom."""
    rows = pixels if side % 2 else pixels.transpose(1, 0, 2)
    return rows if side < 2 else rows[::-1]


def _scaled(part: Box, factor: int, box: Box) -> Box:
    """The pixels of a part of the small copy."""
    return Box(
        part.left * factor,
        part.top * factor,
        min(part.right * factor, box.right),
        min(part.bottom * factor, box.bottom),
    )


def _away(rows: Pixels, ground: Colour) -> Pixels:
    """Levels by which pixels differ from a colour, in the channel where they do most."""
    away = np.abs(rows - np.array(ground, np.int16))
    # One axis of three is slow to reduce.
    return np.maximum(np.maximum(away[..., 0], away[..., 1]), away[..., 2])


def _ground(rows: Pixels) -> Colour | None:
    """The colour of the outermost row, where it has one."""
    red, green, blue = (int(level) for level in np.median(rows[0], axis=0))
    return (red, green, blue) if _flat(rows[:1], (red, green, blue)) else None


def _flat(rows: Pixels, ground: Colour) -> bool:
    # The last row before an edge holds a part of what comes after it.
    return bool(np.percentile(_away(rows[: max(1, len(rows) - 1)], ground), 95) <= FLAT)


def _margin(rows: Pixels, ground: Colour) -> int:
    """How many rows in a run are of the colour of the ground."""
    others = np.count_nonzero(_away(rows, ground) > LEVEL, axis=1) > 0.004 * rows.shape[1]
    return int(np.argmax(others)) if others.any() else len(rows)


def _bar(rgb: Image, box: Box, inside: Box, side: int, ground: Colour, *, flat: bool) -> _Bar:
    """Look at full size where a margin ends, along the content alone."""
    axis = side % 2
    slope = max(3, round(SLOPE * (box[axis + 2] - box[axis])))
    reach = max(RINGING, -(-max(rgb.size) // SHARED_SIDE)) + slope
    start = max(box[axis], inside[side] - reach)
    end = min(box[axis + 2], inside[side] + reach)
    across = (inside.top, inside.bottom) if axis == 0 else (inside.left, inside.right)
    strip = (start, across[0], end, across[1]) if axis == 0 else (across[0], start, across[1], end)
    rows = _from_outside(side, np.asarray(rgb.crop(strip)).astype(np.int16))
    differs = _away(rows, ground) > STEP
    begins = np.argmax(differs, axis=0)[differs.any(axis=0)]
    counts = np.bincount(begins, minlength=len(rows) + slope)
    together = np.convolve(counts, np.ones(slope + 1, np.intp))[slope:]
    edge = int(np.argmax(together))
    edge += int(np.argmax(counts[edge:] > 0))
    begun = int(together[edge]) - int(counts[:edge].sum())
    outside = start - box[axis] if side < 2 else box[axis + 2] - end
    return _Bar(ground, outside + edge, begun / rows.shape[1] if flat else 0.0)


def _counts(bar: _Bar, opposite: _Bar | None) -> bool:
    """Whether it is a bar, by how straight it ends and what lies on the other side."""
    pair = (
        opposite is not None
        and max(abs(a - b) for a, b in zip(bar.colour, opposite.colour, strict=True)) <= LEVEL
    )
    if opposite is None or not pair:
        plain = max(bar.colour) <= DARK or min(bar.colour) >= LIGHT
        return plain and bar.straight >= STRAIGHT
    twins = abs(bar.width - opposite.width) <= max(3, SLOPE * bar.width * 10)
    return min(bar.straight, opposite.straight) >= (STRAIGHT_TWINS if twins else STRAIGHT_PAIR)
