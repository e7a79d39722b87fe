"""How well the size of what is really there is measured: upscales, letterboxes, natives.

    python -m benchmarks.effective_resolution [--folder FOLDER …] [--fold test] [--save]

A folder holds pictures of known truth and an `index.csv` like the corpus's (the default). Of each
original are made: upscales of known factor, saved as files; letterboxed, pillarboxed and framed
variants; and the original itself, which should lose nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.accuracy import Rate, share
from benchmarks.corpus import arguments, indexes, of_fold, typed
from benchmarks.report import Report
from crawler.plugins import judge
from filters.borders import Box, content_box
from filters.effective import FAKE_PIXELS, FAKE_SIDE
from filters.picture import SHARED_SIDE, Picture
from training import codecs, kernels
from training.samples import FACTORS, detailed_region
from training.sources import Source, read

KINDS = ("photo", "illustration")
SIDE = 640
"""Pixels a side of an upscale, where the original has as many."""
NEAR = 0.1
"""An estimated side is right within this share of the true one."""
BARS: dict[str, tuple[tuple[int, int, int] | None, tuple[int, int, int, int]]] = {
    "letterbox": ((0, 0, 0), (0, 1, 0, 1)),
    "pillarbox": ((0, 0, 0), (1, 0, 1, 0)),
    "white frame": ((255, 255, 255), (1, 1, 1, 1)),
    "coloured bars": (None, (0, 1, 0, 1)),
    "one black bar": ((0, 0, 0), (0, 0, 0, 1)),
}
"""Colour (None: any) and sides: left, top, right, bottom."""
CODECS = ("png", "jpeg60", "jpeg85", "webp80")


@dataclass(frozen=True)
class Found:
    """One file made of one original."""

    source: Source
    what: str
    """``native``, ``upscale`` or the name of a border."""
    factor: float
    size: tuple[int, int]
    """Of the file."""
    true_side: int
    side: int
    """As measured: ``effective_side``."""
    box: Box
    true_box: Box
    fake: bool
    """Whether the default policy says so."""
    spent: float = 0.0
    """CPU milliseconds of the content box."""

    @property
    def error(self) -> float:
        """log2 of the measured side over the true one."""
        return float(np.log2(self.side / self.true_side))

    @property
    def lost(self) -> float:
        """Share of the picture that is taken for border and is none."""
        kept = _area(_common(self.box, self.true_box))
        return 1 - kept / _area(self.true_box)

    @property
    def left(self) -> float:
        """Share of the border that is taken for content."""
        border = self.size[0] * self.size[1] - _area(self.true_box)
        rest = _area(self.box) - _area(_common(self.box, self.true_box))
        return rest / border if border else 0.0


def measured(source: Source, seed: int) -> list[Found]:
    """Everything made of one original."""
    return list(_made(source, random.Random(f"{seed} {source.origin} {source.source}")))


def _made(source: Source, rng: random.Random) -> Iterator[Found]:
    image = source.open()
    whole = Box(0, 0, *image.size)
    yield _found(source, "native", 1.0, source.file.read_bytes(), whole, min(image.size))
    for name, (colour, sides) in BARS.items():
        chosen = colour or tuple(rng.randrange(20, 236) for _ in range(3))
        wide = [round(rng.uniform(0.04, 0.25) * min(image.size)) for _ in range(2)]
        left, top, right, bottom = (
            on * wide[index < 1 and name == "coloured bars"] for index, on in enumerate(sides)
        )
        out = Image.new("RGB", (image.width + left + right, image.height + top + bottom), chosen)
        out.paste(image, (left, top))
        data = codecs.encoded(out, rng.choice(CODECS), rng)
        box = Box(left, top, left + image.width, top + image.height)
        yield _found(source, name, 1.0, data, box, min(image.size))
    for factor in FACTORS:
        small = detailed_region(image, min(round(SIDE / factor), *image.size), rng)
        side = round(small.width * factor)
        large = kernels.resized(small, (side, side), rng.choice(kernels.STUDIED))
        data = codecs.encoded(large, rng.choice(codecs.STUDIED), rng)
        yield _found(source, "upscale", factor, data, Box(0, 0, side, side), small.width)


FILTERS = judge()


class _Nothing:
    """A source that says nothing of its work."""

    site = site_id = ""
    caption = rating = md5 = format = width = height = bytes = animated = None
    tags: dict[str, tuple[str, ...]] = {}  # noqa: RUF012


def _found(
    source: Source, what: str, factor: float, data: bytes, true_box: Box, true_side: int
) -> Found:
    with Picture.open(data) as picture:
        picture.reduced(SHARED_SIDE)
        start = time.process_time()
        box = content_box(picture)
        spent = 1000 * (time.process_time() - start)
        measures = FILTERS.measure(picture)
        size = picture.rgb.size
    upscale = measures.get("upscale", {})
    side = upscale.get("effective_side") or min(box.width, box.height)
    # Of the detail alone: what is small by its pixels is no fake.
    rejection = None
    if "upscale" in measures:
        rejection = FILTERS.verdict(_Nothing(), {"upscale": upscale}, FILTERS.policy())
    fake = rejection is not None and rejection.reason in (FAKE_SIDE, FAKE_PIXELS)
    return Found(source, what, factor, size, true_side, int(side), box, true_box, fake, spent)


def _common(one: Box, other: Box) -> Box:
    return Box(
        max(one.left, other.left),
        max(one.top, other.top),
        max(min(one.right, other.right), max(one.left, other.left)),
        max(min(one.bottom, other.bottom), max(one.top, other.top)),
    )


def _area(box: Box) -> int:
    return box.width * box.height


def main() -> None:
    given = arguments(__doc__).parse_args()
    known = of_fold(read(indexes(given.folder)), given.fold)
    sources = [source for source in known if not source.upscaled and source.kind in KINDS]
    with ProcessPoolExecutor(given.processes) as pool:
        seeds = [given.seed] * len(sources)
        found = [one for some in pool.map(measured, sources, seeds, chunksize=2) for one in some]
    title = "The size of what is really there"
    with Report("effective_resolution", title, typed(given), save=given.save) as out:
        out.say(f"{len(sources)} pictures, {len(found)} files. Intervals are 95 %, by source.\n")
        natives(out, found)
        borders(out, found)
        upscales(out, found)


def natives(out: Report, found: Sequence[Found]) -> None:
    rows = []
    for kind in KINDS:
        own = [f for f in found if f.source.kind == kind and f.what == "native"]
        rows.append([
            kind, len(own), _share(own, [f.lost > 0.02 for f in own]),
            _share(own, [f.error < -0.15 for f in own]),
            _share(own, [f.fake and f.true_side >= 768 for f in own]),
        ])  # fmt: skip
    out.say("## Originals as published\n")
    out.table(
        ["", "pictures", "trimmed by over 2 %", "side under 0.9 of the true one", "called fake"],
        rows,
    )
    lost = [f for f in found if f.what == "native" and f.lost > 0.02]
    for one in lost[:20]:
        out.say(f"- {one.source.origin} {one.source.path}: {tuple(one.box)} of {one.size}")
    out.say()


def borders(out: Report, found: Sequence[Found]) -> None:
    """Real borders of an original would count as left; they are few."""
    rows = []
    for kind in KINDS:
        for name in BARS:
            own = [f for f in found if f.source.kind == kind and f.what == name]
            rows.append([
                f"{kind}: {name}", len(own), _share(own, [f.left < 0.05 for f in own]),
                _share(own, [f.lost > 0.02 for f in own]),
            ])  # fmt: skip
    spent = [f.spent for f in found]
    out.say("## Borders put around\n")
    out.table(["", "pictures", "taken off", "content lost, over 2 %"], rows)
    out.say(
        f"Looking for borders takes {np.median(spent):.2f} ms of CPU"
        f" (90 % under {np.percentile(spent, 90):.2f}).\n"
    )


def upscales(out: Report, found: Sequence[Found]) -> None:
    rows = []
    for kind in KINDS:
        for factor in FACTORS:
            own = [
                f
                for f in found
                if f.source.kind == kind and f.what == "upscale" and f.factor == factor
            ]
            errors = np.array([f.error for f in own])
            rows.append([
                f"{kind}: {factor:g}x", len(own),
                _share(own, np.abs(errors) < np.log2(1 + NEAR)),
                f"{2 ** float(np.median(errors)):.2f}" if len(own) else "-",
                f"{2 ** float(np.percentile(np.abs(errors), 90)):.2f}" if len(own) else "-",
            ])  # fmt: skip
    out.say("## Upscales: the side before\n")
    out.table(["", "files", "within 10 %", "measured over true, median", "error, 90 % under"], rows)


def _share(own: Sequence[Found], hits: Iterable[Any]) -> Rate:
    return share(np.array(list(hits), float), np.array([f.source.source for f in own]))


if __name__ == "__main__":
    main()
