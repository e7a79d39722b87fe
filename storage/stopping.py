"""Asking the run of a workspace to stop, through its catalog: from any process, on any machine.

Functions of the writer's connection.
"""

from __future__ import annotations

import sqlite3

_KEY = "stop"


def ask(db: sqlite3.Connection, level: int) -> None:
    """Ask for a stop as by so many Ctrl-C: 1 lets what is on its way finish, 2 gives it back.

    An earlier request is only raised by it.
    """
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE"
        " SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        (_KEY, str(level)),
    )


def take(db: sqlite3.Connection) -> int:
    """The level that was asked for, 0 for none; the request is gone then."""
    row = db.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", (_KEY,)).fetchone()
    if row is None:
        return 0
    db.execute("DELETE FROM meta WHERE key = ?", (_KEY,))
    return int(row[0])
