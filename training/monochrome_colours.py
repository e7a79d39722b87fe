"""Arithmetic of colour that the monochrome variants are made with; arrays are 0 to 1, RGB last."""

from __future__ import annotations

import random
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from filters.monochrome.oklab import oklab

Floats: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_LUMAS = ((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722), (1 / 3, 1 / 3, 1 / 3), (0, 1, 0))
_BACK = np.linalg.inv(
    np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
).astype(np.float32)
_CONES_BACK = np.linalg.inv(
    np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
).astype(np.float32)


def luma(image: Floats, rng: random.Random) -> Floats:
    """Grey by one of several formulas, with some contrast curve: height x width."""
    if rng.random() < 0.15:
        grey = (image.max(axis=-1) + image.min(axis=-1)) / 2
    else:
        grey = image @ np.array(rng.choice(_LUMAS), np.float32)
    changed: Floats = np.clip(grey, 0, 1) ** np.float32(rng.choice((1, 1, 0.7, 1.4)))
    return changed


def to_lab(image: Floats) -> Floats:
    return oklab(to_image(image))


def from_lab(lab: Floats) -> Floats:
    """Clipped to what sRGB holds."""
    cones = lab.astype(np.float32) @ _BACK.T
    linear = (cones * cones * cones) @ _CONES_BACK.T
    low = linear * 12.92
    high = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    rgb: Floats = np.clip(np.where(linear <= 0.0031308, low, high), 0, 1).astype(np.float32)
    return rgb


def to_image(image: Floats) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))


def of_hue(light: float, chroma: float, hue: float) -> Floats:
    """One colour of OKLab in RGB; ``hue`` in degrees."""
    angle = np.deg2rad(hue)
    return from_lab(np.array([light, chroma * np.cos(angle), chroma * np.sin(angle)], np.float32))


def vivid(image: Floats, least: float) -> Floats:
    """The picture with its colours strengthened until the mean chroma is at least this."""
    lab = to_lab(image)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    mean = float(chroma.mean())
    lab[..., 1:] *= min(4.0, max(1.0, least / max(mean, 1e-3)))
    return from_lab(lab)


def hue_mass(image: Floats) -> float:
    """How much of a picture's ink is of another hue than the commonest one, 0 to 1.

    Of all chroma over 0.04 of a copy of every third pixel: the share outside the best 60 degrees,
    where pixels with chroma are at least a hundredth of all that is not white; else 0.
    """
    lab = to_lab(image[::3, ::3]).reshape(-1, 3)
    lab = lab[lab[:, 0] < 0.97]
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    coloured = chroma > 0.04
    if len(lab) == 0 or coloured.mean() < 0.1:
        return 0.0
    hue = np.rad2deg(np.arctan2(lab[coloured, 2], lab[coloured, 1])) % 360
    mass = np.bincount((hue / 10).astype(int) % 36, chroma[coloured], 36)
    around = np.sum([np.roll(mass, shift) for shift in range(-3, 3)], axis=0)
    return float(1 - around.max() / mass.sum())


def smooth_noise(shape: tuple[int, int], cells: int, seed: int) -> Floats:
    """Clouds between -1 and 1: about ``cells`` of them across."""
    small = np.random.default_rng(seed).uniform(0, 255, (cells + 1, cells + 1)).astype(np.uint8)
    large = Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    noise: Floats = np.asarray(large, np.float32) / 127.5 - 1
    return noise
