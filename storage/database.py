"""Opening the catalog: connections, durability and versions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from storage.errors import NewerCatalog, NoWorkspace, StorageError
from storage.platform import try_lock

T = TypeVar("T")

VERSION = 1
"""The catalog version this trawl writes; kept in ``PRAGMA user_version``."""

BUSY_MS = 10_000


def open_writer(path: Path) -> sqlite3.Connection:
    """The one writing connection of a process, migrated to our version.

    synchronous=FULL costs one fsync a commit; commits are grouped by the writer, so a power cut
    loses nothing for a cost nobody sees. Raises NewerCatalog and leaves the file untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _MigrationLock(path):
        _refuse_newer(path)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        try:
            _pragmas(db)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            # Imported here: readers never need it, and it is slow to import.
            from storage.schema import migrate

            migrate(db)
            if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                db.execute(f"PRAGMA user_version={VERSION}")
        except BaseException:
            db.close()
            raise
    return db


def write_once(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """One short write from outside the engine: its own transaction, no checkpoint."""
    db = open_writer(path)
    try:
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("BEGIN IMMEDIATE")
        try:
            result = work(db)
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        return result
    finally:
        db.close()


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; works while an engine writes.

    Raises NewerCatalog, and NoWorkspace while the first engine is still making the catalog.
    """
    db = _read_only(path)
    try:
        if not _version(db):
            raise NoWorkspace(f"{path} is only being made", hint="look again in a moment")
        _pragmas(db)
        db.execute("PRAGMA query_only=1")
    except BaseException:
        db.close()
        raise
    db.row_factory = sqlite3.Row
    return db


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )


def _pragmas(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA cell_size_check=ON")


def _refuse_newer(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        db = _read_only(path)
        try:
            _version(db)
        finally:
            db.close()


def _version(db: sqlite3.Connection) -> int:
    """The version of a catalog; 0 before its first migration. Raises NewerCatalog."""
    try:
        found = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"the catalog cannot be read: {error}",
            hint="restore a copy of catalog.db; the pictures in files/ are untouched",
        ) from error
    if found > VERSION:
        raise NewerCatalog(f"the catalog is of version {found}; this trawl knows {VERSION}")
    return int(found)


class _MigrationLock:
    """Two processes that migrate at once would fail on each other: take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + 30
        while not try_lock(self._fd):
            if time.monotonic() > deadline:
                os.close(self._fd)
                raise StorageError(f"{self._path} stayed locked for 30 s by another process")
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
