"""Cool-downs of hosts, kept on disk: what one run is told, the next run and other runs obey."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from storage.database import opened
from storage.disk import explained, in_our_words
from storage.errors import NoSpace, StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cooldowns (
    host TEXT PRIMARY KEY,
    until REAL NOT NULL,
    noted REAL NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A host that must not be asked until a moment (seconds of the wall clock), and why."""

    host: str
    until: float
    reason: str


class HostCooldowns:
    """A small file shared by all crawls of a user. Safe for several threads and processes.

    ``until`` and ``noted`` are wall-clock seconds: a monotonic clock means nothing to the next
    boot. Where the clock went back since, a wait is never longer than it was when it was noted.
    Raises NoSpace and StorageError where the file cannot be read or written.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        try:
            with in_our_words(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot keep what hosts asked of us in {path.parent}: {error.strerror}",
                hint="set XDG_STATE_HOME to a folder that can be written",
            ) from error

    def get(self, host: str) -> tuple[float, str] | None:
        """Seconds left and the reason, or None where the host may be asked."""
        now = self._clock()
        with self._open() as db:
            row = db.execute(
                "SELECT until, noted, reason FROM cooldowns WHERE host = ?", (host,)
            ).fetchone()
            if row is None:
                return None
            until, noted, reason = row
            left = _left(until, noted, now)
            if now < noted:
                # Noted anew: else the wait would begin again at every look.
                db.execute(
                    "UPDATE cooldowns SET until = ?, noted = ? WHERE host = ? AND noted = ?",
                    (now + left, now, host, noted),
                )
        return (left, str(reason)) if left > 0 else None

    def put(self, host: str, seconds: float, reason: str) -> None:
        """Keep away from ``host`` for ``seconds`` from now; never shortens what is there."""
        now = self._clock()
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            row = db.execute(
                "SELECT until, noted FROM cooldowns WHERE host = ?", (host,)
            ).fetchone()
            if row is None or _left(row[0], row[1], now) < seconds:
                db.execute(
                    "INSERT OR REPLACE INTO cooldowns (host, until, noted, reason)"
                    " VALUES (?, ?, ?, ?)",
                    (host, now + seconds, now, reason),
                )
            db.execute("DELETE FROM cooldowns WHERE until <= ?", (now,))
            db.execute("COMMIT")

    def forget(self, host: str) -> None:
        """Lift a cool-down: a person knows better than what the host said."""
        with self._open() as db:
            db.execute("DELETE FROM cooldowns WHERE host = ?", (host,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # A connection per use costs well under a millisecond, needs no closing by the caller, and
        # may be used from any thread.
        try:
            with closing(opened(self.path, _ready)) as db:
                yield db
        except sqlite3.Error as error:
            if isinstance(full := explained(error, self.path.parent), NoSpace):
                raise full from error
            raise _unusable(self.path, error) from error


def in_force(path: Path, *, clock: Callable[[], float] = time.time) -> list[Cooldown]:
    """The hosts that are to be left alone now, the first to be asked again first.

    Writes nothing, and makes no file where there is none. Raises StorageError.
    """
    if not path.is_file():
        return []
    now = clock()
    try:
        with closing(opened(f"file:{quote(str(path))}?mode=ro", _patient, uri=True)) as db:
            rows = db.execute("SELECT host, until, noted, reason FROM cooldowns").fetchall()
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    waits = [
        Cooldown(str(host), now + left, str(reason))
        for host, until, noted, reason in rows
        if (left := _left(until, noted, now)) > 0
    ]
    return sorted(waits, key=lambda wait: (wait.until, wait.host))


def _unusable(path: Path, error: sqlite3.Error) -> StorageError:
    return StorageError(
        f"the list of hosts that asked us to wait cannot be used: {path}: {error}",
        hint="if it is damaged, delete that file and run the command again",
    )


def _patient(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA busy_timeout=10000")


def _ready(db: sqlite3.Connection) -> None:
    _patient(db)
    db.execute(_SCHEMA)


def _left(until: float, noted: float, now: float) -> float:
    return min(until - now, until - noted)
