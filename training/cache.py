"""Samples made once and kept: their files, then what is read off them, a shard for each source.

A shard is three files: ``NAME.files.npz`` (the samples as encoded files, and their recipes),
``NAME.tiles.npy`` and ``NAME.numbers.npy``. The last two are made from the first, and anew where
they are deleted, so that another choice of tiles or numbers costs no new samples.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from filters.picture import Picture
from filters.tiles import detailed, luma
from filters.upscale.evidence import TILE, TILES
from training.samples import Recipe, drawn, grid
from training.sources import folds, held_out, read

KINDS = ("photo", "illustration", "graphic", "screen")


@dataclasses.dataclass(frozen=True)
class Samples:
    """All samples of some caches. ``tiles``: n x tiles x side x side; ``numbers``: n x numbers."""

    tiles: np.ndarray[Any, np.dtype[np.uint8]]
    numbers: np.ndarray[Any, np.dtype[np.float32]] | None
    recipes: list[dict[str, Any]]

    def column(self, name: str) -> np.ndarray[Any, Any]:
        return np.array([recipe[name] for recipe in self.recipes])

    def of_fold(self, fold: str, *, unseen: bool = False) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which are of a fold's origins; upscales of held-out families only where ``unseen``."""
        split = folds()
        rows = np.array([split.get(origin) == fold for origin in self.column("origin")])
        return rows if unseen else rows & ~np.isin(self.column("family"), list(held_out()))


def make(recipes: Iterable[Recipe], folder: Path, processes: int = 1) -> None:
    """Make the shards that are not there yet; a stop loses one a process at most."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: dict[Path, list[Recipe]] = {}
    for recipe in recipes:
        source = recipe.source
        shards.setdefault(folder / f"{source.source}-{source.file.stem}.files.npz", []).append(
            recipe
        )
    jobs = [(shard, path) for path, shard in sorted(shards.items()) if not path.exists()]
    _each(_write_files, jobs, processes)


def derive(folder: Path, what: str, processes: int = 1) -> None:
    """Read ``tiles`` or ``numbers`` off every sample that has none yet."""
    jobs = [
        (path, path.with_name(path.name.replace(".files.npz", f".{what}.npy")))
        for path in sorted(folder.glob("*.files.npz"))
    ]
    write = partial(_derive, _tiles if what == "tiles" else _numbers)
    _each(write, [job for job in jobs if not job[1].exists()], processes)


def load(folders: Sequence[Path], *, numbers: bool = False) -> Samples:
    """Every shard of the folders."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.tiles.npy"))]
    if numbers:
        paths = [path for path in paths if _beside(path, "numbers.npy").exists()]
    told = [np.load(_beside(path, "files.npz"))["recipes"] for path in paths]
    return Samples(
        np.concatenate([np.load(path) for path in paths]),
        np.concatenate([np.load(_beside(path, "numbers.npy")) for path in paths])
        if numbers
        else None,
        [json.loads(line) for lines in told for line in str(lines).splitlines()],
    )


def files(path: Path) -> Iterator[bytes]:
    """The encoded samples of one shard, in order."""
    with np.load(path) as shard:
        data, ends = shard["data"], shard["ends"]
    for start, end in zip([0, *ends], ends, strict=False):
        yield data[start:end].tobytes()


def _beside(path: Path, name: str) -> Path:
    return path.with_name(path.name.removesuffix("tiles.npy") + name)


def _each(work: Callable[..., None], jobs: list[Any], processes: int) -> None:
    if processes == 1:
        for job in jobs:
            work(*job)
    elif jobs:
        with ProcessPoolExecutor(processes) as pool:
            for _ in pool.map(work, *zip(*jobs, strict=True)):
                pass


def _write_files(shard: Sequence[Recipe], path: Path) -> None:
    image = shard[0].source.open()
    made = [recipe.make(image) for recipe in shard]
    told = [json.dumps(_told(recipe)) for recipe in shard]
    part = path.with_name(path.name + ".part.npz")
    np.savez(
        part,
        data=np.frombuffer(b"".join(made), np.uint8),
        ends=np.cumsum([len(data) for data in made]),
        recipes=np.array("\n".join(told)),
    )
    part.replace(path)


def _derive(read_off: Callable[[Picture], Any], path: Path, out: Path) -> None:
    rows = []
    for data in files(path):
        with Picture.open(data) as picture:
            rows.append(read_off(picture))
    part = out.with_name(out.name + ".part.npy")
    np.save(part, np.stack(rows))
    part.replace(out)


def _tiles(picture: Picture) -> Any:
    tiles = luma(picture, detailed(picture, TILE, TILES), TILE)
    # A small picture has fewer places: they are looked at again.
    return tiles[np.arange(TILES) % len(tiles)]


def _numbers(picture: Picture) -> Any:
    from filters.upscale.features import NAMES, features

    found = features(picture)
    return np.full(len(NAMES), np.nan, np.float32) if found is None else found


def _told(recipe: Recipe) -> dict[str, Any]:
    source = recipe.source
    told = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
    names = ("source", "origin", "path", "kind", "style", "family")
    return told | {name: getattr(source, name) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path, nargs="+", help="index.csv of pictures and upscales")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--times", type=int, default=30, help="0: the grid of the tables")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--derive", nargs="*", default=["tiles", "numbers"])
    given = parser.parse_args()
    chosen = [s for s in read(given.index) if s.kind in KINDS]
    recipes = drawn(chosen, given.times, given.seed) if given.times else grid(chosen, given.seed)
    make(recipes, given.out, given.processes)
    for what in given.derive:
        derive(given.out, what, given.processes)


if __name__ == "__main__":
    main()
