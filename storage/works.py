"""The works of a crawl in their order, and what becomes of each.

Functions of the writer's connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from storage import stream, unjudged
from storage.candidates import rungs
from storage.files import FileStore
from storage.records import Image, Ruling, Work
from storage.rows import candidate_of, dumps
from storage.states import BLOCKED, Settled, settle

PATIENCE = 5
"""Runs with transient trouble after which a work is left failed."""


def unsettled(db: sqlite3.Connection, crawl_id: str, after: int, limit: int) -> list[Work]:
    """The works after ``after`` (a position) that have no state yet, in the crawl's order."""
    rows = db.execute(
        "SELECT w.position, w.partition, c.* FROM works w INDEXED BY works_unsettled"
        " JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND w.position > ? AND w.state IN ('pending', 'waiting')"
        " ORDER BY w.position LIMIT ?",
        (crawl_id, after, limit),
    ).fetchall()
    return [_work(db, row) for row in rows]


def still_pending(db: sqlite3.Connection, crawl_id: str, candidate_id: int) -> Work | None:
    """The work as the catalog now knows it; None where something else has decided it."""
    row = db.execute(
        "SELECT w.position, w.partition, c.* FROM works w"
        " JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND c.id = ? AND w.state IN ('pending', 'waiting')",
        (crawl_id, candidate_id),
    ).fetchone()
    return _work(db, row) if row else None


def _work(db: sqlite3.Connection, row: sqlite3.Row) -> Work:
    return Work(
        candidate_id=row["id"],
        position=row["position"],
        partition=row["partition"],
        candidate=candidate_of(row, rungs(db, row["id"])),
        image=row["image"],
        rung=row["rung"] or 0,
    )


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

    ``temp`` is the synced file just fetched, which is moved into the store last of all: what fails
    before leaves no file without a row. None where the picture was held already. Returns every work
    of the crawl whose state changed by it.
    """
    if still_pending(db, crawl_id, candidate_id) is None:  # decided while its bytes were coming
        if temp is not None:
            temp.unlink()
        return []
    is_new = temp is not None and _keep_row(db, store, picture)
    db.execute(
        "UPDATE candidates SET outcome = ?, reason = NULL, image = ?, rung = ?"
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
    settled = settle(db, crawl_id, candidate_id, ruling)
    unjudged.note_judged(db, crawl_id, candidate_id)
    if temp is not None:
        if is_new and settled[0].ruling.reason != BLOCKED.reason:
            store.adopt(temp, picture.sha256, picture.format)
        else:
            temp.unlink()
    return settled


def measured(db: sqlite3.Connection, picture: Image) -> None:
    """Note what was measured of a picture that is held: its works are judged by that from now."""
    db.execute(
        "UPDATE images SET measures = ? WHERE sha256 = ?", (dumps(picture.measures), picture.sha256)
    )


def _keep_row(db: sqlite3.Connection, store: FileStore, picture: Image) -> bool:
    """Note a picture whose bytes have come; whether these are not in the store yet."""
    held = db.execute("SELECT stored FROM images WHERE sha256 = ?", (picture.sha256,)).fetchone()
    # A file that was dropped and has come back must not be removed by an old order.
    final = store.path(picture.sha256, picture.format).relative_to(store.workspace)
    db.execute("DELETE FROM doomed WHERE path = ?", (final.as_posix(),))
    db.execute(
        "INSERT INTO images(sha256, md5, format, width, height, bytes, stored, measures,"
        " first_seen_at) VALUES (?,?,?,?,?,?,1,?,?) ON CONFLICT(sha256) DO UPDATE SET"
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
    return held is None or not held["stored"]


def settle_failed(
    db: sqlite3.Connection,
    crawl_id: str,
    candidate_id: int,
    ruling: Ruling,
    attempts: Iterable[tuple[int, str]],
    *,
    transient: bool = False,
) -> list[Settled]:
    """Record that a work cannot be had: failed or unavailable, with each rung's own reason.

    ``transient`` trouble may have passed when the crawl is run again: see :func:`reopen`, which
    counts the runs by the last attempt of each.
    """
    if still_pending(db, crawl_id, candidate_id) is None:
        return []
    at = stream.now()
    tried = [(candidate_id, rung, str(ruling.state), reason, at) for rung, reason in attempts]
    if tried and transient:
        *first, (_, rung, _, reason, _) = tried
        tried = [*first, (candidate_id, rung, "transient", reason, at)]
    db.executemany(
        "INSERT INTO attempts(candidate_id, rung, outcome, reason, at) VALUES (?,?,?,?,?)", tried
    )
    db.execute(
        "UPDATE candidates SET outcome = ?, reason = ? WHERE id = ?",
        (ruling.state, ruling.reason, candidate_id),
    )
    return settle(db, crawl_id, candidate_id, ruling)


def reopen(db: sqlite3.Connection, crawl_id: str, reasons: Iterable[str] = ()) -> int:
    """Make works pending again whose trouble may have passed; returns how many.

    These are works that failed for one of ``reasons``, and works whose last trouble was transient
    and that have not been given up in :data:`PATIENCE` runs.
    """
    names = sorted(reasons)
    marks = ",".join("?" * len(names))
    cursor = db.execute(
        "UPDATE works SET state = 'pending', reason = NULL WHERE crawl_id = ?"  # noqa: S608
        f" AND state = 'failed' AND (reason IN ({marks}) OR ("
        " 'transient' = (SELECT a.outcome FROM attempts a WHERE a.candidate_id = works.candidate_id"
        " ORDER BY a.id DESC LIMIT 1) AND ? > (SELECT count(*) FROM attempts a"
        " WHERE a.candidate_id = works.candidate_id AND a.outcome = 'transient')))",
        (crawl_id, *names, PATIENCE),
    )
    return cursor.rowcount


def doubt(db: sqlite3.Connection, candidate_ids: Iterable[int]) -> None:
    """Take the last trouble of works for transient: :func:`reopen` gives them their next try."""
    db.executemany(
        "UPDATE attempts SET outcome = 'transient' WHERE id ="
        " (SELECT max(id) FROM attempts WHERE candidate_id = ?)",
        ((candidate_id,) for candidate_id in candidate_ids),
    )
