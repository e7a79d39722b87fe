"""Consumers of the event log: how far each has come, what it has yet to do again, what it gave up.

A consumer is done with every event up to ``acked_seq``. What differs from that is a row of
``deliveries``: an event behind it that is ``done`` already, one that is to come again (``retry``),
and one that failed too often (``dead``), which is told and holds nothing up. Functions of a
connection; a consumer has one reader at a time (:class:`storage.lock.ConsumerLock`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storage.errors import NotFound
from storage.rows import dumps, loads
from storage.stream import Asked, last_seq, now

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Failed tries after which an event is a dead letter."""

_LEFT = (
    "NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.consumer = :name AND d.seq = e.seq"
    " AND d.state IN ('done', 'dead'))"
)


@dataclass(frozen=True, slots=True)
class Consumer:
    """How far a named reader has come. ``lag``: events that it has yet to be done with."""

    name: str
    acked_seq: int
    lag: int
    dead: int
    """Events given up after too many tries."""
    updated_at: str
    """When it was last heard of: it began to read, or answered."""


@dataclass(frozen=True, slots=True)
class Retry:
    """An event that is to come again at ``due_at`` (seconds of the wall clock)."""

    seq: int
    attempts: int
    due_at: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up, after ``attempts`` tries; ``error`` is what the last one said."""

    seq: int
    attempts: int
    error: str | None
    at: str
    """When the event happened."""
    kind: str
    site: str | None
    site_id: str | None


@dataclass(frozen=True, slots=True)
class Nack:
    """A try that failed: the event comes again ``retry_in`` seconds from now."""

    seq: int
    retry_in: float
    error: str | None = None
    max_attempts: int = MAX_ATTEMPTS


def every(db: sqlite3.Connection) -> list[Consumer]:
    """All consumers by name, with their lag."""
    return [
        _consumer(db, row) for row in db.execute("SELECT * FROM consumers ORDER BY name").fetchall()
    ]


def get(db: sqlite3.Connection, name: str) -> Consumer:
    """One consumer. Raises NotFound."""
    row = db.execute("SELECT * FROM consumers WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotFound(
            f"there is no consumer {name!r}", hint="`trawl consumers` lists those of a workspace"
        )
    return _consumer(db, row)


def _consumer(db: sqlite3.Connection, row: sqlite3.Row) -> Consumer:
    name, acked, asked = row["name"], row["acked_seq"], _asked(row)
    state = db.execute(
        "SELECT count(*) FILTER (WHERE state = 'dead') AS dead,"
        " count(*) FILTER (WHERE state IN ('done', 'dead') AND seq > ?2) AS ahead,"
        " count(*) FILTER (WHERE state = 'retry' AND seq <= ?2) AS again"
        " FROM deliveries WHERE consumer = ?1",
        (name, acked),
    ).fetchone()
    if asked == Asked():  # numbers have no gaps: nothing has to be counted
        behind = max(0, last_seq(db) - acked)
    else:
        where, values = asked.sql()
        behind = db.execute(
            f"SELECT count(*) FROM events e WHERE e.seq > :after AND {where}",  # noqa: S608
            {**values, "after": acked},
        ).fetchone()[0]
    lag = max(0, behind - state["ahead"]) + state["again"]
    return Consumer(name, acked, lag, state["dead"], row["updated_at"])


def join(db: sqlite3.Connection, name: str, asked: Asked, after: int | None = None) -> int:
    """A reader begins as a consumer that wants these events; returns the seq it goes on after.

    ``after`` is where a consumer that is new begins; one that is known goes on where it was.
    Raises NotFound for an ``after`` that has not happened.
    """
    if after is not None:
        _check(db, [after])
    known = db.execute("SELECT * FROM consumers WHERE name = ?", (name,)).fetchone()
    if known is not None and known["acked_seq"] and asked.wants_more_than(_asked(known)):
        log.warning(
            "consumer %s asked for less so far: what else happened up to event %d is not given"
            " to it (`trawl consumers rewind` gives it everything again)",
            name,
            known["acked_seq"],
        )
    db.execute(
        "INSERT INTO consumers(name, acked_seq, updated_at, kinds, crawl_id) VALUES (?,?,?,?,?)"
        " ON CONFLICT(name) DO UPDATE SET updated_at = excluded.updated_at,"
        " kinds = excluded.kinds, crawl_id = excluded.crawl_id",
        (name, after or 0, now(), dumps(sorted(asked.kinds)) if asked.kinds else None, asked.crawl),
    )
    return _fold(db, name)


def settle(
    db: sqlite3.Connection,
    name: str,
    done: Collection[int] = (),
    failed: Sequence[Nack] = (),
    *,
    at: float = 0.0,
) -> list[int]:
    """Note which events a consumer is done with and which have failed, and fold what closes up.

    ``at`` is this moment in seconds of the wall clock. Returns the seqs that are dead letters now.
    Raises NotFound for an event that has not happened.
    """
    _check(db, [*done, *(nack.seq for nack in failed)])
    db.executemany(
        "INSERT INTO deliveries(consumer, seq, state) VALUES (?,?,'done') ON CONFLICT DO UPDATE"
        " SET state = 'done', due_at = NULL, error = NULL",
        [(name, seq) for seq in done],
    )
    dead = [nack.seq for nack in failed if _fail(db, name, nack, at)]
    db.execute(
        "INSERT INTO consumers(name, acked_seq, updated_at) VALUES (?,0,?)"
        " ON CONFLICT(name) DO UPDATE SET updated_at = excluded.updated_at",
        (name, now()),
    )
    _fold(db, name)
    return dead


def _fail(db: sqlite3.Connection, name: str, nack: Nack, at: float) -> bool:
    """Note a failed try; whether it was the last."""
    row = db.execute(
        "INSERT INTO deliveries(consumer, seq, state, attempts, due_at, error)"
        " VALUES (?,?,'retry',1,?,?) ON CONFLICT DO UPDATE SET state = 'retry',"
        " attempts = attempts + 1, due_at = excluded.due_at, error = excluded.error"
        " RETURNING attempts",
        (name, nack.seq, at + nack.retry_in, nack.error),
    ).fetchone()
    if row["attempts"] < nack.max_attempts:
        return False
    db.execute(
        "UPDATE deliveries SET state = 'dead', due_at = NULL WHERE consumer = ? AND seq = ?",
        (name, nack.seq),
    )
    return True


def _fold(db: sqlite3.Connection, name: str) -> int:
    """Move ``acked_seq`` up to the first event that is still open; returns it."""
    row = db.execute("SELECT * FROM consumers WHERE name = ?", (name,)).fetchone()
    where, values = _asked(row).sql()
    before = row["acked_seq"]
    still_open = db.execute(
        f"SELECT e.seq FROM events e WHERE e.seq > :after AND {where} AND {_LEFT}"  # noqa: S608
        " ORDER BY e.seq LIMIT 1",
        {**values, "after": before, "name": name},
    ).fetchone()
    acked = int(still_open["seq"]) - 1 if still_open else max(before, last_seq(db))
    if acked > before:
        db.execute("UPDATE consumers SET acked_seq = ? WHERE name = ?", (acked, name))
    db.execute(
        "DELETE FROM deliveries WHERE consumer = ? AND seq <= ? AND state = 'done'", (name, acked)
    )
    return acked


def retries(db: sqlite3.Connection, name: str, limit: int = -1) -> list[Retry]:
    """The events that are to come again, the first due first."""
    return [
        Retry(row["seq"], row["attempts"], row["due_at"])
        for row in db.execute(
            "SELECT seq, attempts, due_at FROM deliveries"
            " WHERE consumer = ? AND state = 'retry' ORDER BY due_at, seq LIMIT ?",
            (name, limit),
        ).fetchall()
    ]


def dead_letters(db: sqlite3.Connection, name: str) -> list[DeadLetter]:
    """The events that were given up, oldest first."""
    return [
        DeadLetter(**dict(row))
        for row in db.execute(
            "SELECT d.seq, d.attempts, d.error, e.at, e.kind, c.site, c.site_id FROM deliveries d"
            " JOIN events e ON e.seq = d.seq LEFT JOIN candidates c ON c.id = e.candidate_id"
            " WHERE d.consumer = ? AND d.state = 'dead' ORDER BY d.seq",
            (name,),
        ).fetchall()
    ]


def retry_dead(db: sqlite3.Connection, name: str) -> int:
    """Have every dead letter come again now, with all its tries; returns how many."""
    get(db, name)
    return db.execute(
        "UPDATE deliveries SET state = 'retry', attempts = 0, due_at = 0"
        " WHERE consumer = ? AND state = 'dead'",
        (name,),
    ).rowcount


def rewind(db: sqlite3.Connection, name: str, after: int) -> None:
    """Have a consumer go on after ``after``, forwards or back: its answers from there on are void.

    Raises NotFound for an unknown consumer and for an event that has not happened.
    """
    get(db, name)
    _check(db, [after])
    db.execute(
        "UPDATE consumers SET acked_seq = ?, updated_at = ? WHERE name = ?", (after, now(), name)
    )
    db.execute(
        "DELETE FROM deliveries WHERE consumer = ? AND (seq > ? OR state != 'dead')", (name, after)
    )


def forget(db: sqlite3.Connection, name: str) -> None:
    """Forget a consumer: one of that name begins anew. Raises NotFound."""
    get(db, name)
    db.execute("DELETE FROM deliveries WHERE consumer = ?", (name,))
    db.execute("DELETE FROM consumers WHERE name = ?", (name,))


def _asked(row: sqlite3.Row) -> Asked:
    return Asked(frozenset(loads(row["kinds"]) or ()), row["crawl_id"])


def _check(db: sqlite3.Connection, seqs: Collection[int]) -> None:
    last = last_seq(db)
    for seq in seqs:
        if not 0 <= seq <= last:
            raise NotFound(f"there is no event {seq}; the last one is {last}")
