"""Make AI upscales of known originals, to train on and to be measured on.

    python -m training.ai_upscales WEIGHTS OUT INDEX [INDEX ...]

WEIGHTS holds clones of the repositories that publish the weights (training/README.md lists them),
OUT gets the pictures and an `index.csv`; each INDEX names originals. What is drawn for a source
depends on the seed and that source alone, so a run with more sources, or one that goes on where
another stopped, makes the same files.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from training.sources import Source
from training.upscalers import Pixels, Upscaler, upscalers

COLUMNS = (
    *("file", "kind", "label", "method", "source", "origin", "path", "crop", "licence"),
    *("width", "height", "style", "family", "base_kind", "agreement"),
)
SHARES = {
    "waifu2x": (3.0, 4.0),
    "cugan": (1.5, 3.0),
    "realesrgan_compact": (1.5, 2.5),
    "realesrgan_general": (2.5, 1.5),
    "lsdir_compact": (1.5, 1.0),
    "srmd": (1.5, 1.0),
    "anime4k": (0.8, 2.0),
    "anime4k_gan": (0.5, 1.2),
    "acnet": (0.8, 1.5),
    "arnet": (0.5, 1.2),
    "animejanai": (0.6, 1.5),
    "espcn": (0.8, 0.5),
    "fsrcnn": (0.8, 0.5),
    "imdn": (1.0, 0.6),
    "lapsrn": (0.3, 0.2),
}
"""Family -> how often it is drawn for a photograph and for an illustration."""
FAMILY_OF = (("w2x", "waifu2x"), ("cugan", "cugan"), ("resr_animev3", "realesrgan_compact"))
SIDES = (512, 608)
"""The shorter side of an output."""
KERNELS = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}
PLACES = 12
"""Regions looked at; the one with the most detail is upscaled."""
WRITE_EVERY = 30.0
"""Seconds between two writings of the index."""
LEAST_AGREEMENT = 18.0
"""Decibels; an output that, made small again, is further from its input is not kept."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One output to make: of which source, by which upscaler, from which input."""

    source: Source
    licence: str
    upscaler: Upscaler
    factor: float
    """Output to input; less than the upscaler's own where its output is made smaller again."""
    half: str
    """The kernel that halves the picture before; empty for a native crop."""
    jpeg: int
    """The quality that the input was saved with; 0 for a lossless one."""
    side: int
    """The shorter side of the input."""
    aspect: float
    seed: int

    @property
    def name(self) -> str:
        """The file name, the same in every run."""
        key = re.sub(r"\W+", "-", self.source.source)
        return f"{key}_{self.upscaler.name}_{random.Random(self.seed).getrandbits(24):06x}.png"

    @property
    def method(self) -> str:
        """Upscaler, factor and input, as the index tells them."""
        parts = [f"{self.upscaler.name}@{self.factor:g}x"]
        if self.factor != self.upscaler.factor:
            parts.append(f"of={self.upscaler.factor}x")
        given = ["half-" + self.half if self.half else "native"]
        given += [f"jpeg{self.jpeg}"] if self.jpeg else []
        return " ".join([*parts, "in=" + ",".join(given)])


def draws(
    source: Source,
    licence: str,
    size: tuple[int, int],
    found: Sequence[Upscaler],
    seed: int,
    n: int,
) -> list[Draw]:
    """Up to `n` outputs for a source of `size`, each by another family."""
    rng = random.Random(f"{seed} {source.origin} {source.file.name}")
    column = 0 if source.kind == "photo" else 1
    # A key for every known family, found or not: weights that come later change no other key.
    keys = {family: rng.random() ** (1 / share[column]) for family, share in SHARES.items()}
    families = sorted(
        {upscaler.family for upscaler in found}, key=lambda family: keys[family], reverse=True
    )
    made = []
    for family in families[:n]:
        own = f"{seed} {source.origin} {source.file.name} {family}"
        members = [upscaler for upscaler in found if upscaler.family == family]
        draw = _draw(source, licence, size, members, random.Random(own))
        if draw is not None:
            made.append(draw)
    return made


