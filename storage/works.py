"""The works of a crawl in their order, and what becomes of each.

Functions of the writer's connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import stream
from storage.candidates import name_tags, record, rungs
from storage.files import FileStore
from storage.records import Candidate, Image, Json, Ruling, Work
from storage.rows import candidate_of, dumps, loads


@dataclass(frozen=True, slots=True)
class Settled:
    """A work whose state changed: what a run reports."""

    candidate_id: int
    site: str
    site_id: str
    ruling: Ruling


def commit_page(
    db: sqlite3.Connection,
    store: FileStore,
    crawl_id: str,
    partition: int,
    listed: Sequence[tuple[Candidate, Ruling]],
    cursor: Json,
    dropped: Mapping[str, int],
) -> list[Settled]:
    """Record a page and the cursor after it, as one. Returns the works new to this crawl, and those
    known ones that the page has rejected, each with its ruling.
    """
    settled: list[Settled] = []
    name_tags(db, (c for c, ruling in listed if ruling.reason != "blocked_content"))
    position = db.execute(
        "SELECT coalesce(max(position), 0) FROM works WHERE crawl_id = ?", (crawl_id,)
    ).fetchone()[0]
    for candidate, ruling in listed:
        candidate_id, replaced = record(db, store, candidate, ruling)
        ruling = _standing(db, candidate_id, ruling)
        known = db.execute(
            "SELECT position, state FROM works WHERE crawl_id = ? AND candidate_id = ?",
            (crawl_id, candidate_id),
        ).fetchone()
        if known is None:
            position += 1
            _insert(db, crawl_id, position, partition, candidate_id, ruling)
            settled.append(Settled(candidate_id, candidate.site, candidate.site_id, ruling))
            continue
        if ruling.state == "pending" and not replaced:
            continue  # known, and nothing new is held against it
        if ruling.state == known["state"]:
            continue
        settled += settle(db, crawl_id, candidate_id, ruling)
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
            *_evidence(ruling),
            None if ruling.state == "pending" else stream.now(),
        ),
    )


def _evidence(ruling: Ruling) -> tuple[str | None, str | None, str | None]:
    return (
        None if ruling.measured is None else dumps(ruling.measured),
        None if ruling.threshold is None else dumps(ruling.threshold),
        ruling.filter,
    )


def _standing(db: sqlite3.Connection, candidate_id: int, ruling: Ruling) -> Ruling:
    """A blocked work stays blocked, whatever the site says of it later."""
    row = db.execute("SELECT outcome FROM candidates WHERE id = ?", (candidate_id,)).fetchone()
    return Ruling("rejected", "blocked_content") if row["outcome"] == "blocked" else ruling


def unsettled(db: sqlite3.Connection, crawl_id: str, after: int, limit: int) -> list[Work]:
    """The works after ``after`` (a position) that have no state yet, in the crawl's order."""
    rows = db.execute(
        "SELECT w.position, w.partition, c.* FROM works w"
        " JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND w.position > ? AND w.state IN ('pending', 'waiting')"
        " ORDER BY w.position LIMIT ?",
        (crawl_id, after, limit),
    ).fetchall()
    return [
        Work(
            candidate_id=row["id"],
            position=row["position"],
            partition=row["partition"],
            candidate=candidate_of(row, rungs(db, row["id"])),
            image=row["image"],
        )
        for row in rows
    ]


def settle_picture(
    db: sqlite3.Connection,
    store: FileStore,
    crawl_id: str,
    candidate_id: int,
    picture: Image,
    ruling: Ruling,
    *,
    temp: Path | None,
    rung: int = 0,
) -> list[Settled]:
    """Record the picture a work turned out to be, and its verdict.

    ``temp`` is the synced file just fetched, which is moved into the store; None where the picture
    was held already. Returns every work of the crawl whose state changed by it.
    """
    if temp is not None:
        _keep_file(db, store, picture, temp)
    db.execute(
        "UPDATE candidates SET outcome = ?, reason = NULL, image = ?, rung = ?, not_before = NULL"
        " WHERE id = ? AND NOT (outcome IS 'fetched' AND image IS ? AND ?)",
        (
            "known" if temp is None else "fetched",
            picture.sha256,
            rung,
            candidate_id,
            picture.sha256,
            temp is None,  # judged again for another crawl: it stays the fetched one
        ),
    )
    db.execute(
        "INSERT INTO attempts(candidate_id, rung, outcome, sha256, bytes, at) VALUES (?,?,?,?,?,?)",
        (
            candidate_id,
            rung,
            "known" if temp is None else "fetched",
            picture.sha256,
            picture.bytes,
            stream.now(),
        ),
    )
    return settle(db, crawl_id, candidate_id, ruling)


