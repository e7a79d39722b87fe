"""Opening the catalog: connections, durability and versions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from storage.disk import explained, in_our_words
from storage.errors import NewerCatalog, NoSpace, NoWorkspace, StorageError
from storage.platform import PATIENCE, PAUSE, descriptors_left, patiently, try_lock

T = TypeVar("T")

VERSION = 2
"""The catalog version this trawl writes; kept in ``PRAGMA user_version``."""

BUSY_MS = 10_000
LOOK = 0.0005
"""Seconds between two looks whether another process has done writing."""
LARGEST_LOG = 64 << 20
"""Bytes that the write-ahead log keeps on disk once it has been folded in."""


class Connection(sqlite3.Connection):
    """A connection that remembers whether something that was asked of it has been undone.

    Files are no part of a transaction: one that was put into the store may be there without a row.
    """

    rolled_back = False


def open_writer(path: Path) -> Connection:
    """The one writing connection of a process, migrated to our version.

    synchronous=FULL costs one fsync a commit; commits are grouped by the writer, so a power cut
    loses nothing for a cost nobody sees. Raises NewerCatalog and leaves the file untouched; NoSpace
    and StorageError where it cannot be made.
    """
    with in_our_words(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _MigrationLock(path):
            _refuse_newer(path)
            return opened(path, _ready_to_write)


def _ready_to_write(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    _pragmas(db)
    # No files beside the catalog's own: descriptors may be short, and /tmp may be full.
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA journal_size_limit={LARGEST_LOG}")
    db.execute("PRAGMA synchronous=FULL")
    # Imported here: readers never need it, and it is slow to import.
    from storage.schema import migrate

    migrate(db)
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        db.execute(f"PRAGMA user_version={VERSION}")


def opened(
    path: Path | str, prepare: Callable[[sqlite3.Connection], object], *, uri: bool = False
) -> Connection:
    """A connection that ``prepare`` has made ready; tried again while no descriptor is left.

    SQLite only says that it cannot open a file, not why. Sleeps; raises what ``prepare`` raises.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            db = sqlite3.connect(
                path, uri=uri, isolation_level=None, check_same_thread=False, factory=Connection
            )
            try:
                prepare(db)
            except BaseException:
                db.close()
                raise
        except sqlite3.OperationalError as error:
            short = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN
            if not short or descriptors_left() or time.monotonic() > deadline:
                raise
        else:
            return db
        time.sleep(PAUSE)


def begin(db: sqlite3.Connection) -> None:
    """Begin to write; while another process does, look every half a millisecond for its end.

    SQLite's own waits grow to 100 ms, and starve whoever meets an engine that writes all the time.
    """
    deadline = time.monotonic() + BUSY_MS / 1000
    db.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(LOOK)
    finally:
        db.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def write_once(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """One short write from outside the engine: its own transaction, no checkpoint.

    Raises what ``work`` raises, NoSpace and StorageError.
    """
    with in_our_words(path.parent), closing(open_writer(path)) as db:
        db.execute("PRAGMA wal_autocheckpoint=0")
        begin(db)
        try:
            result = work(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection; works while an engine writes. An older catalog is migrated first.

    Raises NewerCatalog, and NoWorkspace while the first engine is still making the catalog.
    """
    if 0 < _read_version(path) < VERSION:
        open_writer(path).close()

    def ready(db: sqlite3.Connection) -> None:
        if not _version(db):
            raise NoWorkspace(f"{path} is only being made", hint="look again in a moment")
        _pragmas(db)
        db.execute("PRAGMA query_only=1")
        db.row_factory = sqlite3.Row

    return _read_only(path, ready)


def _read_only(path: Path, ready: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
    try:
        return opened(f"file:{quote(str(path))}?mode=ro", ready, uri=True)
    except sqlite3.DatabaseError as error:
        if isinstance(told := explained(error, path.parent), NoSpace):
            raise told from error
        raise StorageError(
            f"the catalog cannot be read: {error}",
            hint="restore a copy of catalog.db; the pictures in files/ are untouched",
        ) from error


def _pragmas(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA cell_size_check=ON")


def _refuse_newer(path: Path) -> None:
    if path.exists() and path.stat().st_size:
        _read_version(path)


def _read_version(path: Path) -> int:
    with closing(_read_only(path, _version)) as db:
        return _version(db)


def _version(db: sqlite3.Connection) -> int:
    """The version of a catalog; 0 before its first migration. Raises NewerCatalog."""
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise NewerCatalog(f"the catalog is of version {found}; this trawl knows {VERSION}")
    return found


class _MigrationLock:
    """Two processes that migrate at once would fail on each other: take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")

    def __enter__(self) -> None:
        self._fd = patiently(lambda: os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644))
        deadline = time.monotonic() + 30
        while not try_lock(self._fd):
            if time.monotonic() > deadline:
                os.close(self._fd)
                raise StorageError(f"{self._path} stayed locked for 30 s by another process")
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
