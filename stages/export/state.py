"""What an export folder remembers: which files we made, and from what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stages import prepare
from stages.errors import FolderNotOurs

STATE = ".trawl-export.json"
CAPTION_SUFFIX = ".txt"
_VERSION = 2


@dataclass(frozen=True)
class State:
    """Pictures by stem (relative path without extension), other files, and stems begun.

    ``captions`` holds, by stem, the hashes of the captions that we wrote or were about to write: a
    caption that is none of them was edited. ``begun``, ``texts`` and ``captions`` are written
    before the files are, so that nothing of ours is unknown.
    """

    layout: str
    pictures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    captions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_json(self) -> str:
        """The bytes of the file, the same for the same state."""
        values = {
            "version": _VERSION,
            "layout": self.layout,
            "begun": sorted(self.begun),
            "texts": sorted(self.texts),
            "captions": {stem: sorted(hashes) for stem, hashes in self.captions.items()},
            "pictures": self.pictures,
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":")) + "\n"

    def files(self) -> set[str]:
        """Every file that we made or may have made, relative."""
        begun = {file for stem in self.begun for file in possible_files(stem)}
        return begun | set(self.texts) | {p["file"] for p in self.pictures.values()}


def telling(
    out: Path, pictures: Iterable[tuple[str | None, str, bool]], documents: Iterable[str]
) -> Iterator[tuple[str, Path]]:
    """Which file shows which picture or tells of it: captions and lists are as much a copy.

    ``pictures`` are (sha256, file, whether a caption stands beside it).
    """
    tables = [out / name for name in lists(documents)]
    for sha256, file, captioned in pictures:
        if sha256 is None:
            continue
        yield sha256, out / file
        if captioned:
            yield sha256, (out / file).with_suffix(CAPTION_SUFFIX)
        for path in tables:
            yield sha256, path


def lists(documents: Iterable[str]) -> list[str]:
    """The documents that tell of one picture a line."""
    return [name for name in documents if name.endswith(".jsonl")]


def possible_files(stem: str) -> tuple[str, ...]:
    """The files that one picture can become: which, only preparing it tells."""
    return tuple(stem + suffix for suffix in (*prepare.SUFFIXES, CAPTION_SUFFIX))


def read(path: Path, layout: str) -> State:
    """The state of an export of ``layout``. Raises FolderNotOurs for any other file."""
    try:
        values = json.loads(path.read_text("utf-8"))
        state = State(
            values["layout"],
            values["pictures"],
            frozenset(values["texts"]),
            frozenset(values["begun"]),
            {stem: tuple(hashes) for stem, hashes in values["captions"].items()},
        )
        ours = values["version"] == _VERSION and all(map(_inside, state.files()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderNotOurs(f"{path} cannot be read") from error
    if not ours:
        raise FolderNotOurs(f"{path} was not written by this version of trawl")
    if state.layout != layout:
        raise FolderNotOurs(f"{path.parent} holds a {state.layout} export, not {layout}")
    return state


def _inside(file: str) -> bool:
    """Whether a remembered path stays in the folder, whoever wrote the memory."""
    path = PurePosixPath(file)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