def _keep_file(db: sqlite3.Connection, store: FileStore, picture: Image, temp: Path) -> None:
    held = db.execute("SELECT stored FROM images WHERE sha256 = ?", (picture.sha256,)).fetchone()
    if held is not None and held["stored"]:
        temp.unlink()
    else:
        final = store.adopt(temp, picture.sha256, picture.format)
        # A file that was dropped and has come back must not be removed by an old order.
        db.execute("DELETE FROM doomed WHERE path = ?", (str(final.relative_to(store.workspace)),))
    db.execute(
        "INSERT INTO images VALUES (?,?,?,?,?,?,1,?,?) ON CONFLICT(sha256) DO UPDATE SET"
        " stored = 1, measures = excluded.measures",
        (
            picture.sha256,
            picture.md5,
            picture.format,
            picture.width,
            picture.height,
            picture.bytes,
            dumps(picture.measures),
            stream.now(),
        ),
    )


def settle_failed(
    db: sqlite3.Connection,
    crawl_id: str,
    candidate_id: int,
    ruling: Ruling,
    attempts: Iterable[tuple[int, str]],
) -> Settled:
    """Record that a work cannot be had: failed or unavailable, with each rung's own reason."""
    at = stream.now()
    db.executemany(
        "INSERT INTO attempts(candidate_id, rung, outcome, reason, at) VALUES (?,?,?,?,?)",
        [(candidate_id, rung, ruling.state, reason, at) for rung, reason in attempts],
    )
    db.execute(
        "UPDATE candidates SET outcome = ?, reason = ?, not_before = NULL WHERE id = ?",
        (ruling.state, ruling.reason, candidate_id),
    )
    return settle(db, crawl_id, candidate_id, ruling)[0]


def settle(
    db: sqlite3.Connection, crawl_id: str, candidate_id: int, ruling: Ruling
) -> list[Settled]:
    """Set the state of a work in a crawl, and say in the event log what that means for its picture.

    Returns every work of the crawl whose state changed by it, this one first.
    """
    picture = db.execute("SELECT image FROM candidates WHERE id = ?", (candidate_id,)).fetchone()[0]
    lived = _lives(db, crawl_id, picture)
    db.execute(
        "UPDATE works SET state = ?, reason = ?, measured = ?, threshold = ?, filter = ?,"
        " duplicate_of = NULL, settled_at = ? WHERE crawl_id = ? AND candidate_id = ?",
        (
            ruling.state,
            ruling.reason,
            *_evidence(ruling),
            stream.now(),
            crawl_id,
            candidate_id,
        ),
    )
    others = regroup(db, crawl_id, picture) if picture is not None else []
    lives = _lives(db, crawl_id, picture)
    if lives != lived:
        stream.append(
            db,
            "accepted" if lives else "retracted",
            sha256=picture,
            candidate_id=candidate_id,
            crawl_id=crawl_id,
            payload={} if lives else {"reason": ruling.reason},
        )
    this = _settled(db, crawl_id, candidate_id)
    return [this, *(other for other in others if other.candidate_id != candidate_id)]


def _lives(db: sqlite3.Connection, crawl_id: str, picture: str | None) -> bool:
    """Whether some work of the crawl is accepted as this picture."""
    if picture is None:
        return False
    found = db.execute(
        "SELECT 1 FROM candidates c JOIN works w ON w.candidate_id = c.id"
        " WHERE c.image = ? AND w.crawl_id = ? AND w.state = 'accepted' LIMIT 1",
        (picture, crawl_id),
    ).fetchone()
    return found is not None


