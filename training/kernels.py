"""Resizing as the world does it: by Pillow, OpenCV and others, in gamma or linear light."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Size: TypeAlias = tuple[int, int]

STUDIED = ("nearest", "bilinear", "bicubic", "lanczos", "area")
"""The kernels of the tables; ``area`` is Pillow's box."""
_PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
OTHERS = ("hamming", "cv_linear", "cv_cubic", "cv_lanczos4", "mitchell", "spline36")
"""Kernels of other programs, for training: OpenCV's, ImageMagick's, video tools'."""


def resized(image: Image.Image, size: Size, kernel: str, *, linear: bool = False) -> Image.Image:
    """An RGB image at ``size`` (width, height); ``linear`` resizes in linear light (sRGB)."""
    if linear:
        values = _to_linear(np.asarray(image, np.float32) / 255)
        return _to_image(_from_linear(np.clip(_float_resized(values, size, kernel), 0, 1)) * 255)
    if kernel in _PILLOW:
        return image.resize(size, _PILLOW[kernel])
    if kernel.startswith("cv_"):
        import cv2

        way = {
            "cv_linear": cv2.INTER_LINEAR,
            "cv_cubic": cv2.INTER_CUBIC,
            "cv_lanczos4": cv2.INTER_LANCZOS4,
        }
        return Image.fromarray(cv2.resize(np.asarray(image), size, interpolation=way[kernel]))
    return _to_image(_by_matrix(np.asarray(image, np.float32), size, kernel))


def _float_resized(values: Floats, size: Size, kernel: str) -> Floats:
    if kernel in ("mitchell", "spline36"):
        return _by_matrix(values, size, kernel)
    way = _PILLOW.get(kernel, Image.Resampling.BICUBIC)
    planes = [Image.fromarray(values[..., c]).resize(size, way) for c in range(values.shape[2])]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _by_matrix(values: Floats, size: Size, kernel: str) -> Floats:
    shape, support = _SHAPES[kernel]
    across = _weights(values.shape[1], size[0], shape, support)
    down = _weights(values.shape[0], size[1], shape, support)
    half = np.einsum("yh,hwc->ywc", down, values, optimize=True)
    return np.einsum("xw,ywc->yxc", across, half, optimize=True).astype(np.float32)


def _weights(before: int, after: int, shape: Callable[[float], float], support: float) -> Floats:
    """The matrix of a separable resize; pixels beyond the edge are the edge's."""
    scale = max(1.0, before / after)
    out = np.zeros((after, before), np.float32)
    for row in range(after):
        centre = (row + 0.5) * before / after
        first = math.floor(centre - support * scale)
        last = math.ceil(centre + support * scale)
        for source in range(first, last + 1):
            weight = shape((source + 0.5 - centre) / scale)
            out[row, min(max(source, 0), before - 1)] += weight
    return out / out.sum(axis=1, keepdims=True)


def _mitchell(x: float) -> float:
    x = abs(x)
    if x < 1:
        return (7 * x**3 - 12 * x**2 + 16 / 3) / 6
    if x < 2:
        return (-7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3) / 6
    return 0.0


def _spline36(x: float) -> float:
    x = abs(x)
    if x < 1:
        return ((13 / 11 * x - 453 / 209) * x - 3 / 209) * x + 1
    if x < 2:
        x -= 1
        return ((-6 / 11 * x + 270 / 209) * x - 156 / 209) * x
    if x < 3:
        x -= 2
        return ((1 / 11 * x - 45 / 209) * x + 26 / 209) * x
    return 0.0


_SHAPES = {"mitchell": (_mitchell, 2.0), "spline36": (_spline36, 3.0)}


def _to_linear(values: Floats) -> Floats:
    low = values / 12.92
    return np.where(values <= 0.04045, low, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _from_linear(values: Floats) -> Floats:
    return np.where(
        values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055
    ).astype(np.float32)


def _to_image(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
