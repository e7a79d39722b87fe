"""Bringing a folder to hold exactly the wanted files, and touching only what changed.

The folder remembers in ``.trawl-export.json`` what we made and from what. What is about to be made
is written there first, so that after a kill at any point the next export knows every file that can
be ours. A file appears whole or not at all: a temporary dot name, fsync, rename; a caption always
before its picture. Files of others are left alone, and links inside the folder are never followed.

Everything in the folder is a copy of what the catalog knows: a picture or caption that somebody
changed there is put back. Hard-linked pictures share their bytes with the workspace, where files
are read-only; ask for copies where a tool writes into pictures.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from stages import prepare
from stages.base import ExportReport
from stages.errors import FolderNotOurs, UnreadablePicture
from stages.export import state as memory
from stages.export.state import CAPTION_SUFFIX, STATE, State, possible_files
from storage.errors import NoSpace
from storage.platform import fsync_dir
from storage.records import AcceptedImage

_TEMP_PREFIX, _TEMP_SUFFIX = ".trawl-", ".part"
_BYSTANDERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_WORKERS = 4
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
)


@dataclass(frozen=True, slots=True)
class Item:
    """A picture that is wanted at ``stem`` (relative, without extension).

    ``sidecar``: whether the caption is also a file of its own beside the picture.
    """

    stem: str
    image: AcceptedImage
    caption: str
    sidecar: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that is in place. ``file`` is relative; sizes are pixels and bytes."""

    item: Item
    file: str
    sha256: str
    bytes: int
    width: int
    height: int
    original: tuple[int, int]
    changed: tuple[str, ...]
    mtime_ns: int


Documents: TypeAlias = Mapping[str, Callable[[Sequence[Made]], str]]
"""Relative path -> what makes its text from the pictures that are in place."""


def sync(
    out: Path,
    layout: str,
    items: Sequence[Item],
    documents: Documents,
    *,
    copy: bool = False,
    skipped: Mapping[str, int] | None = None,
) -> ExportReport:
    """Bring ``out`` to hold exactly ``items`` and ``documents``.

    ``skipped`` counts what the layout itself left out. Raises FolderNotOurs before any file is
    touched, and NoSpace.
    """
    with _full_disk():
        return _Sync(out, layout, copy).run(items, documents, skipped or {})