def regroup(db: sqlite3.Connection, crawl_id: str, sha256: str) -> list[Settled]:
    """Of the accepted works of a crawl that are one picture, the first in its order stands.

    A pure function of the set: it does not matter which of them arrived first.
    """
    rows = db.execute(
        "SELECT w.candidate_id, w.position, w.state, w.duplicate_of, c.outcome FROM candidates c"
        " JOIN works w ON w.candidate_id = c.id"
        " WHERE c.image = ? AND w.crawl_id = ? AND w.state IN ('accepted', 'duplicate')"
        " ORDER BY w.position",
        (sha256, crawl_id),
    ).fetchall()
    changed: list[Settled] = []
    for n, row in enumerate(rows):
        first = rows[0]["candidate_id"]
        if n == 0 and row["state"] == "duplicate":
            db.execute(
                "UPDATE works SET state = 'accepted', reason = NULL, duplicate_of = NULL"
                " WHERE crawl_id = ? AND candidate_id = ?",
                (crawl_id, row["candidate_id"]),
            )
        elif n and (row["state"] != "duplicate" or row["duplicate_of"] != first):
            reason = "same_pixels" if row["outcome"] == "known" else "same_file"
            db.execute(
                "UPDATE works SET state = 'duplicate', reason = ?, duplicate_of = ?"
                " WHERE crawl_id = ? AND candidate_id = ?",
                (reason, first, crawl_id, row["candidate_id"]),
            )
        else:
            continue
        changed.append(_settled(db, crawl_id, row["candidate_id"]))
    return changed


def _settled(db: sqlite3.Connection, crawl_id: str, candidate_id: int) -> Settled:
    row = db.execute(
        "SELECT w.*, c.site, c.site_id FROM works w JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND w.candidate_id = ?",
        (crawl_id, candidate_id),
    ).fetchone()
    ruling = Ruling(
        row["state"], row["reason"], loads(row["measured"]), loads(row["threshold"]), row["filter"]
    )
    return Settled(candidate_id, row["site"], row["site_id"], ruling)


def rejudge(
    db: sqlite3.Connection,
    crawl_id: str,
    rule: Callable[[Candidate, Mapping[str, Mapping[str, Json]] | None], Ruling],
) -> None:
    """Apply a changed policy to every work of a crawl, from what was claimed and measured.

    A work the policy now wants goes back to pending where its bytes are not on disk.
    """
    rows = db.execute(
        "SELECT w.state, w.candidate_id, c.*, i.sha256, i.stored, i.measures FROM works w"
        " JOIN candidates c ON c.id = w.candidate_id LEFT JOIN images i ON i.sha256 = c.image"
        " WHERE w.crawl_id = ? AND w.state IN ('accepted', 'duplicate', 'rejected', 'pending')"
        " AND coalesce(c.outcome, '') != 'blocked' ORDER BY w.position",
        (crawl_id,),
    ).fetchall()
    for row in rows:
        ruling = rule(candidate_of(row, rungs(db, row["candidate_id"])), loads(row["measures"]))
        if ruling.state == "accepted" and not row["stored"]:
            ruling = Ruling("pending")
        if ruling.state == "pending" and row["sha256"] is not None:
            db.execute(
                "UPDATE candidates SET outcome = NULL, image = NULL WHERE id = ?",
                (row["candidate_id"],),
            )
        alike = {row["state"], ruling.state} <= {"accepted", "duplicate"}
        if not alike and not row["state"] == ruling.state == "pending":
            settle(db, crawl_id, row["candidate_id"], ruling)


def reopen(db: sqlite3.Connection, crawl_id: str, reasons: Iterable[str]) -> int:
    """Make works that failed for one of these reasons pending again; returns how many."""
    names = sorted(reasons)
    cursor = db.execute(
        "UPDATE works SET state = 'pending', reason = NULL WHERE crawl_id = ?"  # noqa: S608
        " AND state = 'failed'"
        f" AND reason IN ({','.join('?' * len(names))})",
        (crawl_id, *names),
    )
    return cursor.rowcount


def accepted_count(db: sqlite3.Connection, crawl_id: str) -> int:
    """How many pictures a crawl has accepted."""
    return int(
        db.execute(
            "SELECT count(*) FROM works WHERE crawl_id = ? AND state = 'accepted'", (crawl_id,)
        ).fetchone()[0]
    )


def pending_count(db: sqlite3.Connection, crawl_id: str) -> int:
    """How many works of a crawl have no verdict yet."""
    return int(
        db.execute(
            "SELECT count(*) FROM works WHERE crawl_id = ? AND state IN ('pending', 'waiting')",
            (crawl_id,),
        ).fetchone()[0]
    )
