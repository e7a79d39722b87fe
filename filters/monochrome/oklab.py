"""OKLab: lightness and colour as the eye tells them apart (B. Ottosson, 2020)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

# https://bottosson.github.io/posts/oklab/
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)


def oklab(image: Image.Image) -> Floats:
    """Of an 8-bit sRGB image: height x width x (L, a, b).

    L is 0 to 1; a and b are 0 for greys and reach about 0.3 for the strongest colours.
    """
    linear = _linear()[np.asarray(image)]
    lab: Floats = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return lab


@cache
def _linear() -> Floats:
    """Linear light of each sRGB level, 0 to 1 (IEC 61966-2-1)."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)
