"""Works that failed, to be tried anew because a person asks for it.

Functions of the writer's connection; counting needs no more than a reader's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from storage.words import AGAIN


def failed(db: sqlite3.Connection, crawl_id: str) -> dict[str, int]:
    """Reason -> works of a crawl that failed for it."""
    rows = db.execute(
        "SELECT reason, works FROM tallies WHERE crawl_id = ? AND state = 'failed' AND works > 0"
        " ORDER BY works DESC, reason",
        (crawl_id,),
    ).fetchall()
    return {row["reason"]: row["works"] for row in rows}


def retry(db: sqlite3.Connection, crawl_id: str, reasons: Collection[str]) -> int:
    """Make the works of a crawl that failed for these reasons pending again; returns how many.

    The next run tries them whether the target is met or not. What runs before have tried no longer
    counts against them.
    """
    marks = ",".join("?" * len(reasons))
    which = (
        f"SELECT candidate_id FROM works WHERE crawl_id = ? AND state = 'failed'"  # noqa: S608
        f" AND reason IN ({marks})"
    )
    values = (crawl_id, *reasons)
    db.execute(
        "UPDATE attempts SET outcome = 'failed' WHERE outcome = 'transient'"  # noqa: S608
        f" AND candidate_id IN ({which})",
        values,
    )
    return db.execute(
        "UPDATE works SET state = 'pending', reason = ?, settled_at = NULL"  # noqa: S608
        f" WHERE crawl_id = ? AND state = 'failed' AND reason IN ({marks})",
        (AGAIN, *values),
    ).rowcount


def waiting(db: sqlite3.Connection, crawl_id: str) -> int:
    """How many works of a crawl were to be tried again and have not been yet."""
    row = db.execute(
        "SELECT works FROM tallies WHERE crawl_id = ? AND state = 'pending' AND reason = ?",
        (crawl_id, AGAIN),
    ).fetchone()
    return int(row["works"]) if row else 0
