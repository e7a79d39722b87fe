"""The files of a workspace: original bytes, named by their sha256, and nothing else."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from storage.platform import fsync_dir, fsync_file
from storage.suspects import Suspects

STRAYS = "strays"
"""Folder of files that a catalog did not know which may not be theirs."""
PAIR = "catalog.pair"
"""The file that tells whose files these are."""
EXTENSIONS = frozenset({"jpg", "png", "webp", "avif", "gif"})
"""Formats a file may be kept in. Names come from the decoder, never from the network."""


SOME = 500
"""Strays that the catalog is asked of at once."""
Known: TypeAlias = Callable[[Sequence[str]], set[str]]
"""Which of some hashes are to have a file."""


class FileStore:
    """``files/ab/cd/<sha256>.<ext>``, read-only; ``files/tmp`` holds what is still arriving.

    ``files/strays`` holds what was set aside, ``files/catalog.pair`` tells whose files these are.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.root = workspace / "files"
        self.tmp = self.root / "tmp"
        self.tmp.mkdir(parents=True, exist_ok=True)
        self.strays = self.root / STRAYS
        self.suspects = Suspects(self.root / "suspects")
        self._pair: str | None = None

    def temp(self) -> Path:
        """A fresh name for an arriving file; the writer of it opens it exclusively."""
        return self.tmp / uuid.uuid4().hex

    def path(self, sha256: str, format: str) -> Path:
        """Where the file of this hash is, or would be."""
        return stored_path(self.workspace, sha256, format)

    def adopt(self, temp: Path, sha256: str, format: str) -> Path:
        """Move a synced file under its final name, durably. Idempotent."""
        final = self.path(sha256, format)
        made = [p for p in (final.parent.parent, final.parent) if not p.exists()]
        final.parent.mkdir(parents=True, exist_ok=True)
        temp.chmod(0o444)
        temp.replace(final)
        fsync_dir(final.parent)
        for folder in made:
            fsync_dir(folder.parent)
        return final

    def clear_tmp(self) -> int:
        """Remove what a killed run left behind while it was arriving; returns how many.

        What it was decoding when it ended is suspected of having ended it.
        """
        removed = 0
        for path in list(self.tmp.iterdir()):
            if not self.suspects.take(path):
                path.unlink()
                removed += 1
        return removed

    def sweep(self, since: float, known: Known, *, set_aside: bool = False) -> int:
        """Remove files newer than ``since`` (wall seconds) whose hash the catalog does not know.

        A kill between the rename and the commit leaves such a file; only folders changed since the
        last clean mark are looked at. With ``set_aside`` they are moved to :attr:`strays`.
        """
        removed = 0
        for folder in self._changed_since(since):
            found = {p.name.split(".")[0]: p for p in folder.iterdir() if p.is_file()}
            for orphan in found.keys() - known(sorted(found)):
                if set_aside:
                    self._set_aside(found[orphan])
                else:
                    found[orphan].unlink()
                removed += 1
        return removed

    def _set_aside(self, path: Path) -> None:
        self.strays.mkdir(exist_ok=True)
        path.replace(self.strays / path.name)
        # It must not be back in its place after a power cut, when it would be removed.
        fsync_dir(self.strays)
        fsync_dir(path.parent)

    def take_back(self, known: Known) -> int:
        """Put strays that the catalog knows in their place again; returns how many."""
        if not self.strays.is_dir():
            return 0
        taken = 0
        strays = (path for path in self.strays.iterdir() if path.suffix[1:] in EXTENSIONS)
        while some := list(islice(strays, SOME)):
            wanted = known([path.stem for path in some])
            for path in some:
                if path.stem in wanted:
                    self.adopt(path, path.stem, path.suffix[1:])
                    taken += 1
        return taken

    @property
    def pair(self) -> str:
        """What :meth:`set_pair` was given last, by whatever process; empty where it never was."""
        if self._pair is None:
            try:
                self._pair = (self.root / PAIR).read_text("utf-8", errors="replace")
            except FileNotFoundError:
                self._pair = ""
        return self._pair

    def set_pair(self, text: str) -> None:
        """Write down, durably, which catalog these files belong to."""
        temp = self.temp()
        temp.write_text(text, "utf-8")
        fsync_file(temp)
        temp.replace(self.root / PAIR)
        fsync_dir(self.root)
        self._pair = text

    def _changed_since(self, since: float) -> Iterator[Path]:
        for outer in self.root.iterdir():
            if outer == self.tmp or not outer.is_dir():
                continue
            for inner in outer.iterdir():
                # Two seconds of slack: some file systems keep coarse times.
                if inner.is_dir() and inner.stat().st_mtime >= since - 2:
                    yield inner

    def remove(self, path: Path) -> None:
        """Delete a file of ours if it is still there."""
        path.unlink(missing_ok=True)

    def remove_lines(self, path: Path, text: str) -> None:
        """Take the lines that hold ``text`` out of a file, if it is still there."""
        try:
            lines = path.read_text("utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            return
        kept = [line for line in lines if text not in line]
        if len(kept) == len(lines):
            return
        temp = path.with_name(f".trawl-{uuid.uuid4().hex}.part")
        temp.write_text("".join(kept), "utf-8")
        fsync_file(temp)
        temp.replace(path)
        fsync_dir(path.parent)


def stored_path(workspace: Path, sha256: str, format: str) -> Path:
    """The path of a stored original. Raises ValueError for anything but a hash and a format."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef") or format not in EXTENSIONS:
        raise ValueError(f"no stored file can be called {sha256!r}.{format!r}")
    return workspace / "files" / sha256[:2] / sha256[2:4] / f"{sha256}.{format}"


def free_bytes(path: Path) -> int:
    """Bytes a user may still write on the disk of ``path``."""
    return shutil.disk_usage(path).free


def total_bytes(path: Path) -> int:
    """Size of the disk of ``path`` in bytes."""
    return shutil.disk_usage(path).total
