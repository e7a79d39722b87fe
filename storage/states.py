"""The state of a work in a crawl, and what it means for the picture the work turned out to be.

Functions of the writer's connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from storage import stream
from storage.purge import purge_with_words
from storage.records import Json, Ruling, State
from storage.rows import dumps, loads
from storage.words import TAKEN, heed, said_of

BLOCKED = Ruling("rejected", "blocked_content", filter="content")
"""What becomes of blocked works: no evidence is kept."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A work whose state changed: what a run reports."""

    candidate_id: int
    site: str
    site_id: str
    ruling: Ruling
    before: State | None = None
    """Its state until now; None for a work new to the crawl."""


def settle(
    db: sqlite3.Connection, crawl_id: str, candidate_id: int, ruling: Ruling
) -> list[Settled]:
    """Set the state of a work in a crawl, and say in the event log what that means for its picture.

    A blocked work stays blocked, and one that is blocked by this is purged, whatever led to it.
    What a person said of the work or its picture outranks the ruling: see :func:`words.heed`.
    Returns every work of the crawl whose state changed by it, this one first.
    """
    work = db.execute(
        "SELECT w.state, c.image, c.outcome, i.stored FROM works w"
        " JOIN candidates c ON c.id = w.candidate_id LEFT JOIN images i ON i.sha256 = c.image"
        " WHERE w.crawl_id = ? AND w.candidate_id = ?",
        (crawl_id, candidate_id),
    ).fetchone()
    if ruling.reason == BLOCKED.reason and work["outcome"] != "blocked":
        return _block(db, crawl_id, candidate_id)
    if work["outcome"] == "blocked":
        ruling = BLOCKED
    picture: str | None = work["image"]
    word = said_of(db, candidate_id, picture)
    ruling = heed(ruling, word, held=bool(work["stored"]))
    lived = lives(db, crawl_id, picture)
    db.execute(
        "UPDATE works SET state = ?, reason = ?, measured = ?, threshold = ?, filter = ?,"
        " duplicate_of = NULL, settled_at = ? WHERE crawl_id = ? AND candidate_id = ?",
        (
            ruling.state,
            ruling.reason,
            *evidence(ruling),
            None if ruling.state == "pending" else stream.now(),
            crawl_id,
            candidate_id,
        ),
    )
    others = regroup(db, crawl_id, picture) if picture is not None else []
    is_alive = lives(db, crawl_id, picture)
    if is_alive != lived:
        why = {"reason": ruling.reason} if ruling.reason or not is_alive else {}
        _tell(db, "accepted" if is_alive else "retracted", crawl_id, candidate_id, picture, why)
    this = _settled(db, crawl_id, candidate_id, work["state"])
    return [this, *(other for other in others if other.candidate_id != candidate_id)]


def _block(db: sqlite3.Connection, crawl_id: str, candidate_id: int) -> list[Settled]:
    """Purge a work, and with it those that are the same picture."""
    family = db.execute(
        "SELECT w.candidate_id, w.state FROM candidates c CROSS JOIN works w"
        " ON w.candidate_id = c.id WHERE w.crawl_id = ?1 AND (c.id = ?2"
        " OR c.image = (SELECT image FROM candidates WHERE id = ?2))"
        " ORDER BY c.id != ?2, w.position",
        (crawl_id, candidate_id),
    ).fetchall()
    purge_with_words(db, candidate_id)
    this, *others = (_settled(db, crawl_id, w["candidate_id"], w["state"]) for w in family)
    return [this, *(other for other in others if other.before != "rejected")]


def forget_picture(db: sqlite3.Connection, candidate_id: int, sha256: str) -> None:
    """The site has replaced the file of a work: every crawl that took it starts it anew.

    Another work that is the old picture takes its place; without one the picture is withdrawn.
    """
    taken = db.execute(
        "SELECT crawl_id FROM works WHERE candidate_id = ? AND state IN ('accepted', 'duplicate')",
        (candidate_id,),
    ).fetchall()
    lived = {row["crawl_id"] for row in taken if lives(db, row["crawl_id"], sha256)}
    db.execute(
        "UPDATE candidates SET outcome = NULL, reason = NULL, image = NULL, rung = NULL"
        " WHERE id = ?",
        (candidate_id,),
    )
    db.execute(
        "UPDATE works SET state = 'pending', reason = NULL, duplicate_of = NULL, settled_at = NULL"
        " WHERE candidate_id = ? AND state IN ('accepted', 'duplicate')",
        (candidate_id,),
    )
    for crawl_id in lived:  # all of them first: another crawl's next work keeps the picture live
        regroup(db, crawl_id, sha256)
    for crawl_id in sorted(lived):
        if not lives(db, crawl_id, sha256):
            _tell(db, "retracted", crawl_id, candidate_id, sha256, {"reason": "replaced"})