def _draw(
    source: Source,
    licence: str,
    size: tuple[int, int],
    members: Sequence[Upscaler],
    rng: random.Random,
) -> Draw | None:
    photo = source.kind == "photo"
    # Slow networks are drawn less, but not so much less that they are not seen.
    shares = [(one.photo if photo else one.illustration) / one.cost**0.5 for one in members]
    upscaler = rng.choices(members, shares)[0]
    factor = float(upscaler.factor)
    if upscaler.factor == 4 and rng.random() < 0.35:
        factor = rng.choice((2.0, 2.5))
    elif upscaler.factor == 3 and rng.random() < 0.2:
        factor = 2.0
    side = round(rng.randint(*SIDES) / factor)
    kernel = rng.choice(tuple(KERNELS)) if rng.random() < 0.6 else ""
    jpeg = rng.randint(75, 95) if rng.random() < 0.35 else 0
    aspect = rng.choice((1.0, 1.0, rng.uniform(1.0, 1.25)))
    shorter = min(size)
    if kernel and shorter // 2 < min(side, 200):
        kernel = ""
    side = min(side, shorter // 2 if kernel else shorter)
    if side < 100:
        return None
    own = rng.getrandbits(32)
    return Draw(source, licence, upscaler, factor, kernel, jpeg, side, aspect, own)


def region(picture: Image.Image, width: int, height: int, rng: random.Random) -> tuple[int, int]:
    """Left and top of the most detailed of some regions, by mean squared gradient."""
    grey = np.asarray(picture.convert("L"), dtype=np.float32)
    places = []
    for _ in range(PLACES):
        left = rng.randint(0, picture.width - width)
        top = rng.randint(0, picture.height - height)
        part = grey[top : top + height, left : left + width]
        energy = np.mean(np.diff(part, axis=0) ** 2) + np.mean(np.diff(part, axis=1) ** 2)
        places.append((float(energy), left, top))
    return max(places)[1:]


def given(draw: Draw) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """What the upscaler gets to see, and the region x, y, w, h of the source it comes from."""
    rng = random.Random(draw.seed)
    picture = draw.source.open()
    scale = 2 if draw.half else 1
    longer = round(draw.side * draw.aspect)
    wide = picture.width >= picture.height
    width = min(longer if wide else draw.side, picture.width // scale)
    height = min(draw.side if wide else longer, picture.height // scale)
    left, top = region(picture, width * scale, height * scale, rng)
    box = (left, top, width * scale, height * scale)
    part = picture.crop((left, top, left + box[2], top + box[3]))
    if draw.half:
        part = part.resize((width, height), KERNELS[draw.half])
    if draw.jpeg:
        saved = io.BytesIO()
        part.save(saved, "JPEG", quality=draw.jpeg, subsampling=rng.choice((0, 2)))
        part = Image.open(saved).convert("RGB")
    return part, box


def agreement(output: Image.Image, before: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB between the input and the output at the input's size."""
    small = np.asarray(output.resize(before.size, Image.Resampling.BOX), dtype=np.float32)
    error = float(np.mean((small - np.asarray(before, dtype=np.float32)) ** 2))
    return 10 * float(np.log10(255.0**2 / max(error, 1e-3)))


def make(draw: Draw, weights: Path, out: Path) -> dict[str, str] | None:
    """Make one output; its line of the index, or None for one too far from its input."""
    before, box = given(draw)
    pixels: Pixels = np.asarray(before)
    output = Image.fromarray(draw.upscaler.open(weights)(pixels))
    if draw.factor != draw.upscaler.factor:
        size = (round(before.width * draw.factor), round(before.height * draw.factor))
        output = output.resize(size, Image.Resampling.LANCZOS)
    likeness = agreement(output, before)
    if likeness < LEAST_AGREEMENT:
        return None
    output.save(out / draw.name, compress_level=3)
    source = draw.source
    return {
        "file": draw.name,
        "kind": "ai_upscaled",
        "label": "upscaled",
        "method": draw.method,
        "source": source.source,
        "origin": source.origin,
        "path": source.file.name,
        "crop": " ".join(map(str, box)),
        "licence": draw.licence,
        "width": str(output.width),
        "height": str(output.height),
        "style": source.style,
        "family": draw.upscaler.family,
        "base_kind": source.kind,
        "agreement": f"{likeness:.1f}",
    }


def originals(indexes: Iterable[Path]) -> Iterator[tuple[Source, str, tuple[int, int]]]:
    """The photographs and illustrations of the indexes, their licences and sizes."""
    for index in indexes:
        for line in _lines(index):
            if line["label"] == "original" and line["kind"] in ("photo", "illustration"):
                source = Source(
                    index.parent / line["file"],
                    line["kind"],
                    line["source"],
                    line["origin"],
                    line["path"],
                    line.get("style") or "",
                )
                yield source, line["licence"], (int(line["width"]), int(line["height"]))


def known_upscales(indexes: Iterable[Path]) -> Iterator[dict[str, str]]:
    """The AI upscales that the indexes name already, in our columns, with absolute paths."""
    for index in indexes:
        lines = _lines(index)
        own = {line["source"]: line for line in lines if line["label"] == "original"}
        for line in lines:
            method = line["method"]
            family = next((name for start, name in FAMILY_OF if method.startswith(start)), "")
            if line["label"] != "upscaled" or not family:
                continue
            base: Mapping[str, str] = own.get(line["source"], {})
            yield {
                **{column: line.get(column) or "" for column in COLUMNS},
                "file": str((index.parent / line["file"]).resolve()),
                "origin": base.get("origin", line["origin"]),
                "path": Path(base.get("file", "")).name,
                "licence": base.get("licence", line["licence"]),
                "style": base.get("style") or "",
                "family": family,
                "base_kind": base.get("kind", ""),
            }


def _lines(index: Path) -> list[dict[str, str]]:
    with index.open(newline="") as file:
        return list(csv.DictReader(file))


def write(index: Path, lines: Iterable[Mapping[str, str]]) -> None:
    """Replace the index in one step, so that who reads it meanwhile sees a whole one."""
    written = index.with_suffix(".new")
    with written.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(lines)
    written.replace(index)


def run(
    draws: Sequence[Draw],
    weights: Path,
    out: Path,
    *,
    known: Sequence[Mapping[str, str]],
    processes: int,
    minutes: float,
) -> Counter[str]:
    """Make what is not there yet, writing the index as it grows; outputs made for each family."""
    index = out / "index.csv"
    done = {line["file"]: line for line in _lines(index)} if index.is_file() else {}
    lines: dict[str, Mapping[str, str]] = {**done, **{line["file"]: line for line in known}}
    todo = [draw for draw in draws if draw.name not in done]
    made: Counter[str] = Counter()
    start = saved = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        queue, running = iter(todo), set[Future[dict[str, str] | None]]()
        while True:
            in_time = time.monotonic() - start < minutes * 60
            fresh = islice(queue, 2 * processes - len(running)) if in_time else ()
            running |= {pool.submit(make, draw, weights, out) for draw in fresh}
            if not running:
                break
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for line in (future.result() for future in ended):
                if line is None:
                    made["refused"] += 1
                else:
                    lines[line["file"]] = line
                    made[line["family"]] += 1
            now = time.monotonic()
            if now - saved > WRITE_EVERY:
                saved = now
                write(index, lines.values())
                print(f"{made.total()} of {len(todo)} in {now - start:.0f} s", file=sys.stderr)
    write(index, lines.values())
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, make, and say what was made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("weights", type=Path, help="folder of clones that hold the weights")
    parser.add_argument("out", type=Path, help="folder for the pictures and their index.csv")
    parser.add_argument("indexes", type=Path, nargs="+", help="index.csv files that name originals")
    parser.add_argument("--per-source", type=int, default=4, help="outputs for each (default 4)")
    parser.add_argument("--family", action="append", help="make these only (repeatable)")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0, help="start none later (default 60)")
    args = parser.parse_args(argv)
    wanted = set(args.family or SHARES)
    found = [upscaler for upscaler in upscalers() if upscaler.available(args.weights)]
    for family in sorted(wanted - {upscaler.family for upscaler in found}):
        print(f"no weights for {family}", file=sys.stderr)
    rounds = [
        draws(source, licence, size, found, args.seed, args.per_source)
        for source, licence, size in originals(args.indexes)
    ]
    # Every source once before any source twice: a run cut short covers most origins.
    turns = [(turn, draw.seed, draw) for own in rounds for turn, draw in enumerate(own)]
    ordered = [draw for _, _, draw in sorted(turns, key=lambda entry: entry[:2])]
    ordered = [draw for draw in ordered if draw.upscaler.family in wanted]
    args.out.mkdir(parents=True, exist_ok=True)
    made = run(
        ordered,
        args.weights,
        args.out,
        known=list(known_upscales(args.indexes)),
        processes=args.processes,
        minutes=args.minutes,
    )
    for family, count in sorted(made.items()):
        print(f"{family}: {count}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
