"""Samples of known truth: native pictures and upscales, as files with all that happens to them.

A sample is one region of one source, as it would be met in a crawl. Each is made from its recipe
alone, with the recipe's own seed, so that a set can be made anew or in parallel.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from training import codecs, kernels
from training.sources import Source

LABELS = ("native", "interpolated", "ai")
FACTORS = (1.25, 1.5, 2.0, 3.0, 4.0)
"""The factors of the tables."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a sample is made of its source."""

    source: Source
    seed: int
    label: str
    codec: str = "png"
    side: int = 512
    """Pixels of the finished sample, where the source has as many."""
    factor: float = 1.0
    kernel: str = ""
    linear: bool = False
    shrink: float = 1.0
    """The source is first made this much smaller: over 1 of a native picture too."""
    shrink_kernel: str = "bicubic"
    before: str = "png"
    """The codec of the small copy."""
    post: str = ""
    """``sharpen``, ``noise`` or nothing."""

    def make(self, image: Image.Image) -> bytes:
        """The sample as a file; ``image`` is the opened source."""
        rng = random.Random(self.seed)
        small = self._small(image, rng)
        small = codecs.recoded(small, self.before, rng)
        if self.label == "interpolated":
            size = (round(small.width * self.factor), round(small.height * self.factor))
            small = kernels.resized(small, size, self.kernel, linear=self.linear)
        if self.post == "sharpen":
            small = codecs.sharpened(small, rng)
        elif self.post == "noise":
            small = codecs.noised(small, rng)
        return codecs.encoded(small, self.codec, rng)

    def _small(self, image: Image.Image, rng: random.Random) -> Image.Image:
        """The region that is upscaled, or that is the sample itself."""
        factor = self.factor if self.label == "interpolated" else 1.0
        wanted = round(self.side / factor)
        # The finished sample keeps 256 pixels at least, where the source has them.
        shrink = min(self.shrink, max(1.0, min(image.size) / max(96, 256 / factor)))
        side = min(round(wanted * shrink), *image.size)
        region = detailed_region(image, side, rng)
        if shrink <= 1.01:
            return region
        small = (max(1, round(region.width / shrink)), max(1, round(region.height / shrink)))
        return kernels.resized(region, small, self.shrink_kernel)


def detailed_region(image: Image.Image, side: int, rng: random.Random) -> Image.Image:
    """A square of ``side`` pixels: the most detailed of eight places drawn."""
    if side >= min(image.size):
        side = min(image.size)
    best, found = -1.0, (0, 0)
    for _ in range(8):
        left = rng.randint(0, image.width - side)
        top = rng.randint(0, image.height - side)
        piece = image.resize((48, 48), Image.Resampling.BOX, (left, top, left + side, top + side))
        values = np.asarray(piece.convert("L"), np.int16).ravel()
        steps = int(np.minimum(np.abs(np.diff(values)), 32).sum())
        if steps > best:
            best, found = steps, (left, top)
    left, top = found
    return image.crop((left, top, left + side, top + side))


def drawn(sources: Iterable[Source], times: int, seed: int) -> Iterator[Recipe]:
    """Recipes for training, drawn at random: ``times`` of each original, two of five
    native.

    An AI upscale is a source of its own, with a fifth as many.
    """
    for source in sources:
        rng = random.Random(f"{seed} {source.file.name} {source.source} {source.path}")
        if source.upscaled:
            for _ in range(max(1, times // 5)):
                yield _ai(source, rng)
            continue
        for number in range(times):
            yield _native(source, rng) if number % 5 < 2 else _interpolated(source, rng)


def _codec(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.3:
        return "png"
    if draw < 0.82:
        return f"jpeg{rng.choice((70, 75, 75, 80, 85, 85, 88, 90, 92, 95, 95, 98))}"
    return f"webp{rng.choice((75, 80, 80, 85, 90, 95))}"


def _side(rng: random.Random) -> int:
    return rng.choice((384, 448, 512, 512, 576, 640))


def _post(rng: random.Random) -> str:
    draw = rng.random()
    return "sharpen" if draw < 0.12 else "noise" if draw < 0.24 else ""


def _native(source: Source, rng: random.Random) -> Recipe:
    shrink = 1.0 if rng.random() < 0.55 else rng.uniform(1.1, 2.6)
    return Recipe(
        source, rng.getrandbits(32), "native", _codec(rng) if rng.random() < 0.92 else "jpeg50",
        _side(rng), shrink=shrink,
        shrink_kernel=rng.choice(("bilinear", "bicubic", "lanczos", "area", "hamming", "mitchell")),
        before=_codec(rng) if rng.random() < 0.3 else "png", post=_post(rng),
    )  # fmt: skip


def _interpolated(source: Source, rng: random.Random) -> Recipe:
    factor = rng.choice(FACTORS) if rng.random() < 0.6 else 1.2 * (4.3 / 1.2) ** rng.random()
    others = rng.random() < 0.3
    kernel = rng.choice(kernels.OTHERS if others else kernels.STUDIED)
    native = rng.random() < 0.4
    return Recipe(
        source, rng.getrandbits(32), "interpolated", _codec(rng), _side(rng), round(factor, 3),
        kernel, kernel not in ("nearest", "hamming") and rng.random() < 0.08,
        1.0 if native else max(1.15, factor * rng.uniform(0.7, 1.3)),
        rng.choice(("bilinear", "bicubic", "lanczos", "area", "hamming")),
        _codec(rng) if rng.random() < 0.5 else "png", _post(rng),
    )  # fmt: skip


def _ai(source: Source, rng: random.Random) -> Recipe:
    post = rng.random()
    return Recipe(
        source, rng.getrandbits(32), "ai", _codec(rng), _side(rng), source.factor, source.family,
        post="sharpen" if post < 0.06 else "noise" if post < 0.12 else "",
    )  # fmt: skip


def grid(sources: Iterable[Source], seed: int, natives: int = 8) -> Iterator[Recipe]:
    """Recipes for the tables: every factor and kernel once for each original, the codecs in turn.

    One in eight is sharpened and one in eight noised; half of the small copies had been JPEGs. AI
    upscales come in two codecs each.
    """
    for source in sources:
        rng = random.Random(f"{seed} {source.file.name} {source.source} {source.path}")
        if source.upscaled:
            for codec in rng.sample(codecs.STUDIED, 2):
                yield Recipe(
                    source, rng.getrandbits(32), "ai", codec, 640, source.factor, source.family
                )
            continue
        turn = rng.randrange(5)
        for number in range(natives):
            shrink = 1.0 if number % 2 == 0 else rng.uniform(1.1, 1.25)
            coded = codecs.STUDIED[(turn + number) % 5] if number < 7 else "jpeg50"
            post = ("", "", "", "sharpen", "", "noise", "", "")[number % 8]
            yield Recipe(
                source, rng.getrandbits(32), "native", coded, 640, shrink=shrink, post=post
            )
        for row, factor in enumerate(FACTORS):
            for column, kernel in enumerate(kernels.STUDIED):
                draw = rng.random()
                yield Recipe(
                    source, rng.getrandbits(32), "interpolated",
                    codecs.STUDIED[(turn + row + 2 * column) % 5], 640, factor, kernel, False,
                    1.0 if rng.random() < 0.4 else factor,
                    rng.choice(("bicubic", "lanczos", "area")),
                    rng.choice(("jpeg75", "jpeg85", "jpeg95")) if rng.random() < 0.5 else "png",
                    "sharpen" if draw < 0.12 else "noise" if draw < 0.24 else "",
                )  # fmt: skip
