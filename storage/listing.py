"""What a source tells: its pages, and single works it is asked of again.

Functions of the writer's connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

from storage import stream
from storage.candidates import name_tags, record
from storage.purge import drop_unused_tags
from storage.records import Candidate, Json, Ruling, State
from storage.rows import dumps
from storage.states import BLOCKED, Settled, evidence, forget_picture, settle
from storage.words import UNTOUCHED, heed, said_of


def commit_page(
    db: sqlite3.Connection,
    crawl_id: str,
    partition: int,
    listed: Sequence[tuple[Candidate, Ruling]],
    cursor: Json,
    dropped: Mapping[str, int],
) -> list[Settled]:
    """Record a page and the cursor after it, as one.

    Returns the works new to this crawl, those known ones that the page has rejected, and those that
    are pending again because their file was replaced, each with its ruling.
    """
    settled: list[Settled] = []
    name_tags(db, (c for c, ruling in listed if ruling.reason != "blocked_content"))
    position = db.execute(
        "SELECT coalesce(max(position), 0) FROM works WHERE crawl_id = ?", (crawl_id,)
    ).fetchone()[0]
    purged = False
    for candidate, ruling in listed:
        known, before = _met(db, crawl_id, candidate)
        told = _told(db, candidate)
        candidate_id, replaced = record_work(db, candidate, ruling)
        ruling = _standing(db, candidate_id, before, ruling)
        purged = purged or (known and ruling == BLOCKED)
        if before is None:
            position += 1
            _insert(db, crawl_id, position, partition, candidate_id, ruling)
            settled.append(Settled(candidate_id, candidate.site, candidate.site_id, ruling))
        elif ruling.state != before and (
            ruling.state != "pending"
            or replaced
            or _was_claimed(db, candidate_id, before)
            or (before == "rejected" and told != _told(db, candidate))
        ):
            change, *others = settle(db, crawl_id, candidate_id, ruling)
            settled += [replace(change, before=before), *others]
    if purged:
        drop_unused_tags(db)
    db.execute(
        "UPDATE cursors SET cursor = ?, exhausted = 0 WHERE crawl_id = ? AND partition = ?",
        (dumps(cursor), crawl_id, partition),
    )
    for reason, count in dropped.items():
        db.execute(
            "INSERT INTO dropped(crawl_id, reason, count) VALUES (?,?,?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            (crawl_id, reason, count),
        )
    return settled


def _was_claimed(db: sqlite3.Connection, candidate_id: int, before: State) -> bool:
    """Whether a work was left out for what was claimed of it, which the source now says anew."""
    if before == "unavailable":
        return True
    row = db.execute("SELECT image FROM candidates WHERE id = ?", (candidate_id,)).fetchone()
    return before == "rejected" and row["image"] is None


def record_work(db: sqlite3.Connection, candidate: Candidate, ruling: Ruling) -> tuple[int, bool]:
    """Write what the source now says of a work. Returns its id and whether its file was replaced;
    then its old picture is forgotten.
    """
    row = db.execute(
        "SELECT image FROM candidates WHERE site = ? AND origin = ? AND site_id = ?",
        (candidate.site, candidate.origin, candidate.site_id),
    ).fetchone()
    candidate_id, replaced = record(db, candidate, ruling)
    if replaced and row["image"] is not None:
        forget_picture(db, candidate_id, row["image"])
    return candidate_id, replaced


def read_again(db: sqlite3.Connection, candidate: Candidate, ruling: Ruling) -> None:
    """Record what the source says of one work that was read again."""
    if ruling.reason != "blocked_content":
        name_tags(db, (candidate,))
    candidate_id, _ = record_work(db, candidate, ruling)
    if _is_blocked(db, candidate_id):
        drop_unused_tags(db)


def _met(db: sqlite3.Connection, crawl_id: str, candidate: Candidate) -> tuple[bool, State | None]:
    """Whether the catalog knows a work, and its state in this crawl."""
    row = db.execute(
        "SELECT w.state FROM candidates c"
        " LEFT JOIN works w ON w.candidate_id = c.id AND w.crawl_id = ?"
        " WHERE c.site = ? AND c.origin = ? AND c.site_id = ?",
        (crawl_id, candidate.site, candidate.origin, candidate.site_id),
    ).fetchone()
    return row is not None, row["state"] if row else None


def _told(db: sqlite3.Connection, candidate: Candidate) -> tuple[Json, ...]:
    """What a source says of a work that no measure of its picture outweighs."""
    row = db.execute(
        "SELECT rating, tags, caption FROM candidates"
        " WHERE site = ? AND origin = ? AND site_id = ?",
        (candidate.site, candidate.origin, candidate.site_id),
    ).fetchone()
    return tuple(row or ())


def _insert(
    db: sqlite3.Connection,
    crawl_id: str,
    position: int,
    partition: int,
    candidate_id: int,
    ruling: Ruling,
) -> None:
    db.execute(
        "INSERT INTO works(crawl_id, position, partition, candidate_id, state, reason, measured,"
        " threshold, filter, settled_at) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            crawl_id,
            position,
            partition,
            candidate_id,
            ruling.state,
            ruling.reason,
            *evidence(ruling),
            None if ruling.state == "pending" else stream.now(),
        ),
    )


def _standing(
    db: sqlite3.Connection, candidate_id: int, before: State | None, ruling: Ruling
) -> Ruling:
    """What stands whatever the site says of a work later: blocked, or what a person said of it.

    A work that a person wants is pending: its turn decides whether its bytes are here.
    """
    row = db.execute(
        "SELECT outcome, image FROM candidates WHERE id = ?", (candidate_id,)
    ).fetchone()
    if row["outcome"] == "blocked":
        return BLOCKED
    if before in UNTOUCHED:
        return ruling
    return heed(ruling, said_of(db, candidate_id, row["image"]), held=False)


def _is_blocked(db: sqlite3.Connection, candidate_id: int) -> bool:
    row = db.execute("SELECT outcome FROM candidates WHERE id = ?", (candidate_id,)).fetchone()
    return bool(row["outcome"] == "blocked")
