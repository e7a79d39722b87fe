"""What a run left behind that was killed or that failed, read without touching it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.outcome import sha256, stored_files

CATALOG = ("catalog.db", "catalog.db-wal")


@dataclass(frozen=True)
class Snapshot:
    """A catalog as the next process will find it."""

    states: Mapping[str, str]
    """site_id -> state."""
    files: Mapping[str, frozenset[str]]
    """md5 the site tells of a file -> site_ids."""
    stored: Mapping[str, int]
    """sha256 -> bytes, of the pictures whose files are to be there."""
    trouble: tuple[str, ...]
    """What is wrong with it."""

    @property
    def pending(self) -> int:
        """Works without a verdict."""
        return sum(state == "pending" for state in self.states.values())

    def settled(self, md5: str) -> bool:
        """Whether every work that tells of this file has its verdict; False for a file unknown."""
        works = self.files.get(md5, frozenset())
        return bool(works) and all(self.states.get(work) != "pending" for work in works)


EMPTY = Snapshot({}, {}, {}, ())


def snapshot(workspace: Path, *, hashes: bool = False) -> Snapshot:
    """Read a copy of the catalog, so that opening it here mends nothing there.

    With ``hashes`` every stored file is read; else only its size is looked at.
    """
    if not (workspace / CATALOG[0]).exists():
        return EMPTY
    with tempfile.TemporaryDirectory(prefix="trawl-torture-") as folder:
        for name in CATALOG:
            if (workspace / name).exists():
                shutil.copy(workspace / name, folder)
        with closing(sqlite3.connect(Path(folder) / CATALOG[0])) as db:
            return _read(db, workspace, hashes=hashes)


def _read(db: sqlite3.Connection, workspace: Path, *, hashes: bool) -> Snapshot:
    trouble = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'works'").fetchone():
        return Snapshot({}, {}, {}, tuple(trouble))  # not made yet
    trouble += [f"foreign key {tuple(row)}" for row in db.execute("PRAGMA foreign_key_check")]
    states = dict(
        db.execute(
            "SELECT c.site_id, w.state FROM works w JOIN candidates c ON c.id = w.candidate_id"
        )
    )
    files: dict[str, set[str]] = {}
    for md5, work in db.execute(
        "SELECT r.md5, c.site_id FROM rungs r JOIN candidates c ON c.id = r.candidate_id"
    ):
        files.setdefault(md5, set()).add(work)
    stored = dict(db.execute("SELECT sha256, bytes FROM images WHERE stored = 1"))
    trouble += wrong_files(workspace, stored, hashes=hashes)
    frozen = {md5: frozenset(works) for md5, works in files.items()}
    return Snapshot(states, frozen, stored, tuple(trouble))


def wrong_files(workspace: Path, stored: Mapping[str, int], *, hashes: bool) -> list[str]:
    """Promised files that are missing or short; with ``hashes`` every file with other bytes."""
    files = stored_files(workspace)
    trouble = [f"{name} is missing" for name in stored if name not in files]
    for name, path in files.items():
        if path.parent.name == "tmp":
            continue
        if name in stored and path.stat().st_size != stored[name]:
            trouble.append(f"{name} is short")
        elif hashes and sha256(path.read_bytes()) != name:
            trouble.append(f"{name} holds other bytes")
    return trouble
