"""Numbers that tell an enlarged picture from one of its own size: what the heads judge by.

Most are of the most detailed tiles, some of whole rows and columns; none is rescaled before it is
looked at. Every number is finite, whatever the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from filters.picture import Picture
from filters.tiles import colours, detailed
from filters.upscale.features import detail, enlargements, lines, phases, spectrum

if TYPE_CHECKING:
    from PIL import Image

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

SIDE = spectrum.SIDE
TILES = 6
LEAST = 64
"""A picture with a shorter side has no features."""
FAMILIES = (spectrum, enlargements, detail, phases, lines)
NAMES: tuple[str, ...] = tuple(name for family in FAMILIES for name in family.NAMES)


def features(picture: Picture | Image.Image) -> Floats | None:
    """The numbers of ``NAMES`` as float32; None where a side is under 64 pixels.

    ``picture`` may be an RGB image.
    """
    rgb = picture.rgb if isinstance(picture, Picture) else picture
    if min(rgb.size) < LEAST:
        return None
    pixels = colours(rgb, detailed(picture, SIDE, TILES), SIDE)
    wide = pixels.astype(np.float32)
    luma = wide @ np.array([0.299, 0.587, 0.114], np.float32)
    numbers = [
        *spectrum.measure(luma),
        *enlargements.measure(luma),
        *detail.measure(np.rint(luma).astype(np.int16)),
        *phases.measure(luma, wide),
        *lines.measure(rgb),
    ]
    return np.asarray(numbers, np.float32)
