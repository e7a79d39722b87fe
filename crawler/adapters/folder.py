"""The folder adapter: pictures that are already on this machine, as a source like any other."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shlex
import stat
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from crawler.adapters import sidecar
from crawler.adapters.base import Estimate, Http, Page, Partition, Predicate
from crawler.errors import RefusedQuery, UsageError
from crawler.site import Site
from filters.base import option
from filters.content import blocked_words
from storage.records import Candidate, Json, Rung
from storage.workspace import CATALOG

PAGE = 500
FORMATS = {
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".jpe": "jpg",
    ".jfif": "jpg",
    ".png": "png",
    ".webp": "webp",
    ".avif": "avif",
    ".gif": "gif",
    ".bmp": "bmp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
"""Extension -> format, as claimed by the name; the bytes are judged when they are decoded."""


@dataclass(frozen=True)
class FolderOptions:
    """How folders are walked."""

    recursive: bool = option(True, "walk the folders inside, too")


class Folder:
    """Local pictures in the order of their paths, with what their sidecars say.

    Nothing is written to the folder: files are copied by the engine, like every other rung. A walk
    after the end lists the whole folder again, for names say nothing about what is new: works that
    are known are skipped by the engine.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "Pictures in folders of this machine, with .txt and .json sidecars"
    default_site: ClassVar[Site] = Site("folder", "folder")
    Options: ClassVar[type[Any]] = FolderOptions
    default_want: ClassVar[int | None] = None
    source_rank: ClassVar[int] = 50

    def __init__(self, site: Site, options: FolderOptions) -> None:
        self.site = site
        self.options = options

    def canonical(self, words: Sequence[str]) -> str:
        """The folders as absolute paths, each once, quoted as a shell would take them.

        Raises UsageError for what is no folder, RefusedQuery for what content safety refuses.
        """
        folders = {_folder(word) for word in words}
        if not folders:
            raise UsageError("name at least one folder")
        if self.options.recursive:
            folders = {f for f in folders if not any(other in f.parents for other in folders)}
        return shlex.join(sorted(str(folder) for folder in folders))

    async def resolve(self, query: str, http: Http) -> str:
        """Folders have no other names."""
        return query

    def partitions(self, query: str, predicate: Predicate) -> Sequence[Partition]:
        """One part for each folder."""
        return [Partition(folder, {"folder": folder}) for folder in shlex.split(query)]

    async def discover(
        self, partition: Partition, cursor: Json | None, http: Http
    ) -> AsyncIterator[Page]:
        """Pages of up to 500 files. The cursor is the last path listed, or None at the end."""
        root = Path(partition.listing["folder"])
        after = cursor["after"] if cursor else None
        walk = _Walk(root, recursive=self.options.recursive, after=after)
        files = iter(walk)
        ahead = await asyncio.to_thread(_take, files)
        while ahead or walk.dropped:
            paths, ahead = ahead, await asyncio.to_thread(_take, files)
            candidates = await asyncio.to_thread(self._candidates, root, paths)
            dropped, walk.dropped = walk.dropped, Counter()
            yield Page(candidates, {"after": paths[-1] if ahead else None}, dropped)

    async def refresh(self, candidate: Candidate, http: Http) -> Candidate:
        """Look at one file again. ``gone`` where it is no more, ``bad_sidecar`` where one of its
        sidecars cannot be read: what cannot be screened is not taken.
        """
        root = Path(candidate.origin)
        return await asyncio.to_thread(self._candidate, root, candidate.site_id)

    async def estimate(self, partition: Partition, http: Http) -> Estimate:
        """How many pictures there are and their bytes: counted."""
        return await asyncio.to_thread(self._count, Path(partition.listing["folder"]))

    def _count(self, root: Path) -> Estimate:
        count = size = 0
        for path in _Walk(root, recursive=self.options.recursive):
            count += 1
            size += (root / path).stat().st_size
        return Estimate(count, size)

    def _candidates(self, root: Path, paths: Sequence[str]) -> list[Candidate]:
        return [self._candidate(root, path) for path in paths]

    def _candidate(self, root: Path, path: str) -> Candidate:
        file = root / path
        work = Candidate(site=self.site.name, origin=str(root), site_id=path)
        try:
            size = file.stat().st_size
        except OSError:
            return replace(work, unavailable="gone")
        beside = sidecar.read(file, size)
        format = FORMATS.get(file.suffix.lower())
        rung = Rung(str(file), "file", bytes=size, md5=beside.md5, format=format)
        # What cannot be read might say that this is never to be taken.
        bad = bool(beside.unreadable)
        return replace(
            work,
            ladder=() if bad else (rung,),
            unavailable="bad_sidecar" if bad else None,
            tags=beside.tags,
            caption=beside.caption,
            rating=beside.rating,
            source_url=beside.source,
            animated=None if format in ("gif", "webp", "avif", "png") else False,
            metadata={"unreadable": list(beside.unreadable)} if bad else {},
        )


