"""Whose an export folder is, asked before a file in it is touched."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Set
from pathlib import Path, PurePosixPath

from stages.errors import FolderNotOurs
from stages.export import disk
from stages.export import state as memory
from stages.export.items import Item
from stages.export.state import CAPTION_SUFFIX, STATE, State, possible_files

_BYSTANDERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def claim(out: Path, layout: str) -> State:
    """What we know of ``out``; nothing of a folder that is not there yet.

    Raises FolderNotOurs where it is somebody else's.
    """
    if not out.exists():
        return State(layout)
    if not out.is_dir():
        raise FolderNotOurs(f"{out} is not a folder")
    path = out / STATE
    if disk.is_file(path):
        return memory.read(path, layout)
    strange = [n for n in disk.names(out) if n not in _BYSTANDERS and not disk.is_temp(n)]
    if strange:
        raise FolderNotOurs(f"{out} holds files that no export made: {strange[0]}")
    return State(layout)


def check(out: Path, ours: Set[str], wanted: Set[str]) -> None:
    """Raise FolderNotOurs for links among our folders and for strange files in our way.

    ``ours`` are the files that we made or may have made, ``wanted`` those that we may make now.
    """
    for folder in {PurePosixPath(file).parent for file in ours | wanted}:
        for part in (folder, *folder.parents):
            path = out / part
            if part != PurePosixPath(".") and os.path.lexists(path) and not disk.is_dir(path):
                raise FolderNotOurs(f"{path} is not a folder that we made")
    existing = {
        (folder / name).as_posix()
        for folder in {PurePosixPath(file).parent for file in wanted}
        for name in disk.names(out / folder)
    }
    if strange := sorted((existing & wanted) - ours):
        raise FolderNotOurs(f"{out / strange[0]} is in the way, and no export made it")


def possible(items: Iterable[Item], documents: Iterable[str]) -> set[str]:
    """Every file that pictures and documents may become."""
    return {file for item in items for file in possible_files(item.stem)} | set(documents)


def planned(
    out: Path, layout: str, items: Collection[Item], documents: Collection[str]
) -> Iterator[tuple[str, Path]]:
    """(sha256 of a picture, file that may come to show it or tell of it), for every such file.

    Among them are those that only a kill leaves behind. Raises FolderNotOurs for what is not ours,
    so that none of these is anybody else's.
    """
    check(out, claim(out, layout).files(), possible(items, documents))
    lists = [out / name for name in memory.lists(documents)]
    lists += [disk.temp_beside(path) for path in lists]
    for item in items:
        if (sha256 := item.image.sha256) is None:
            continue
        for file in possible_files(item.stem):
            if item.sidecar or not file.endswith(CAPTION_SUFFIX):
                yield sha256, out / file
        yield sha256, disk.temp_beside(out / (item.stem + CAPTION_SUFFIX))
        for path in lists:
            yield sha256, path
