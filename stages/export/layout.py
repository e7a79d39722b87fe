"""Bringing a folder to hold exactly the wanted files, and touching only what changed.

The folder remembers in ``.trawl-export.json`` what we made and from what. What is about to be made
is written there first, so that after a kill at any point the next export knows every file that can
be ours. A file appears whole or not at all: a temporary dot name, fsync, rename; a caption always
before its picture. Files of others are left alone, and links inside the folder are never followed.

A picture that somebody changed or deleted there is put back. A caption that somebody edited is
theirs: it is left alone and told of, even where its picture goes. Hard-linked pictures share their
bytes with the workspace, where files are read-only; ask for copies where a tool writes into
pictures.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from stages import prepare
from stages.base import ExportReport
from stages.errors import UnreadablePicture
from stages.export import disk, edits, ownership
from stages.export import state as memory
from stages.export.items import Item
from stages.export.placing import Placing, sweep
from stages.export.state import CAPTION_SUFFIX, STATE, State
from storage.platform import fsync_dir

_WORKERS = 4


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


Table: TypeAlias = Callable[[Path], Mapping[str, str]]
"""The folder -> by stem, the captions that a document of the layout holds now."""
Documents: TypeAlias = Mapping[str, Callable[[Sequence[Made]], str]]
"""Relative path -> what makes its text from the pictures that are in place."""


def sync(
    out: Path,
    layout: str,
    items: Sequence[Item],
    documents: Documents,
    *,
    copy: bool = False,
    overwrite: bool = False,
    skipped: Mapping[str, int] | None = None,
    table: Table | None = None,
) -> ExportReport:
    """Bring ``out`` to hold exactly ``items`` and ``documents``.

    Edited captions are kept unless ``overwrite``; ``table`` tells of captions without a file of
    their own. ``skipped`` counts what the layout itself left out. Raises FolderNotOurs before any
    file is touched, and NoSpace.
    """
    with disk.full_disk():
        return _Sync(out, layout, copy, overwrite).run(items, documents, skipped or {}, table)


class _Sync:
    def __init__(self, out: Path, layout: str, copy: bool, overwrite: bool) -> None:
        self.out = out
        self.layout = layout
        self.place = Placing(out, copy=copy)
        self.overwrite = overwrite
        self.edited: frozenset[str] = frozenset()
        self.recipe = f"{prepare.VERSION}:{'copy' if copy else 'link'}"

    def run(
        self,
        items: Sequence[Item],
        documents: Documents,
        skipped: Mapping[str, int],
        table: Table | None,
    ) -> ExportReport:
        old = ownership.claim(self.out, self.layout)
        ownership.check(self.out, old.files(), ownership.possible(items, documents))
        if not self.out.exists():
            self.out.mkdir(parents=True)
            fsync_dir(self.out.parent)
        self._sweep(old)
        wrote = {item.stem: edits.fingerprint(disk.encoded(item.caption)) for item in items}
        items = self._with_edits(old, items, table(self.out) if table else {})
        found = {item.stem: self._unchanged(old, item) for item in items}
        kept = {stem: made for stem, made in found.items() if made is not None}
        new = [item for item in items if item.stem not in kept]
        told: dict[str, Sequence[str]] = dict(old.captions)
        for stem in wrote.keys() - self.edited:
            told[stem] = tuple(sorted({*old.captions.get(stem, ()), wrote[stem]}))
        if new or told != old.captions or not old.texts.issuperset(documents):
            begun = old.begun | {item.stem for item in new}
            self._save(State(self.layout, old.pictures, old.texts | set(documents), begun, told))
        for file in (*(item.stem for item in items), *documents):
            self._folder(self.out / file)
        captioned = {item.stem for item in items if item.stem in kept and self._caption(item)}
        made, unusable = self._make_all(new)
        made |= kept
        in_order = [made[item.stem] for item in items if item.stem in made]
        texts = {m.item.stem + CAPTION_SUFFIX for m in in_order if m.item.sidecar} | set(documents)
        orphans = {} if self.overwrite else edits.orphans(self.out, old, texts)
        removed = self._remove(old, {m.file for m in in_order} | texts, orphans.keys())
        texts |= orphans.keys()
        told = {m.item.stem: (wrote[m.item.stem],) for m in in_order}
        told |= {stem: old.captions.get(stem, ()) for stem in self.edited & told.keys()}
        told |= {stem: old.captions[stem] for stem in orphans.values()}
        for file, text in documents.items():
            self.place.text(file, text(in_order))
        for folder in sorted(self.place.dirty):
            fsync_dir(folder)
        pictures = _remembered(in_order, self.recipe)
        self._save(State(self.layout, pictures, frozenset(texts), captions=told))
        notes = {
            edits.EDITED: sum(m.item.stem in self.edited for m in in_order),
            edits.ORPHANED: len(orphans),
            edits.WORDLESS: sum(m.item.wordless for m in in_order),
        }
        shown = [(m.item.image.sha256, m.file, m.item.sidecar) for m in in_order]
        return ExportReport(
            written=len(made) - len(kept) + len(captioned),
            unchanged=len(kept) - len(captioned),
            removed=removed,
            skipped=dict(sorted((unusable + Counter(skipped)).items())),
            folder=self.out,
            files=tuple(memory.telling(self.out, shown, documents)),
            notes={note: count for note, count in notes.items() if count},
        )

    def _sweep(self, old: State) -> None:
        """Remove what a killed export was writing."""
        for place in {self.out, *(self.out / PurePosixPath(file).parent for file in old.files())}:
            sweep(place)

    # -- what is there already

    def _unchanged(self, old: State, item: Item) -> Made | None:
        """The picture as it was left by the last export, if it still is so and still wanted."""
        entry = old.pictures.get(item.stem)
        if entry is None or entry["source"] != item.image.sha256 or entry["recipe"] != self.recipe:
            return None
        path = self.out / entry["file"]
        if not disk.is_file(path):
            return None
        status = path.stat()
        if status.st_size != entry["bytes"]:
            return None
        # A changed time alone (a folder that was moved, a restored backup) is settled by the hash.
        if status.st_mtime_ns != entry["mtime_ns"] and disk.sha256(path) != entry["sha256"]:
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

    # -- captions that a person edited

    def _with_edits(
        self, old: State, items: Sequence[Item], table: Mapping[str, str]
    ) -> list[Item]:
        """The items, with the captions that are in place where somebody edited those."""
        present = {
            item.stem: disk.content(self.out / (item.stem + CAPTION_SUFFIX))
            if item.sidecar
            else disk.encoded(table.get(item.stem, ""))
            for item in items
        }
        self.edited = frozenset(
            item.stem
            for item in items
            if not self.overwrite
            and edits.is_edited(
                present[item.stem], old.captions.get(item.stem, ()), disk.encoded(item.caption)
            )
        )
        return [
            replace(item, caption=edits.as_text(present[item.stem] or b""), wordless=False)
            if item.stem in self.edited
            else item
            for item in items
        ]

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
            self.place.original(source, file)
        else:
            sha256 = hashlib.sha256(prepared.data).hexdigest()
            self.place.bytes(file, prepared.data)
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
        """Write a caption that has a file, unless it is a person's; whether it was written."""
        if not item.sidecar or item.stem in self.edited:
            return False
        return self.place.text(item.stem + CAPTION_SUFFIX, item.caption)

    def _folder(self, path: Path) -> None:
        """Make the folders above ``path`` that are missing."""
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.place.dirty |= {path.parent, path.parent.parent}

    # -- putting away

    def _remove(self, old: State, wanted: set[str], kept: Set[str]) -> int:
        """Remove what we made and nobody wants now, but for ``kept``; how many pictures."""
        stale = old.files() - wanted - kept
        gone = [p["file"] for p in old.pictures.values() if p["file"] in stale]
        stems = {PurePosixPath(file).with_suffix("").as_posix() for file in wanted}
        # A picture goes before its caption: who sees a picture always sees its caption.
        for file in sorted(stale, key=lambda f: (f.endswith(CAPTION_SUFFIX), f)):
            path = self.out / file
            if os.path.lexists(path):
                path.unlink()
                self.place.dirty.add(path.parent)
        for folder in sorted({PurePosixPath(f).parent for f in stale}, reverse=True):
            path = self.out / folder
            if folder != PurePosixPath(".") and path.is_dir() and not disk.names(path):
                path.rmdir()
                self.place.dirty = (self.place.dirty - {path}) | {path.parent}
        return sum(PurePosixPath(f).with_suffix("").as_posix() not in stems for f in gone)

    def _save(self, state: State) -> None:
        if self.place.text(STATE, state.to_json()):
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
