"""What people said of works and pictures: it outranks every rule but content safety."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Literal, TypeAlias

from storage.records import Ruling

Word: TypeAlias = Literal["accept", "reject"]

BY_PERSON = "by_person"
"""The reason of works that a person decided."""
AGAIN = "retry"
"""The reason of pending works that had failed and that a person wants tried again."""
TAKEN = Ruling("accepted", BY_PERSON)
LEFT_OUT = Ruling("rejected", BY_PERSON)
UNTOUCHED = frozenset({"failed", "unavailable"})
"""States that no word of a person changes: there is nothing that could be taken."""


def said_of(db: sqlite3.Connection, candidate_id: int, picture: str | None) -> Word | None:
    """The last word about a work, or about the picture it is."""
    row = db.execute(
        "SELECT decision FROM decisions WHERE candidate_id = ? OR picture = ?"
        " ORDER BY action_id DESC LIMIT 1",
        (candidate_id, picture),
    ).fetchone()
    return row["decision"] if row else None


def heed(ruling: Ruling, word: Word | None, *, held: bool) -> Ruling:
    """A rule's ruling with a person's word laid over it.

    What is accepted without its bytes on disk (``held``) is pending, so that it is fetched.
    """
    if word is None or ruling.state in UNTOUCHED or ruling.reason == "blocked_content":
        return ruling
    if word == "reject":
        return LEFT_OUT
    return TAKEN if held else Ruling("pending")


def awaited(db: sqlite3.Connection, crawl_id: str) -> list[int]:
    """The works (candidates) of a crawl that people want tried whether its target is met or not.

    They accepted them and the bytes are still to come, or asked that they be tried again.
    """
    works = {row["position"]: row["candidate_id"] for row in _accepted(db, crawl_id)}
    rows = db.execute(
        "SELECT position, candidate_id FROM works"
        " WHERE crawl_id = ? AND state = 'pending' AND reason = ?",
        (crawl_id, AGAIN),
    ).fetchall()
    works |= {row["position"]: row["candidate_id"] for row in rows}
    return [works[position] for position in sorted(works)]


def owed(db: sqlite3.Connection) -> Counter[str]:
    """Crawl -> works of it that are :func:`awaited`; those without such are not in it."""
    rows = db.execute(
        "SELECT crawl_id, works FROM tallies WHERE state = 'pending' AND reason = ? AND works > 0",
        (AGAIN,),
    ).fetchall()
    counts = Counter({row["crawl_id"]: row["works"] for row in rows})
    counts.update(row["crawl_id"] for row in _accepted(db, None) if row["reason"] != AGAIN)
    return counts


def _accepted(db: sqlite3.Connection, crawl_id: str | None) -> list[sqlite3.Row]:
    """The works of a crawl (None: of all) that people accepted and that have no verdict yet."""
    rows = db.execute(
        # People say little and many works wait: never start from the crawl.
        "SELECT w.crawl_id, w.position, w.candidate_id, w.reason, c.image"
        " FROM (SELECT candidate_id AS id FROM decisions"
        " WHERE decision = 'accept' AND candidate_id IS NOT NULL UNION SELECT p.id"
        " FROM decisions d CROSS JOIN candidates p ON p.image = d.picture"
        " WHERE d.decision = 'accept') said CROSS JOIN candidates c ON c.id = said.id"
        " CROSS JOIN works w ON w.candidate_id = c.id"
        " WHERE w.crawl_id = coalesce(?, w.crawl_id) AND w.state IN ('pending', 'waiting')",
        (crawl_id,),
    ).fetchall()
    return [row for row in rows if said_of(db, row["candidate_id"], row["image"]) == "accept"]
