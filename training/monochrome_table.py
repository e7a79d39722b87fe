"""The numbers of every sample. Its small copies are kept, in one file for each source.

The numbers are read off the copies anew each time, so that other numbers cost no new samples.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from filters.monochrome.numbers import copies, numbers_of
from filters.picture import Picture
from training.monochrome_samples import labels, made
from training.sources import Source, read

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SEED = 1
"""Of the samples that training sees."""
AS_PUBLISHED = ("as it is", "as a JPEG")
"""Variants of which nothing was changed but the codec."""


@dataclass(frozen=True)
class Table:
    """One row per sample: what it is, what it is made of, and its numbers."""

    names: tuple[str, ...]
    """Of the columns of ``values``."""
    values: Array
    """float32: samples x numbers."""
    rows: Array
    """str: samples x (variant, kind, codec, origin, path, kind of source, style, label)."""

    COLUMNS = ("variant", "kind", "codec", "origin", "path", "source_kind", "style", "label")

    def column(self, name: str) -> Array:
        return self.rows[:, self.COLUMNS.index(name)]

    def where(self, chosen: Array) -> Table:
        return Table(self.names, self.values[chosen], self.rows[chosen])


def measured(sources: Iterable[Source], seed: int, folder: Path, processes: int = 1) -> Table:
    """The samples of all sources; what the folder holds already is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    known = labels()
    jobs = [(source, known.get((source.origin, source.path))) for source in sources]
    work = partial(_measure, seed, folder)
    if processes == 1:
        parts = [work(job) for job in jobs]
    else:
        with ProcessPoolExecutor(processes) as pool:
            parts = list(pool.map(work, jobs))
    return Table(
        parts[0].names,
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.rows for part in parts]),
    )


def _measure(seed: int, folder: Path, job: tuple[Source, str | None]) -> Table:
    source, label = job
    told = f"{seed} {source.origin} {source.path} {label}"
    path = folder / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.npz"
    if not path.exists():
        _keep(path, source, label, seed)
    with np.load(path) as kept:
        rows, sizes, pixels = kept["rows"], kept["sizes"], kept["pixels"]
    found, start = [], 0
    for size in sizes:
        images = []
        for height, width in size:
            end = start + height * width * 3
            images.append(Image.fromarray(pixels[start:end].reshape(height, width, 3)))
            start = end
        found.append(numbers_of(*images))
    values = np.array([list(numbers.values()) for numbers in found], np.float32)
    return Table(tuple(found[0]), values, rows)


def _keep(path: Path, source: Source, label: str | None, seed: int) -> None:
    rows, sizes, pixels = [], [], []
    for sample in made(source, label, seed):
        with Picture.open(sample.data) as picture:
            both = [np.asarray(copy) for copy in copies(picture)]
        sizes.append([copy.shape[:2] for copy in both])
        pixels += [copy.ravel() for copy in both]
        rows.append(
            (
                sample.variant, sample.kind, sample.codec, source.origin, source.path, source.kind,
                source.style, label or "",
            )
        )  # fmt: skip
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part, rows=np.array(rows), sizes=np.array(sizes), pixels=np.concatenate(pixels)
    )
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path, nargs="+", help="index.csv of originals")
    parser.add_argument("--table", type=Path, required=True, help="folder to keep them in")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    table = measured(originals(given.index), SEED, given.table, given.processes)
    print(f"{len(table.rows)} samples of {len(set(map(tuple, table.rows[:, 3:5])))} pictures")


def originals(indexes: Iterable[Path]) -> list[Source]:
    """The photographs and illustrations of the indexes, upscales left out."""
    return [s for s in read(indexes) if s.kind in ("photo", "illustration") and not s.upscaled]


if __name__ == "__main__":
    main()