class _Sync:
    def __init__(self, out: Path, layout: str, copy: bool) -> None:
        self.out = out
        self.layout = layout
        self.copy = copy
        self.recipe = f"{prepare.VERSION}:{'copy' if copy else 'link'}"
        self.dirty: set[Path] = set()

    def run(
        self, items: Sequence[Item], documents: Documents, skipped: Mapping[str, int]
    ) -> ExportReport:
        old = self._claim()
        self._check(old, items, list(documents))
        found = {item.stem: self._unchanged(old, item) for item in items}
        kept = {stem: made for stem, made in found.items() if made is not None}
        new = [item for item in items if item.stem not in kept]
        if new or not old.texts.issuperset(documents):
            begun = old.begun | {item.stem for item in new}
            self._save(State(self.layout, old.pictures, old.texts | set(documents), begun))
        for file in (*(item.stem for item in items), *documents):
            self._folder(self.out / file)
        captioned = {item.stem for item in items if item.stem in kept and self._caption(item)}
        made, unusable = self._make_all(new)
        made |= kept
        in_order = [made[item.stem] for item in items if item.stem in made]
        texts = {m.item.stem + CAPTION_SUFFIX for m in in_order if m.item.sidecar} | set(documents)
        removed = self._remove(old, {m.file for m in in_order} | texts)
        for file, text in documents.items():
            self._text(file, text(in_order))
        for folder in sorted(self.dirty):
            fsync_dir(folder)
        self._save(State(self.layout, _remembered(in_order, self.recipe), frozenset(texts)))
        return ExportReport(
            written=len(made) - len(kept) + len(captioned),
            unchanged=len(kept) - len(captioned),
            removed=removed,
            skipped=dict(sorted((unusable + Counter(skipped)).items())),
            folder=self.out,
            files=tuple(self._files(in_order)),
        )

    def _files(self, made: Sequence[Made]) -> Iterator[tuple[str, Path]]:
        """Which file shows which picture, or tells of it: captions are as much a copy."""
        for picture in made:
            sha256 = picture.item.image.sha256
            if sha256 is not None:
                yield sha256, self.out / picture.file
                if picture.item.sidecar:
                    yield sha256, self.out / (picture.item.stem + CAPTION_SUFFIX)

    # -- whose folder it is

    def _claim(self) -> State:
        """What we know of ``out``. Raises FolderNotOurs where it is somebody else's."""
        if not self.out.exists():
            self.out.mkdir(parents=True)
            fsync_dir(self.out.parent)
        if not self.out.is_dir():
            raise FolderNotOurs(f"{self.out} is not a folder")
        path = self.out / STATE
        if _is_file(path):
            return memory.read(path, self.layout)
        strange = [n for n in _names(self.out) if n not in _BYSTANDERS and not _temp(n)]
        if strange:
            raise FolderNotOurs(f"{self.out} holds files that no export made: {strange[0]}")
        return State(self.layout)

    def _check(self, old: State, items: Sequence[Item], documents: Sequence[str]) -> None:
        """Raise FolderNotOurs for links among our folders and for strange files in our way."""
        ours = old.files()
        wanted = {file for item in items for file in possible_files(item.stem)} | set(documents)
        for folder in {PurePosixPath(file).parent for file in ours | wanted}:
            for part in (folder, *folder.parents):
                path = self.out / part
                if part != PurePosixPath(".") and os.path.lexists(path) and not _is_dir(path):
                    raise FolderNotOurs(f"{path} is not a folder that we made")
        existing = {
            (folder / name).as_posix()
            for folder in {PurePosixPath(file).parent for file in wanted}
            for name in _names(self.out / folder)
        }
        if strange := sorted((existing & wanted) - ours):
            raise FolderNotOurs(f"{self.out / strange[0]} is in the way, and no export made it")
        for place in {self.out, *(self.out / PurePosixPath(file).parent for file in ours)}:
            for name in _names(place):
                if _temp(name):
                    (place / name).unlink()

    # -- what is there already

    def _unchanged(self, old: State, item: Item) -> Made | None:
        """The picture as it was left by the last export, if it still is so and still wanted."""
        entry = old.pictures.get(item.stem)
        if entry is None or entry["source"] != item.image.sha256 or entry["recipe"] != self.recipe:
            return None
        path = self.out / entry["file"]
        if not _is_file(path):
            return None
        status = path.stat()
        if status.st_size != entry["bytes"]:
            return None
        # A changed time alone (a folder that was moved, a restored backup) is settled by the hash.
        if status.st_mtime_ns != entry["mtime_ns"] and _hash(path) != entry["sha256"]:
            return None
        return Made(
            item,
            entry["file"],
            entry["sha256"],
            entry["bytes"],
            entry["width"],
            entry["height"],
            (entry["original"][0], entry["original"][1]),
            tuple(entry["changed"]),
            status.st_mtime_ns,
        )

    # -- making

    def _make_all(self, items: Sequence[Item]) -> tuple[dict[str, Made], Counter[str]]:
        """Put pictures in place, several at once; those made by stem, the others by reason."""
        made: dict[str, Made] = {}
        unusable: Counter[str] = Counter()
        pool = ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1))
        try:
            for item, result in zip(items, pool.map(self._make, items), strict=True):
                if isinstance(result, Made):
                    made[item.stem] = result
                else:
                    unusable[result] += 1
        finally:
            pool.shutdown(cancel_futures=True)
        return made, unusable

    def _make(self, item: Item) -> Made | str:
        """Put one picture in place, its caption first; or say why it cannot be used."""
        source, sha256 = item.image.path, item.image.sha256
        if source is None or sha256 is None:
            return "no_bytes"
        try:
            prepared = prepare.prepare(source)
        except UnreadablePicture as error:
            return error.reason
        self._caption(item)
        file = item.stem + prepared.suffix
        if prepared.data is None:
            self._original(source, file)
        else:
            sha256 = hashlib.sha256(prepared.data).hexdigest()
            self._bytes(file, prepared.data)
        status = (self.out / file).stat()
        return Made(
            item,
            file,
            sha256,
            status.st_size,
            prepared.width,
            prepared.height,
            prepared.original,
            prepared.changed,
            status.st_mtime_ns,
        )

    def _caption(self, item: Item) -> bool:
        return item.sidecar and self._text(item.stem + CAPTION_SUFFIX, item.caption)

    def _text(self, file: str, text: str) -> bool:
        return self._bytes(file, text.encode("utf-8", "replace"))

    def _bytes(self, file: str, data: bytes) -> bool:
        """Write a file unless it already holds just this; whether it was written."""
        path = self.out / file
        if _is_file(path) and path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
        temp = self._temp(path)
        with open(temp, "xb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        self._rename(temp, path)
        return True

    def _original(self, source: Path, file: str) -> None:
        """A hard link to the stored file, or a copy where links are not wanted or cannot be."""
        path = self.out / file
        temp = self._temp(path)
        if not self.copy:
            if _is_file(path) and path.samefile(source):
                return
            try:
                os.link(source, temp)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
            else:
                self._rename(temp, path)
                return
        with open(source, "rb") as original, open(temp, "xb") as target:
            shutil.copyfileobj(original, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        self._rename(temp, path)

    def _rename(self, temp: Path, path: Path) -> None:
        temp.replace(path)
        self.dirty.add(path.parent)

    def _temp(self, path: Path) -> Path:
        return path.parent / f"{_TEMP_PREFIX}{uuid.uuid4().hex}{_TEMP_SUFFIX}"

    def _folder(self, path: Path) -> None:
        """Make the folders above ``path`` that are missing."""
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.dirty |= {path.parent, path.parent.parent}

    # -- putting away

    def _remove(self, old: State, wanted: set[str]) -> int:
        """Remove what we made and nobody wants now; how many pictures that were."""
        stale = old.files() - wanted
        gone = [p["file"] for p in old.pictures.values() if p["file"] in stale]
        stems = {PurePosixPath(file).with_suffix("").as_posix() for file in wanted}
        # A picture goes before its caption: who sees a picture always sees its caption.
        for file in sorted(stale, key=lambda f: (f.endswith(CAPTION_SUFFIX), f)):
            path = self.out / file
            if os.path.lexists(path):
                path.unlink()
                self.dirty.add(path.parent)
        for folder in sorted({PurePosixPath(f).parent for f in stale}, reverse=True):
            path = self.out / folder
            if folder != PurePosixPath(".") and path.is_dir() and not _names(path):
                path.rmdir()
                self.dirty = (self.dirty - {path}) | {path.parent}
        return sum(PurePosixPath(f).with_suffix("").as_posix() not in stems for f in gone)

    def _save(self, state: State) -> None:
        if self._text(STATE, state.to_json()):
            fsync_dir(self.out)


def _remembered(made: Sequence[Made], recipe: str) -> dict[str, dict[str, Any]]:
    return {
        m.item.stem: {
            "file": m.file,
            "source": m.item.image.sha256,
            "recipe": recipe,
            "sha256": m.sha256,
            "bytes": m.bytes,
            "mtime_ns": m.mtime_ns,
            "width": m.width,
            "height": m.height,
            "original": list(m.original),
            "changed": list(m.changed),
        }
        for m in made
    }


def _names(folder: Path) -> list[str]:
    """What a folder holds, sorted; nothing where there is no such folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _temp(name: str) -> bool:
    return name.startswith(_TEMP_PREFIX) and name.endswith(_TEMP_SUFFIX)


def _is_file(path: Path) -> bool:
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)


def _is_dir(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(f"no room left to export: {error}") from error
