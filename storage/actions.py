"""What people did to the catalog, kept so that it can be undone, however long ago.

Functions of the writer's connection. An action is undone once, the last one first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from storage.records import Json
from storage.rows import dumps, loads
from storage.stream import now


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person did."""

    id: int
    kind: str
    """``accept``, ``reject`` or ``judge``."""
    about: Mapping[str, Json]
    """What was asked for, to tell it by. No hash of a picture: that may have to be forgotten."""
    before: Mapping[str, Json]
    """What undoing puts back, beside the decisions in ``decided``."""
    at: str
    undone_at: str | None = None


def record(
    db: sqlite3.Connection, kind: str, about: Mapping[str, Json], before: Mapping[str, Json]
) -> int:
    """Note an action; returns its id."""
    cursor = db.execute(
        "INSERT INTO actions(kind, about, before, at) VALUES (?,?,?,?)",
        (kind, dumps(about), dumps(before), now()),
    )
    return int(cursor.lastrowid or 0)


def last(db: sqlite3.Connection) -> Action | None:
    """The last action that is not undone."""
    found = _every(db, "WHERE undone_at IS NULL ORDER BY id DESC LIMIT 1")
    return found[0] if found else None


def recent(db: sqlite3.Connection, limit: int) -> list[Action]:
    """The last actions, undone ones included, the newest first."""
    return _every(db, "ORDER BY id DESC LIMIT ?", limit)


def _every(db: sqlite3.Connection, clause: str, *values: object) -> list[Action]:
    rows = db.execute(f"SELECT * FROM actions {clause}", values).fetchall()  # noqa: S608
    return [
        Action(
            row["id"],
            row["kind"],
            loads(row["about"]),
            loads(row["before"]),
            row["at"],
            row["undone_at"],
        )
        for row in rows
    ]


def mark_undone(db: sqlite3.Connection, action_id: int) -> None:
    """Note that an action was undone."""
    db.execute("UPDATE actions SET undone_at = ? WHERE id = ?", (now(), action_id))


def counts(db: sqlite3.Connection) -> tuple[int, int]:
    """How many actions there were, and how many are undone: both only grow."""
    row = db.execute("SELECT count(*), count(undone_at) FROM actions").fetchone()
    return row[0], row[1]