def _folder(word: str) -> Path:
    path = Path(word).expanduser().resolve()
    if _refused(path.parts):
        raise RefusedQuery("this folder is never read: its name tells of sexualised minors")
    if not path.is_dir():
        raise UsageError(f"{word} is not a folder")
    return path


def _refused(parts: Sequence[str]) -> bool:
    return bool(blocked_words([w for part in parts for w in re.split(r"[\W_]+", part) if w]))


def _take(files: Iterator[str]) -> list[str]:
    return list(itertools.islice(files, PAGE))


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a workspace or an export: its pictures are copies of what we have."""
    return any((folder / name).is_file() for name in (CATALOG, ".trawl-export.json"))


class _Walk:
    """Relative POSIX paths of the pictures in a folder, sorted part by part.

    ``after`` leaves out everything up to and including that path. What is passed over is counted in
    ``dropped`` by its reason.
    """

    def __init__(self, root: Path, *, recursive: bool, after: str | None = None) -> None:
        self.root = root
        self.recursive = recursive
        self.after = tuple(after.split("/")) if after else ()
        self.dropped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[str]:
        return self._folder(())

    def _folder(self, inside: tuple[str, ...]) -> Iterator[str]:
        try:
            with os.scandir(self.root.joinpath(*inside)) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            if not inside:
                raise
            self.dropped["unreadable_folder"] += 1
            return
        for entry in entries:
            path = (*inside, entry.name)
            if path < self.after[: len(path)]:
                continue
            reason = self._why_not(entry)
            if reason is None and entry.is_dir(follow_symlinks=False):
                if self.recursive:
                    yield from self._folder(path)
            elif path <= self.after or reason == "":
                continue
            elif reason:
                self.dropped[reason] += 1
            else:
                yield "/".join(path)

    def _why_not(self, entry: os.DirEntry[str]) -> str | None:
        """The reason to pass over an entry; empty for sidecars, which are no works."""
        suffix = Path(entry.name).suffix.lower()
        if entry.name.startswith("."):
            return "dot_file"
        if not entry.name.isprintable():
            # Such a name cannot be stored or shown; it may not even be text.
            return "bad_name"
        if _refused([entry.name]):
            return "refused_name"
        if entry.is_symlink():
            return self._why_not_linked(entry, suffix)
        if entry.is_dir():
            return "made_by_trawl" if _is_ours(Path(entry.path)) else None
        if not entry.is_file():
            return "not_a_file"
        return _why_not_named(suffix)

    def _why_not_linked(self, entry: os.DirEntry[str], suffix: str) -> str | None:
        try:
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            return "broken_link"
        if not target.is_relative_to(self.root):
            return "link_outside"
        if not stat.S_ISREG(target.stat().st_mode):
            return "linked_folder"
        return _why_not_named(suffix)


def _why_not_named(suffix: str) -> str | None:
    if suffix in FORMATS:
        return None
    return "" if suffix in sidecar.SUFFIXES else "not_an_image"
