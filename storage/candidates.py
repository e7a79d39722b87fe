"""Candidates: what sources say of works, and which picture each turned out to be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlite_utils import Database
from sqlite_utils.db import Table

from storage import stream
from storage.purge import purge
from storage.records import Candidate, Image, Json, Ruling
from storage.rows import candidate_of, dumps, loads


def record(db: sqlite3.Connection, candidate: Candidate, ruling: Ruling) -> tuple[int, bool]:
    """Write what the source now says of a work. Returns its id and whether its file was replaced.

    Of blocked content nothing but the id and the reason is kept; what was had before is purged.
    """
    row = db.execute(
        "SELECT c.id, c.outcome, c.rung, c.md5, i.md5 AS file FROM candidates c"
        " LEFT JOIN images i ON i.sha256 = c.image"
        " WHERE c.site = ? AND c.origin = ? AND c.site_id = ?",
        (candidate.site, candidate.origin, candidate.site_id),
    ).fetchone()
    at = stream.now()
    if row is None:
        cursor = db.execute(
            "INSERT INTO candidates(site, origin, site_id, first_seen_at, read_at)"
            " VALUES (?,?,?,?,?)",
            (candidate.site, candidate.origin, candidate.site_id, at, at),
        )
        candidate_id, replaced = int(cursor.lastrowid or 0), False
    else:
        candidate_id = row["id"]
        if row["outcome"] == "blocked":
            return candidate_id, False
        # A source that never told the md5 of what was fetched from it tells of that file now.
        fetched = row["file"] if row["outcome"] == "fetched" and not row["rung"] else None
        md5 = row["md5"] or fetched
        replaced = bool(md5 and candidate.md5 and md5 != candidate.md5)
    if ruling.reason == "blocked_content":
        purge(db, [candidate_id])
        return candidate_id, False
    _write_claims(db, candidate_id, candidate, at)
    if ruling.state == "unavailable":
        db.execute(
            "UPDATE candidates SET outcome = coalesce(outcome, 'unavailable'), reason = ?"
            " WHERE id = ?",
            (ruling.reason, candidate_id),
        )
    elif row is not None and row["outcome"] == "unavailable":
        db.execute("UPDATE candidates SET outcome = NULL, reason = NULL WHERE id = ?", (row["id"],))
    return candidate_id, replaced


def _write_claims(db: sqlite3.Connection, candidate_id: int, candidate: Candidate, at: str) -> None:
    tags = {category: list(names) for category, names in candidate.tags.items() if names}
    before = db.execute("SELECT tags FROM candidates WHERE id = ?", (candidate_id,)).fetchone()[0]
    db.execute(
        "UPDATE candidates SET page_url=?, source_url=?, tags=?, caption=?, rating=?, licence=?,"
        # The md5 told last: while a work is hidden nothing is said of its file.
        " posted_at=?, parent=?, pixel_hash=?, md5=coalesce(?, md5), width=?, height=?, bytes=?,"
        " format=?,"
        " animated=?, unavailable=?, metadata=?, read_at=? WHERE id=?",
        (
            candidate.page_url,
            candidate.source_url,
            dumps(tags),
            candidate.caption,
            candidate.rating,
            candidate.licence,
            candidate.posted_at,
            candidate.parent,
            candidate.pixel_hash,
            candidate.md5,
            candidate.width,
            candidate.height,
            candidate.bytes,
            candidate.format,
            None if candidate.animated is None else int(candidate.animated),
            candidate.unavailable,
            dumps(dict(candidate.metadata)),
            at,
            candidate_id,
        ),
    )
    db.execute("DELETE FROM rungs WHERE candidate_id = ?", (candidate_id,))
    db.executemany(
        "INSERT INTO rungs VALUES (?,?,?,?,?,?,?,?,?)",
        [
            (candidate_id, n, r.kind, r.location, r.width, r.height, r.bytes, r.md5, r.format)
            for n, r in enumerate(candidate.ladder)
        ],
    )
    if loads(before) != tags:
        _index_tags(db, candidate_id, tags)
        if before is not None:
            _tell_retagged(db, candidate_id, tags)


def name_tags(db: sqlite3.Connection, candidates: Iterable[Candidate]) -> None:
    """Make sure the tags table knows every tag of a page: one statement for all of them."""
    names = {(n, category) for c in candidates for category, tags in c.tags.items() for n in tags}
    Table(Database(db, execute_plugins=False), "tags").insert_all(
        ({"name": name, "category": category} for name, category in sorted(names)), ignore=True
    )


def _index_tags(db: sqlite3.Connection, candidate_id: int, tags: Mapping[str, list[str]]) -> None:
    pairs = [(name, category) for category, names in tags.items() for name in names]
    db.execute("DELETE FROM candidate_tags WHERE candidate_id = ?", (candidate_id,))
    db.executemany(
        "INSERT OR IGNORE INTO candidate_tags(tag_id, candidate_id)"
        " SELECT id, ? FROM tags WHERE name = ? AND category = ?",
        [(candidate_id, name, category) for name, category in pairs],
    )


def _tell_retagged(db: sqlite3.Connection, candidate_id: int, tags: Mapping[str, Json]) -> None:
    for work in db.execute(
        "SELECT w.crawl_id, c.image FROM works w JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.candidate_id = ? AND w.state = 'accepted'",
        (candidate_id,),
    ).fetchall():
        stream.append(
            db,
            "retagged",
            sha256=work["image"],
            candidate_id=candidate_id,
            crawl_id=work["crawl_id"],
            payload={"tags": tags},
        )


def read_candidate(db: sqlite3.Connection, candidate_id: int) -> Candidate:
    """A candidate as the catalog knows it."""
    row = db.execute("SELECT * FROM candidates WHERE id = ?", (candidate_id,)).fetchone()
    return candidate_of(row, rungs(db, candidate_id))


def rungs(db: sqlite3.Connection, candidate_id: int) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT * FROM rungs WHERE candidate_id = ? ORDER BY position", (candidate_id,)
    ).fetchall()


@dataclass(frozen=True, slots=True)
class Held:
    """A picture we have decoded before, and whether its bytes are still on disk."""

    picture: Image
    stored: bool


def known_picture(db: sqlite3.Connection, candidate: Candidate) -> Held | None:
    """The picture that is certainly this work's: equal md5 or equal pixels. Nothing else may save
    a download.
    """
    row = None
    if candidate.md5:
        row = db.execute(
            "SELECT * FROM images WHERE md5 = ? ORDER BY sha256 LIMIT 1", (candidate.md5,)
        ).fetchone()
    if row is None and candidate.pixel_hash:
        row = db.execute(
            "SELECT i.* FROM candidates c JOIN images i ON i.sha256 = c.image"
            # A smaller rung has other pixels than the hash is of.
            " WHERE c.pixel_hash = ? AND c.outcome = 'fetched' AND c.rung = 0"
            " ORDER BY c.id LIMIT 1",
            (candidate.pixel_hash,),
        ).fetchone()
    return _held(row)


def held(db: sqlite3.Connection, sha256: str) -> Held | None:
    """The picture of this hash, if it was ever decoded."""
    return _held(db.execute("SELECT * FROM images WHERE sha256 = ?", (sha256,)).fetchone())


def _held(row: sqlite3.Row | None) -> Held | None:
    if row is None:
        return None
    picture = Image(
        sha256=row["sha256"],
        md5=row["md5"],
        format=row["format"],
        width=row["width"],
        height=row["height"],
        bytes=row["bytes"],
        measures=loads(row["measures"]),
    )
    return Held(picture, bool(row["stored"]))
