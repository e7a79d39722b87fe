"""What every upscaler offers: pixels in, more pixels out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]  # height x width x 3, RGB
Samples: TypeAlias = npt.NDArray[np.float32]  # height x width (x channels), 0 to 1
Network: TypeAlias = Callable[[Pixels], Pixels]

# ITU-R BT.601, full range, as JPEG and OpenCV have it: what the luma networks were trained on.
_TO_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class MissingDependency(RuntimeError):
    """A package that runs this kind of network is not installed."""


@dataclass(frozen=True, slots=True)
class Upscaler:
    """One set of weights: `name` and `family` go to the index, `load` opens the network.

    `files` stand below the folder of weights; `factor` is what the network multiplies each side
    by; `photo` and `illustration` are its share of a draw among the upscalers of its family;
    `cost` is about how many seconds one core takes for a megapixel of OUTPUT.
    """

    name: str
    family: str
    factor: int
    files: tuple[str, ...]
    load: Callable[[tuple[Path, ...]], Network]
    photo: float = 1.0
    illustration: float = 1.0
    cost: float = 5.0

    def available(self, weights: Path) -> bool:
        """Whether every file of this upscaler is there (a Git LFS pointer is not)."""
        return all(_is_weights(weights / file) for file in self.files)

    def open(self, weights: Path) -> Network:
        """Load the network; raises MissingDependency, or OSError for a file that is not there."""
        return self.load(tuple(weights / file for file in self.files))


def _is_weights(path: Path) -> bool:
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as stream:
        return not stream.read(40).startswith(b"version https://git-lfs")


def missing(package: str, error: ImportError) -> MissingDependency:
    """The error for a runtime that is not installed, naming what to install."""
    return MissingDependency(f"this upscaler needs the package {package}: {error}")


def to_pixels(samples: npt.NDArray[Any]) -> Pixels:
    """Samples of 0 to 1 as bytes, rounded and clipped."""
    pixels: Pixels = np.clip(np.rint(samples * np.float32(255)), 0, 255).astype(np.uint8)
    return pixels


def to_samples(pixels: Pixels) -> Samples:
    """Bytes as samples of 0 to 1."""
    return pixels.astype(np.float32) / 255.0


def padded(samples: Samples, border: int, multiple: int) -> Samples:
    """Repeat the edge: right and below up to a `multiple`, then `border` pixels all around."""
    height, width = samples.shape[:2]
    below, right = -height % multiple, -width % multiple
    edges = ((border, border + below), (border, border + right), (0, 0))
    return np.pad(samples, edges, mode="edge")


def enlarge_luma(pixels: Pixels, luma: Callable[[Samples], Samples]) -> Pixels:
    """Let `luma` enlarge the brightness; colour follows by bicubic interpolation.

    That is how players and OpenCV's users apply networks of one channel.
    """
    samples = to_samples(pixels)
    before = samples @ _TO_LUMA
    after = luma(before.astype(np.float32))
    size = (after.shape[1], after.shape[0])
    planes = []
    for channel in range(3):
        difference = Image.fromarray((samples[..., channel] - before).astype(np.float32))
        planes.append(np.asarray(difference.resize(size, Image.Resampling.BICUBIC)) + after)
    return to_pixels(np.stack(planes, axis=-1))
