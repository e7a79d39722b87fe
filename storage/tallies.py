"""How many works a crawl has in each state: counts that triggers keep, so that asking is free."""

from __future__ import annotations

import sqlite3


def count(db: sqlite3.Connection, crawl_id: str) -> int:
    """How many works a crawl has met."""
    return _sum(db, crawl_id)


def accepted_count(db: sqlite3.Connection, crawl_id: str) -> int:
    """How many pictures a crawl has accepted."""
    return _sum(db, crawl_id, "accepted")


def pending_count(db: sqlite3.Connection, crawl_id: str) -> int:
    """How many works of a crawl have no verdict yet."""
    return _sum(db, crawl_id, "pending", "waiting")


def counts(db: sqlite3.Connection, crawl_id: str) -> tuple[int, int]:
    """How many works of a crawl are accepted and how many have no verdict, at one moment."""
    return accepted_count(db, crawl_id), pending_count(db, crawl_id)


def _sum(db: sqlite3.Connection, crawl_id: str, *states: str) -> int:
    among = f" AND state IN ({','.join('?' * len(states))})" if states else ""
    row = db.execute(
        f"SELECT coalesce(sum(works), 0) FROM tallies WHERE crawl_id = ?{among}",  # noqa: S608
        (crawl_id, *states),
    ).fetchone()
    return int(row[0])
