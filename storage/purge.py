"""Forgetting: content that must not be kept, rejected bytes over their budget, a killed run's."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from storage import pairing, stream
from storage.database import Connection
from storage.files import STRAYS, FileStore, stored_path
from storage.platform import disk_full

log = logging.getLogger(__name__)

LISTS = ".jsonl"
"""Exported files that tell of one picture a line."""
_UNUSED_TAGS = (
    "DELETE FROM tags WHERE NOT EXISTS (SELECT 1 FROM candidate_tags WHERE tag_id = tags.id)"
)


def purge(db: sqlite3.Connection, candidate_ids: Sequence[int]) -> None:
    """Forget blocked works: of each only its id and the reason stay.

    Their pictures, everything derived from them and every exported copy are deleted, together with
    other works that are the same picture; a ``retracted`` event follows for each picture.
    """
    for candidate_id in candidate_ids:
        image = db.execute("SELECT image FROM candidates WHERE id = ?", (candidate_id,)).fetchone()[
            0
        ]
        _blank(db, candidate_id)
        if image is None:
            continue
        twins = [
            r[0]
            for r in db.execute("SELECT id FROM candidates WHERE image = ?", (image,)).fetchall()
        ]
        for twin in twins:
            _blank(db, twin)
        _doom_picture(db, image)
        stream.append(
            db,
            "retracted",
            sha256=image,
            candidate_id=candidate_id,
            payload={"reason": "blocked_content", "live": False},
        )


def _blank(db: sqlite3.Connection, candidate_id: int) -> None:
    db.execute("DELETE FROM rungs WHERE candidate_id = ?", (candidate_id,))
    db.execute("DELETE FROM candidate_tags WHERE candidate_id = ?", (candidate_id,))
    # Events keep their order, and whether their picture lived on (in another work): nothing else.
    db.execute(
        "UPDATE events SET payload = CASE json_extract(payload, '$.live')"
        """ WHEN 1 THEN '{"live":true}' WHEN 0 THEN '{"live":false}' ELSE '{}' END"""
        " WHERE candidate_id = ?",
        (candidate_id,),
    )
    db.execute("DELETE FROM attempts WHERE candidate_id = ?", (candidate_id,))
    _unsay(db, "candidate_id", candidate_id)
    # The picture's row goes only after nobody points at it: keep ``image`` until _doom_picture.
    db.execute(
        "UPDATE candidates SET page_url=NULL, source_url=NULL, tags=NULL, caption=NULL,"
        " rating=NULL, licence=NULL, posted_at=NULL, parent=NULL, pixel_hash=NULL, md5=NULL,"
        " width=NULL, height=NULL, bytes=NULL, format=NULL, animated=NULL, unavailable=NULL,"
        " metadata=NULL, rung=NULL,"
        " outcome='blocked', reason='blocked_content' WHERE id = ?",
        (candidate_id,),
    )
    db.execute(
        "UPDATE works SET state='rejected', reason='blocked_content', measured=NULL,"
        " threshold=NULL, filter='content', duplicate_of=NULL, settled_at=? WHERE candidate_id = ?",
        (stream.now(), candidate_id),
    )


def purge_with_words(db: sqlite3.Connection, candidate_id: int) -> None:
    """Forget a blocked work that was not listed just now, and the words that only it had."""
    words = db.execute(
        "SELECT tag_id FROM candidate_tags WHERE candidate_id = ?1 OR candidate_id IN (SELECT id"
        " FROM candidates WHERE image = (SELECT image FROM candidates WHERE id = ?1))",
        (candidate_id,),
    ).fetchall()
    purge(db, [candidate_id])
    db.executemany(f"{_UNUSED_TAGS} AND id = ?", map(tuple, words))


def drop_unused_tags(db: sqlite3.Connection) -> None:
    """Forget words that no work has any more: a purged work may have been the only one.

    After a purge, once all works that were named together (a page) have their tags.
    """
    db.execute(_UNUSED_TAGS)


def _doom_picture(db: sqlite3.Connection, sha256: str) -> None:
    row = db.execute("SELECT format, stored FROM images WHERE sha256 = ?", (sha256,)).fetchone()
    if row["stored"]:
        _doom_stored(db, sha256, row["format"])
    doom(db, f"files/{STRAYS}/{sha256}.{row['format']}")
    for derived in _descendants(db, sha256):
        _doom_stored(db, derived["sha256"], derived["format"])
        _doom_copies(db, derived["sha256"])
        db.execute("DELETE FROM derived WHERE id = ?", (derived["id"],))
    _doom_copies(db, sha256)
    db.execute("UPDATE candidates SET image = NULL WHERE image = ?", (sha256,))
    db.execute("UPDATE events SET payload = '{}' WHERE sha256 = ?", (sha256,))
    _unsay(db, "picture", sha256)
    db.execute("DELETE FROM images WHERE sha256 = ?", (sha256,))


def _unsay(db: sqlite3.Connection, column: str, value: int | str) -> None:
    """Forget what people said of a blocked work or picture, and why they said so."""
    db.execute(
        "UPDATE actions SET about = json_remove(about, '$.note')"  # noqa: S608
        f" WHERE id IN (SELECT action_id FROM decided WHERE {column} = ?)",
        (value,),
    )
    db.execute(f"DELETE FROM decided WHERE {column} = ?", (value,))  # noqa: S608
    db.execute(f"DELETE FROM decisions WHERE {column} = ?", (value,))  # noqa: S608


def _descendants(db: sqlite3.Connection, sha256: str) -> list[sqlite3.Row]:
    """Everything derived from a picture, through any number of stages."""
    return db.execute(
        "WITH RECURSIVE family(sha256) AS (SELECT ? UNION"
        " SELECT d.sha256 FROM derived d JOIN family f ON d.parent = f.sha256)"
        " SELECT d.id, d.sha256, d.format FROM derived d JOIN family f ON d.parent = f.sha256",
        (sha256,),
    ).fetchall()


def _doom_copies(db: sqlite3.Connection, sha256: str) -> None:
    """Order away every exported file that shows or tells of a picture."""
    for copy in db.execute("SELECT path FROM exported WHERE sha256 = ?", (sha256,)).fetchall():
        # A manifest tells of many pictures: only the lines that name this one must go.
        is_list = copy["path"].endswith(LISTS)
        doom(db, copy["path"], line=sha256 if is_list else "")
    db.execute("DELETE FROM exported WHERE sha256 = ?", (sha256,))


def _doom_stored(db: sqlite3.Connection, sha256: str, format: str) -> None:
    # Relative to the workspace: one that was moved still finds it.
    doom(db, stored_path(Path(), sha256, format).as_posix())


def doom(db: sqlite3.Connection, path: str, *, line: str = "") -> None:
    """Order a file to be removed once this transaction is committed (or at the next start).

    ``path`` is absolute, or relative to the workspace. With ``line`` only the lines of it that hold
    that text go.
    """
    db.execute("INSERT OR IGNORE INTO doomed(path, line) VALUES (?,?)", (path, line))


def remove_doomed(db: sqlite3.Connection, store: FileStore) -> None:
    """Remove the files that committed transactions have ordered away, after each of them.

    One that cannot be removed (an exported copy on a disk that is read-only now) stays ordered.
    Last the files are told which catalog is theirs: see :mod:`storage.pairing`.
    """
    for row in db.execute("SELECT path, line FROM doomed").fetchall():
        path = store.workspace / row["path"]
        try:
            if row["line"]:
                store.remove_lines(path, row["line"])
            else:
                store.remove(path)
        except OSError as error:
            if disk_full(error):
                raise
            log.warning("%s must go but cannot be removed: %s", row["path"], error)
        else:
            db.execute("DELETE FROM doomed WHERE path = ? AND line = ?", tuple(row))
    pairing.note(db, store)


def tidy(db: sqlite3.Connection, store: FileStore) -> int:
    """Clear up after a killed run: what was arriving, and files without a row.

    A file without a row is what the kill left only where the catalog is the one that the files
    belong to. A new one, or an old copy, knows too little: then such files are set aside, and taken
    back by a catalog that knows them. Returns how many were set aside: see :func:`strays_told`.
    """
    store.clear_tmp()
    belongs = pairing.begin(db, store)
    # A clock that is behind the mark now was perhaps behind it then: look everywhere.
    since = _clean_at(db) if belongs else 0.0
    since = 0.0 if time.time() < since else since
    store.take_back(lambda hashes: _known(db, hashes))
    found = store.sweep(since, lambda hashes: _known(db, hashes), set_aside=not belongs)
    mark_clean(db)
    if belongs or not found:
        return 0
    log.warning("%s", strays_told(found))
    return found


def strays_told(number: int) -> str:
    """What a person should know of the files that :func:`tidy` has set aside, and do."""
    return (
        f"catalog.db is new, or an older copy: {number} files that it does not know were moved to"
        f" files/{STRAYS}. Put the catalog that knows them back and run any crawl, and they are"
        " taken back; or delete that folder"
    )


def _known(db: sqlite3.Connection, hashes: Sequence[str]) -> set[str]:
    """Which of these are to have a file in the store."""
    marks = ",".join("?" * len(hashes))
    found = db.execute(
        f"SELECT sha256 FROM images WHERE stored = 1 AND sha256 IN ({marks})"  # noqa: S608
        f" UNION SELECT sha256 FROM derived WHERE sha256 IN ({marks})",
        (*hashes, *hashes),
    )
    return {r["sha256"] for r in found.fetchall()}


def mark_clean(db: sqlite3.Connection) -> None:
    """Note that every file in the store has its row: the next sweep starts from here.

    Refused where something that this connection was asked for has been rolled back, for its file
    may have stayed. The mark is a moment of the wall clock, for that is what file systems keep
    times of; see :func:`follow_clock`.
    """
    pairing.advance(db)
    if not (isinstance(db, Connection) and db.rolled_back):
        _mark(db, time.time())


def follow_clock(db: sqlite3.Connection) -> None:
    """Where the clock has gone back behind the clean mark, have the next sweep look everywhere.

    Before every transaction of a run: files made from here on look older than the mark, and the
    sweep after a kill would pass them over. Copies of the catalog grow old meanwhile, too.
    """
    pairing.keep_pace(db)
    if time.time() < _clean_at(db):
        _mark(db, 0.0)


def _mark(db: sqlite3.Connection, clean_at: float) -> None:
    db.execute(
        "INSERT INTO meta VALUES ('clean_at', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        (str(clean_at),),
    )


def _clean_at(db: sqlite3.Connection) -> float:
    row = db.execute("SELECT value FROM meta WHERE key = 'clean_at'").fetchone()
    return float(row["value"]) if row else 0.0


def drop_rejected(db: sqlite3.Connection, budget: int) -> int:
    """Drop the oldest bytes that no crawl accepts until at most ``budget`` bytes of them are kept.

    Rows and measures stay: a changed policy can still judge them. Returns the bytes dropped.
    """
    unwanted = "FROM images INDEXED BY images_unwanted WHERE stored = 1 AND wanted = 0"
    over = db.execute(f"SELECT coalesce(sum(bytes), 0) {unwanted}").fetchone()[0] - budget
    dropped = 0
    if over <= 0:
        return dropped
    for rowid, size in db.execute(f"SELECT rowid, bytes {unwanted} ORDER BY rowid").fetchall():
        if dropped >= over:
            break
        row = db.execute(
            "UPDATE images SET stored = 0 WHERE rowid = ? RETURNING sha256, format", (rowid,)
        ).fetchone()
        _doom_stored(db, row["sha256"], row["format"])
        dropped += size
    return dropped