def lives(db: sqlite3.Connection, crawl_id: str | None, picture: str | None) -> bool:
    """Whether some work of the crawl (None: of any crawl) is accepted as this picture."""
    if picture is None:
        return False
    found = db.execute(
        # Few works are one picture and a crawl has many: never start from the crawl.
        "SELECT 1 FROM candidates c CROSS JOIN works w ON w.candidate_id = c.id"
        " WHERE c.image = ? AND w.crawl_id = coalesce(?, w.crawl_id) AND w.state = 'accepted'"
        " LIMIT 1",
        (picture, crawl_id),
    ).fetchone()
    return found is not None


def _tell(
    db: sqlite3.Connection,
    kind: Literal["accepted", "retracted"],
    crawl_id: str,
    candidate_id: int,
    picture: str | None,
    payload: Mapping[str, Json],
) -> None:
    """Say that a crawl takes a picture or lets it go, and whether any crawl has it now."""
    stream.append(
        db,
        kind,
        sha256=picture,
        candidate_id=candidate_id,
        crawl_id=crawl_id,
        payload={**payload, "live": lives(db, None, picture)},
    )


def regroup(db: sqlite3.Connection, crawl_id: str, sha256: str) -> list[Settled]:
    """Of the accepted works of a crawl that are one picture, the first in its order stands.

    A pure function of the set: it does not matter which of them arrived first.
    """
    rows = db.execute(
        "SELECT w.candidate_id, w.state, w.duplicate_of, c.md5, c.pixel_hash, i.md5 AS file"
        " FROM candidates c CROSS JOIN works w ON w.candidate_id = c.id"
        " JOIN images i ON i.sha256 = c.image"
        " WHERE c.image = ? AND w.crawl_id = ? AND w.state IN ('accepted', 'duplicate')"
        " ORDER BY w.position",
        (sha256, crawl_id),
    ).fetchall()
    changed: list[Settled] = []
    for n, row in enumerate(rows):
        first = rows[0]["candidate_id"]
        if n == 0 and row["state"] == "duplicate":
            by_person = said_of(db, first, sha256) == "accept"
            db.execute(
                "UPDATE works SET state = 'accepted', reason = ?, duplicate_of = NULL"
                " WHERE crawl_id = ? AND candidate_id = ?",
                (TAKEN.reason if by_person else None, crawl_id, first),
            )
        elif n and (row["state"] != "duplicate" or row["duplicate_of"] != first):
            db.execute(
                "UPDATE works SET state = 'duplicate', reason = ?, duplicate_of = ?"
                " WHERE crawl_id = ? AND candidate_id = ?",
                (_alike(row), first, crawl_id, row["candidate_id"]),
            )
        else:
            continue
        changed.append(_settled(db, crawl_id, row["candidate_id"], row["state"]))
    return changed


def _alike(row: sqlite3.Row) -> str:
    """Why a work is the picture it is: by its claims, for who came first is chance."""
    if row["md5"] == row["file"] or (row["md5"] is None and row["pixel_hash"] is None):
        return "same_file"
    return "same_pixels"


def evidence(ruling: Ruling) -> tuple[str | None, str | None, str | None]:
    """``measured``, ``threshold`` and ``filter`` as the catalog keeps them."""
    return (
        None if ruling.measured is None else dumps(ruling.measured),
        None if ruling.threshold is None else dumps(ruling.threshold),
        ruling.filter,
    )


def _settled(
    db: sqlite3.Connection, crawl_id: str, candidate_id: int, before: State | None
) -> Settled:
    row = db.execute(
        "SELECT w.*, c.site, c.site_id FROM works w JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND w.candidate_id = ?",
        (crawl_id, candidate_id),
    ).fetchone()
    ruling = Ruling(
        row["state"], row["reason"], loads(row["measured"]), loads(row["threshold"]), row["filter"]
    )
    return Settled(candidate_id, row["site"], row["site_id"], ruling, before)
