"""What quotas ask of the pictures that a crawl accepted, and no more: there may be many."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from storage.rows import loads


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted work of a crawl."""

    candidate_id: int
    position: int
    sha256: str
    artists: tuple[str, ...]
    rating: str | None


def accepted(db: sqlite3.Connection, crawl_id: str) -> list[Accepted]:
    """The accepted works of a crawl, in its order."""
    rows = db.execute(
        "SELECT w.position, c.id, c.image, c.rating, c.tags FROM works w"
        " JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND w.state = 'accepted' AND c.image IS NOT NULL"
        " ORDER BY w.position",
        (crawl_id,),
    ).fetchall()
    return [
        Accepted(
            candidate_id=row["id"],
            position=row["position"],
            sha256=row["image"],
            artists=tuple((loads(row["tags"]) or {}).get("artist", ())),
            rating=row["rating"],
        )
        for row in rows
    ]
