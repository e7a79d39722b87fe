"""The drawn files on disk: made once by a few processes, found again by the next start."""

from __future__ import annotations

import hashlib
import inspect
import json
import multiprocessing
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy
import PIL

from crawler.demo import pictures
from crawler.demo.pictures import Recipe, draw
from crawler.demo.posts import Media

T = TypeVar("T")
ALONE = 6
"""Fewer missing pictures than this are drawn here: starting processes would take longer."""


@dataclass(frozen=True, slots=True)
class _Facts:
    md5: str
    size: int
    width: int
    height: int
    pixel_hash: str
    duration: float | None


class Gallery:
    """A folder of drawn pictures, named by the recipe, the drawing code and the library versions.

    Safe for several processes at once: files appear whole, and two who draw the same picture
    write the same bytes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _own_temporary_folder()
        source = inspect.getsource(pictures)
        self._version = f"{source}|{PIL.__version__}|{numpy.__version__}"

    def media(self, recipes: Sequence[Recipe]) -> list[Media]:
        """The files of these recipes, in their order; missing ones are drawn first."""
        paths = {recipe: self._path(recipe) for recipe in recipes}
        missing = [
            one for one, path in paths.items() if not (path.exists() and _facts_path(path).exists())
        ]
        # The largest first, so that no process is left alone with one at the end.
        missing.sort(key=lambda one: one.width * one.height, reverse=True)
        side_by_side(_draw_to, [(one, paths[one]) for one in missing])
        return [_media(paths[recipe], recipe.ext) for recipe in recipes]

    def _path(self, recipe: Recipe) -> Path:
        name = hashlib.sha256(f"{recipe!r}|{self._version}".encode()).hexdigest()[:32]
        return self.folder / f"{name}.{recipe.ext}"


def side_by_side(work: Callable[[T], None], jobs: Sequence[T]) -> None:
    """Do many jobs that need the processor, in a few processes where that is worth it."""
    if len(jobs) < ALONE:
        for job in jobs:
            work(job)
        return
    processes = min(4, os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, jobs, chunksize=2))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
        out.write(data)
    Path(out.name).replace(path)


def _draw_to(job: tuple[Recipe, Path]) -> None:
    recipe, path = job
    drawn = draw(recipe)
    facts = _Facts(
        drawn.md5, len(drawn.data), drawn.width, drawn.height, drawn.pixel_hash, drawn.duration
    )
    write_whole(path, drawn.data)
    write_whole(_facts_path(path), json.dumps(asdict(facts)).encode())


def _facts_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _media(path: Path, ext: str) -> Media:
    facts = _Facts(**json.loads(_facts_path(path).read_bytes()))
    return Media(
        facts.md5,
        ext,
        facts.size,
        facts.width,
        facts.height,
        facts.pixel_hash,
        partial(path.read_bytes),
        facts.duration,
    )


def _own_temporary_folder() -> Path:
    """A folder that later starts find again and that nobody else can put files into."""
    if not hasattr(os, "getuid"):
        folder = Path(tempfile.gettempdir()) / "trawl-demo"
        folder.mkdir(exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"trawl-demo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if ours and not found.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="trawl-demo-"))
