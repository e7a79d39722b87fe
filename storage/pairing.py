"""Whether a catalog and the files beside it belong together: a copy put back may know too little.

Both carry an id made by chance and a generation. That of the catalog is raised at the start and at
the end of every run, and while it lasts at most every :data:`PACE` seconds; the files are told of
it after each commit. So the catalog is ahead of its files at most, where a process was killed in
between, and a copy is behind them as soon as the catalog it was made of has gone on.
"""

from __future__ import annotations

import re
import sqlite3
import time
import uuid

from storage.files import FileStore

PACE = 60
"""Seconds of a run that a copy of the catalog may be old without being found out."""
_KEY = "pair"
_PAIR = re.compile(r"([0-9a-f]{32}) ([0-9]{1,18})")


def begin(db: sqlite3.Connection, store: FileStore) -> bool:
    """Whether they belong together until now; from this commit on they do."""
    told, (of_files, reached) = _told(db), _parsed(store.pair)
    if told is not None and told[0] == of_files and told[1] >= reached:
        advance(db)
        return True
    _write(db, uuid.uuid4().hex, 0)
    return False


def advance(db: sqlite3.Connection) -> None:
    """Raise the generation: copies of the catalog made until now are old."""
    if (told := _told(db)) is not None:
        _write(db, *told)


def keep_pace(db: sqlite3.Connection) -> None:
    """Raise the generation where that was not done for a while."""
    told = _told(db)
    if told is not None and told[1] + PACE < time.time():
        _write(db, *told)


def note(db: sqlite3.Connection, store: FileStore) -> None:
    """Tell the files which catalog is theirs, after it was committed."""
    row = _row(db)
    if row is not None and row != store.pair:
        store.set_pair(row)


def _write(db: sqlite3.Connection, pair: str, generation: int) -> None:
    # By the clock it grows with time, without it by one.
    text = f"{pair} {max(generation + 1, int(time.time()))}"
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (_KEY, text),
    )


def _told(db: sqlite3.Connection) -> tuple[str, int] | None:
    row = _row(db)
    return None if row is None else _parsed(row)


def _row(db: sqlite3.Connection) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
    return None if row is None else str(row["value"])


def _parsed(text: str) -> tuple[str, int]:
    """The id and the generation; an id that no catalog has where it says neither."""
    found = _PAIR.fullmatch(text)
    return (found[1], int(found[2])) if found else ("", 0)
