"""Pairs of copies of known truth: a small one, and a larger one that is the original or is not."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from training import codecs, kernels
from training.alignment import located
from training.samples import detailed_region
from training.sources import Source, read

FACTORS = (1.25, 1.5, 2.0, 3.0, 4.0)
SMALL_CODECS = ("png", "jpeg75", "jpeg85", "jpeg95", "webp80")
LARGE_CODECS = ("png", "jpeg75", "jpeg85", "jpeg95", "webp80")
ENLARGERS = (*kernels.STUDIED, *kernels.OTHERS)
REDUCERS = ("area", "bilinear", "bicubic", "lanczos", "hamming", "mitchell")
SIDES = (384, 576)
"""Pixels a side of the large copy."""

LEAST_SIDE = 64
"""Pixels a side of a small copy."""


@dataclass(frozen=True, slots=True)
class Pair:
    """How two copies are made of a source. With the same seed the same files come of it."""

    source: Source
    seed: int
    made: str
    """What the large copy is: ``original``, ``interpolated``, ``sharpened``, ``noised``, ``ai``."""
    factor: float
    kernel: str = ""
    box: tuple[int, int, int, int] | None = None
    """Of an AI upscale: the part of the original it was made of."""
    reduced_by: str = ""
    """Of an AI upscale: by which kernel that was made smaller first; empty: it was not."""
    original: Source | None = None
    """Of an AI upscale: the original."""

    @property
    def true(self) -> bool:
        """Whether the large copy is the true one."""
        return self.made == "original"

    def make(self, image: Image.Image) -> tuple[bytes, bytes]:
        """The small copy and the large one, as files. ``image`` is the opened original."""
        rng = random.Random(self.seed)
        if self.made == "original":
            return self._original(image, rng)
        if self.made == "ai":
            return self._ai(image, rng)
        return self._enlarged(image, rng)

    def _original(self, image: Image.Image, rng: random.Random) -> tuple[bytes, bytes]:
        if self.box is not None:
            large = image.crop(self.box)
        else:
            shrink = rng.uniform(1.05, 1.3) if rng.random() < 0.4 else 1.0
            large = detailed_region(image, round(rng.randint(*SIDES) * shrink), rng)
            if shrink > 1:
                side = round(large.width / shrink)
                large = kernels.resized(large, (side, side), rng.choice(REDUCERS))
        draw = rng.random()
        if draw < 0.08:
            large = codecs.sharpened(large, rng)
        elif draw < 0.14:
            large = codecs.noised(large, rng)
        coded = rng.choice(LARGE_CODECS)
        shown = codecs.recoded(large, coded, rng) if rng.random() < 0.5 else large
        size = (round(large.width / self.factor), round(large.height / self.factor))
        small = kernels.resized(shown, size, self.kernel, linear=rng.random() < 0.08)
        if rng.random() < 0.15:
            small = codecs.sharpened(small, rng)
        file = codecs.encoded(large, coded, rng)
        return codecs.encoded(small, rng.choice(SMALL_CODECS), rng), file

    def _enlarged(self, image: Image.Image, rng: random.Random) -> tuple[bytes, bytes]:
        side = rng.randint(*SIDES)
        shrink = 1.0 if rng.random() < 0.4 else rng.uniform(1.1, self.factor)
        # The large copy of a small source keeps 256 pixels.
        shrink = min(shrink, max(1.0, min(image.size) * self.factor / 256))
        region = detailed_region(image, min(round(side / self.factor * shrink), *image.size), rng)
        size = (max(8, round(region.width / shrink)),) * 2
        small = kernels.resized(region, size, rng.choice(REDUCERS)) if shrink > 1 else region
        if rng.random() < 0.4:
            small = codecs.recoded(small, rng.choice(("jpeg75", "jpeg85", "jpeg95")), rng)
        coded = rng.choice(SMALL_CODECS)
        file = codecs.encoded(small, coded, rng)
        shown = codecs.recoded(small, coded, rng) if rng.random() < 0.6 else small
        size = (round(small.width * self.factor), round(small.height * self.factor))
        large = kernels.resized(shown, size, self.kernel, linear=rng.random() < 0.1)
        if self.made == "sharpened":
            large = codecs.sharpened(large, rng)
        elif self.made == "noised":
            large = codecs.noised(large, rng)
        return file, codecs.encoded(large, rng.choice(LARGE_CODECS), rng)

    def _ai(self, image: Image.Image, rng: random.Random) -> tuple[bytes, bytes]:
        large = self.source.open()
        size = (round(large.width / self.factor), round(large.height / self.factor))
        small = image.crop(self.box)
        if small.size != size:
            small = kernels.resized(small, size, self.reduced_by or rng.choice(REDUCERS))
        if rng.random() < 0.1:
            large = codecs.sharpened(large, rng)
        coded = rng.choice(SMALL_CODECS), rng.choice(LARGE_CODECS)
        return codecs.encoded(small, coded[0], rng), codecs.encoded(large, coded[1], rng)


def drawn(sources: Sequence[Source], times: int, seed: int) -> Iterator[Pair]:
    """For each original as many pairs of either truth, over all factors, kernels and codecs."""
    for source in sources:
        if source.upscaled or source.kind not in ("photo", "illustration"):
            continue
        rng = random.Random(f"{seed} {source.origin} {source.source}")
        for number in range(times):
            for made in (
                "original",
                ("interpolated", "interpolated", "sharpened", "noised")[number % 4],
            ):
                if rng.random() < 0.5:
                    factor = FACTORS[(number // 2) % len(FACTORS)]
                else:
                    factor = 2 ** rng.uniform(0.16, 2.1)
                kernel = rng.choice(REDUCERS if made == "original" else ENLARGERS)
                yield Pair(source, rng.getrandbits(32), made, factor, kernel)


def enlarged_by_networks(indexes: Iterable[Path], seed: int) -> Iterator[Pair]:
    """For each AI upscale a pair with it, and one with the original of the same place.

    An index says by ``crop`` and ``method`` what was upscaled; where it does not, that is sought in
    the original, and passed over where it is not found.
    """
    told = {line["file"]: line for line in _lines(indexes)}
    sources = read(indexes)
    originals = {source.source: source for source in sources if not source.upscaled}
    for source in sources:
        original = originals.get(source.source)
        if (
            not source.upscaled
            or original is None
            or original.kind not in ("photo", "illustration")
        ):
            continue
        line = told.get(source.file.name) or told.get(str(source.file)) or {}
        rng = random.Random(f"{seed} {source.file.name}")
        reduced = re.search(r"half-(\w+)", line.get("method", ""))
        if line.get("crop"):
            left, top, wide, high = map(int, line["crop"].split())
            box: tuple[int, int, int, int] | None = (left, top, left + wide, top + high)
        else:
            with source.open() as part, original.open() as whole:
                box = located(part, whole)
        if box is None:
            continue
        yield from _with_networks(source, original, box, reduced[1] if reduced else "", rng)


def _with_networks(
    source: Source,
    original: Source,
    box: tuple[int, int, int, int],
    reduced_by: str,
    rng: random.Random,
) -> Iterator[Pair]:
    seed, kernel, factor = rng.getrandbits(32), rng.choice(REDUCERS), source.factor
    yield Pair(source, seed, "ai", factor, "", box, reduced_by, original)
    if min(box[2] - box[0], box[3] - box[1]) / factor >= LEAST_SIDE:
        yield Pair(original, seed, "original", factor, kernel, box, original=original)


def _lines(indexes: Iterable[Path]) -> Iterator[dict[str, str]]:
    for index in indexes:
        with index.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                yield {**line, "file": str(Path(line["file"]).name)}
