"""How large a picture is by the detail that is really there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filters.base import Bound

if TYPE_CHECKING:
    from filters.borders import Box

FAKE_SIDE, FAKE_PIXELS = "fake_side", "fake_pixels"

REASONS = {
    FAKE_SIDE: "the detail that is really there is under resolution.min_side",
    FAKE_PIXELS: "the detail that is really there is under resolution.min_pixels",
}
"""For the filter that measures effective sizes: two, so that SQL can tell which limit objected."""

BOUNDS = (
    Bound(FAKE_SIDE, "effective_side", "min_side", section="resolution", unless="too_small"),
    Bound(
        FAKE_PIXELS,
        "effective_pixels",
        "min_pixels",
        section="resolution",
        unless="too_few_pixels",
    ),
)
"""Effective sizes are held against the limits of the pixel counts."""


def effective_size(content: Box, factor: float | None) -> tuple[int, int]:
    """(width, height) of the picture that was there before it was upscaled, without its borders.

    ``factor`` says by how much its sides were multiplied (None, or 1 and less: they were not).
    Never under one pixel.
    """
    if factor is None or factor <= 1:
        return content.width, content.height
    return max(1, round(content.width / factor)), max(1, round(content.height / factor))


def effective_measures(content: Box, factor: float | None) -> dict[str, int]:
    """``effective_width``, ``effective_height``, the shorter of them, and their product."""
    width, height = effective_size(content, factor)
    return {
        "effective_width": width,
        "effective_height": height,
        "effective_side": min(width, height),
        "effective_pixels": width * height,
    }
