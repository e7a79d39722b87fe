"""The files of a workspace: original bytes, named by their sha256, and nothing else."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from storage.platform import fsync_dir, fsync_file
from storage.suspects import Suspects

EXTENSIONS = frozenset({"jpg", "png", "webp", "avif", "gif"})
"""Formats a file may be kept in. Names come from the decoder, never from the network."""


class FileStore:
    """``files/ab/cd/<sha256>.<ext>``, read-only; ``files/tmp`` holds what is still arriving."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.root = workspace / "files"
        self.tmp = self.root / "tmp"
        self.tmp.mkdir(parents=True, exist_ok=True)
        self.suspects = Suspects(self.root / "suspects")

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

    def sweep(self, since: float, known: Callable[[Sequence[str]], set[str]]) -> int:
        """Remove files newer than ``since`` (wall seconds) whose hash the catalog does not know.

        A kill between the rename and the commit leaves such a file; only folders changed since the
        last clean mark are looked at.
        """
        removed = 0
        for folder in self._changed_since(since):
            found = {p.name.split(".")[0]: p for p in folder.iterdir() if p.is_file()}
            for orphan in found.keys() - known(sorted(found)):
                found[orphan].unlink()
                removed += 1
        return removed

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
