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
    """The counts of a crawl by state and reason, each with the work met first as an example."""
    found = db.execute(
        "SELECT t.state, nullif(t.reason, '') AS reason, t.works, (SELECT candidate_id FROM works w"
        " WHERE w.crawl_id = t.crawl_id AND w.state = t.state AND w.reason IS nullif(t.reason, '')"
        " ORDER BY w.candidate_id LIMIT 1) AS first FROM tallies t"
        " WHERE t.crawl_id = ? AND t.works > 0",
        (crawl_id,),
    ).fetchall()
    rows: list[Row] = []
    for r in found:
        example = db.execute(
            "SELECT site || ':' || site_id FROM candidates WHERE id = ?", (r["first"],)
        ).fetchone()
        rows.append(Row(r["state"], r["reason"], r["works"], example[0] if example else None))
    return sorted(rows, key=lambda r: (STATES.index(r.state), -r.count, r.reason or ""))
