"""The table of reasons: every work of a crawl counted once."""

from __future__ import annotations

import sqlite3

from storage.records import Row, State

STATES: tuple[State, ...] = (
    "accepted",
    "rejected",
    "duplicate",
    "failed",
    "unavailable",
    "waiting",
    "pending",
)
"""In the order the table shows them."""


def reasons(db: sqlite3.Connection, crawl_id: str) -> list[Row]:
    """The counts of a crawl by state and reason, each with its first work as an example."""
    found = db.execute(
        "SELECT state, reason, count(*) AS n, min(position) AS first FROM works"
        " WHERE crawl_id = ? GROUP BY state, reason",
        (crawl_id,),
    ).fetchall()
    rows: list[Row] = []
    for r in found:
        example = db.execute(
            "SELECT c.site || ':' || c.site_id FROM works w"
            " JOIN candidates c ON c.id = w.candidate_id"
            " WHERE w.crawl_id = ? AND w.position = ?",
            (crawl_id, r["first"]),
        ).fetchone()[0]
        rows.append(Row(r["state"], r["reason"], r["n"], example))
    return sorted(rows, key=lambda r: (STATES.index(r.state), -r.count, r.reason or ""))
