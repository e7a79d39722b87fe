"""The event log and its consumers: one durable, ordered story of what happened to live images."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from storage.errors import NotFound
from storage.records import Event, Json
from storage.rows import dumps, loads

EventKind = Literal["accepted", "superseded", "retracted", "retagged", "crawl_finished"]


def now() -> str:
    """This moment as the catalog writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(
    db: sqlite3.Connection,
    kind: EventKind,
    *,
    sha256: str | None = None,
    candidate_id: int | None = None,
    crawl_id: str | None = None,
    payload: Mapping[str, Json] | None = None,
) -> int:
    """Write one event; its seq grows in commit order, since there is one writer."""
    cursor = db.execute(
        "INSERT INTO events(kind, sha256, candidate_id, crawl_id, payload, at)"
        " VALUES (?,?,?,?,?,?)",
        (kind, sha256, candidate_id, crawl_id, dumps(payload or {}), now()),
    )
    return int(cursor.lastrowid or 0)


def read(db: sqlite3.Connection, after: int, limit: int = 500) -> list[Event]:
    """The events after ``after``, oldest first; all rows are fetched, no cursor stays open."""
    rows = db.execute(
        "SELECT e.*, c.site, c.site_id FROM events e"
        " LEFT JOIN candidates c ON c.id = e.candidate_id WHERE e.seq > ? ORDER BY e.seq LIMIT ?",
        (after, limit),
    ).fetchall()
    return [
        Event(
            seq=r["seq"],
            kind=r["kind"],
            sha256=r["sha256"],
            candidate_id=r["candidate_id"],
            crawl_id=r["crawl_id"],
            payload=loads(r["payload"]),
            at=r["at"],
            site=r["site"],
            site_id=r["site_id"],
        )
        for r in rows
    ]


def told_finished(db: sqlite3.Connection, crawl_id: str) -> bool:
    """Whether nothing has happened to a crawl since its ``crawl_finished``."""
    row = db.execute(
        "SELECT kind FROM events WHERE crawl_id = ? ORDER BY seq DESC LIMIT 1", (crawl_id,)
    ).fetchone()
    return row is not None and row["kind"] == "crawl_finished"


def acked(db: sqlite3.Connection, consumer: str) -> int:
    """The last event ``consumer`` has acknowledged; 0 for one nobody has seen."""
    row = db.execute("SELECT acked_seq FROM consumers WHERE name = ?", (consumer,)).fetchone()
    return int(row[0]) if row else 0


def acknowledge(db: sqlite3.Connection, consumer: str, seq: int) -> None:
    """Remember that ``consumer`` is done with everything up to ``seq``. Never goes back.

    Raises NotFound for an event that has not happened.
    """
    last = db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    if not 0 <= seq <= last:
        raise NotFound(f"there is no event {seq}; the last one is {last}")
    db.execute(
        "INSERT INTO consumers(name, acked_seq, updated_at) VALUES (?,?,?)"
        " ON CONFLICT(name) DO UPDATE SET acked_seq = max(acked_seq, excluded.acked_seq),"
        " updated_at = excluded.updated_at",
        (consumer, seq, now()),
    )
