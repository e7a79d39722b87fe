"""What a watched folder remembers: what it was given and how far, so that each is given once.

A small database in the folder itself (``.trawl-folder.db``), for pictures come one by one and there
may be very many. A row is committed before the first file of its picture is made.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.errors import FolderNotOurs
from stages.export import disk
from storage.database import opened

MEMORY = ".trawl-folder.db"
_OURS = 0x7472_6C66
"""``PRAGMA application_id`` of such a database: "trlf"."""
_VERSION = 2
_SCHEMA = (
    "CREATE TABLE about(consumer TEXT NOT NULL, begun INTEGER NOT NULL,"
    " reached INTEGER NOT NULL DEFAULT 0) STRICT",
    "CREATE TABLE pictures(sha256 TEXT PRIMARY KEY, stem TEXT NOT NULL UNIQUE, file TEXT,"
    " caption TEXT NOT NULL) STRICT",
    f"PRAGMA application_id={_OURS}",
    f"PRAGMA user_version={_VERSION}",
)
_BYSTANDERS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Given:
    """A picture that was given to the folder.

    ``file`` is its name there, None while it is only begun; ``caption`` the fingerprint of what we
    wrote beside it.
    """

    sha256: str
    stem: str
    file: str | None
    caption: str


class Memory:
    """The memory of ``out``, which is made where it is missing.

    Raises FolderNotOurs where the folder is somebody else's, or another consumer's.
    """

    def __init__(self, out: Path, consumer: str) -> None:
        path = out / MEMORY
        if not disk.is_file(path):
            _check_empty(out)
        try:
            self._db = opened(path, lambda db: _ready(db, consumer))
        except sqlite3.DatabaseError as error:
            raise FolderNotOurs(f"{path} cannot be read: {error}") from error
        found = self._db.execute("SELECT consumer FROM about").fetchone()
        if found is None or found[0] != consumer:
            self._db.close()
            raise FolderNotOurs(
                f"{out} is the folder of the consumer {found and found[0]!r}",
                hint="follow it as that consumer (`trawl consumers rewind NAME --to-start` has it"
                " filled again), or choose a new folder",
            )

    def fresh(self) -> bool:
        """Whether nobody has begun to give it everything."""
        return self._db.execute("SELECT 1 FROM about WHERE begun = 0").fetchone() is not None

    def begin(self) -> None:
        """Note that whoever gives has begun with the first event."""
        self._db.execute("UPDATE about SET begun = 1")

    def reached(self) -> int:
        """The last event that it was given, ever: what comes again up to it was asked for again."""
        return int(self._db.execute("SELECT reached FROM about").fetchone()[0])

    def reach(self, seq: int) -> None:
        """Note that everything up to an event was given, and acknowledged."""
        self._db.execute("UPDATE about SET reached = ?1 WHERE reached < ?1", (seq,))

    def close(self) -> None:
        self._db.close()

    def given(self, sha256: str) -> Given | None:
        """What is known of a picture."""
        row = self._db.execute("SELECT * FROM pictures WHERE sha256 = ?", (sha256,)).fetchone()
        return Given(*row) if row else None

    def all_given(self) -> Iterator[Given]:
        """All that is in place, as far as we know. Nothing may be written meanwhile."""
        rows = self._db.execute("SELECT * FROM pictures WHERE file IS NOT NULL")
        return (Given(*row) for row in rows)

    def has_stem(self, stem: str) -> bool:
        """Whether a picture is called so."""
        row = self._db.execute("SELECT 1 FROM pictures WHERE stem = ?", (stem,)).fetchone()
        return row is not None

    def write(self, keep: Iterable[Given] = (), forget: Iterable[str] = ()) -> None:
        """Forget some pictures, by sha256, and keep others as they are now: one transaction."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "DELETE FROM pictures WHERE sha256 = ?", [(sha256,) for sha256 in forget]
            )
            self._db.executemany(
                "INSERT INTO pictures VALUES (?,?,?,?) ON CONFLICT(sha256) DO UPDATE SET"
                " file = excluded.file, caption = excluded.caption",
                [(one.sha256, one.stem, one.file, one.caption) for one in keep],
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _check_empty(out: Path) -> None:
    # A journal alone is what a kill left of us in our first transaction.
    ours = (MEMORY, f"{MEMORY}-journal")
    for name in disk.names(out):
        if name not in _BYSTANDERS and name not in ours and not disk.is_temp(name):
            raise FolderNotOurs(
                f"{out} holds what we did not put there: {name}",
                hint="follow into a new or an empty folder",
            )
    if os.path.lexists(out / MEMORY):
        raise FolderNotOurs(f"{out / MEMORY} is not a file of ours")


def _ready(db: sqlite3.Connection, consumer: str) -> None:
    db.execute("PRAGMA busy_timeout=10000")
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA synchronous=FULL")
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables:
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute("INSERT INTO about(consumer, begun) VALUES (?, 0)", (consumer,))
        db.execute("COMMIT")
    if _is(db) == (_OURS, 1):
        db.execute("BEGIN IMMEDIATE")
        db.execute("ALTER TABLE about ADD COLUMN reached INTEGER NOT NULL DEFAULT 0")
        db.execute("PRAGMA user_version=2")
        db.execute("COMMIT")
    if _is(db) != (_OURS, _VERSION):
        raise sqlite3.DatabaseError("it was not written by this version of trawl")


def _is(db: sqlite3.Connection) -> tuple[int, int]:
    """Whose database it is, and its version."""
    kind = db.execute("PRAGMA application_id").fetchone()[0]
    return kind, db.execute("PRAGMA user_version").fetchone()[0]
