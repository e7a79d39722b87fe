"""Pairs of copies of one size, of which one was saved coarsely, or made small, before its last
save."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

from training import codecs, kernels
from training.samples import detailed_region
from training.sources import Source

HISTORIES = ("resaved", "coarser", "shrunk")
GOOD = ("png", "png", "jpeg90", "jpeg93", "jpeg96", "jpeg98", "webp92", "webp97")


@dataclass(frozen=True, slots=True)
class SameSizePair:
    """How two copies of one size are made. With the same seed the same files come of it."""

    source: Source
    seed: int
    history: str
    """What happened to the second: saved coarsely and then well (``resaved``), saved coarsely
    (``coarser``), or made small and large again and saved well (``shrunk``)."""

    def make(self, image: Image.Image) -> tuple[bytes, bytes]:
        """The true copy and the other one, as files. ``image`` is the opened original."""
        rng = random.Random(self.seed)
        before = detailed_region(image, rng.randint(320, 640), rng)
        first = codecs.encoded(before, rng.choice(GOOD), rng)
        coarse = f"jpeg{rng.randint(30, 82)}"
        if rng.random() < 0.2:
            coarse = f"webp{rng.randint(30, 75)}"
        if self.history == "coarser":
            return first, codecs.encoded(before, coarse, rng)
        if self.history == "resaved":
            after = codecs.recoded(before, coarse, rng)
        else:
            factor = 2 ** rng.uniform(0.25, 1.4)
            size = (round(before.width / factor), round(before.height / factor))
            after = kernels.resized(before, size, rng.choice(("area", "bicubic", "lanczos")))
            after = kernels.resized(
                after, before.size, rng.choice(("bilinear", "bicubic", "lanczos"))
            )
        return first, codecs.encoded(after, rng.choice(GOOD), rng)


def drawn(sources: Iterable[Source], times: int, seed: int) -> Iterator[SameSizePair]:
    """For each original so many pairs of each history."""
    for source in sources:
        if not source.upscaled and source.kind in ("photo", "illustration"):
            rng = random.Random(f"{seed} {source.origin} {source.source}")
            for history in HISTORIES * times:
                yield SameSizePair(source, rng.getrandbits(32), history)
