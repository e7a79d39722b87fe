"""What judging again would change, work by work, before any of it is written.

Temporary tables of a connection: ``asked`` (works that are judged one by one), ``moves`` (what
becomes of works, whoever judged them) and ``judging`` (the crawls in hand).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from storage.records import Json, Ruling, State
from storage.states import BLOCKED, evidence
from storage.stream import now

_TABLES = """
DROP TABLE IF EXISTS temp.judging;
DROP TABLE IF EXISTS temp.asked;
DROP TABLE IF EXISTS temp.moves;
DROP TABLE IF EXISTS temp.sums;
DROP TABLE IF EXISTS temp.families;
CREATE TEMP TABLE judging (crawl_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TEMP TABLE asked (
    crawl_id TEXT, position INTEGER, candidate_id INTEGER, PRIMARY KEY (crawl_id, position)
) WITHOUT ROWID;
CREATE TEMP TABLE moves (
    candidate_id INTEGER, crawl_id TEXT, position INTEGER, before TEXT, why_before TEXT,
    state TEXT, reason TEXT, measured TEXT, threshold TEXT, filter TEXT, duplicate_of INTEGER,
    number INTEGER, image TEXT, PRIMARY KEY (candidate_id, crawl_id)
) WITHOUT ROWID;
CREATE TEMP TABLE sums (
    crawl_id TEXT, before TEXT, why_before TEXT, state TEXT, reason TEXT, works INTEGER,
    first INTEGER
);
CREATE TEMP TABLE families (crawl_id TEXT, image TEXT, PRIMARY KEY (crawl_id, image)) WITHOUT ROWID
"""
_CACHE = 32_000
"""KiB of pages that may be kept at hand while many works are judged."""
_PIECE = 4_000
"""Rows changed by one statement: until its end SQLite holds a copy of every page it changes."""
_USUAL_CACHE = 2_000
_ALIVE = "('accepted', 'duplicate')"
_KEEPERS = ("wanted_by_work", "tally_moved", "unjudged_by_work", "kept_changed")
"""Triggers whose work is done at once for all works that move."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Works that move alike: a line of the preview."""

    before: State
    reason_before: str | None
    state: State
    reason: str | None
    count: int
    example: str
    """``site:id`` of the first of them in its crawl's order."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """What becomes pending because no bytes of it are held."""

    files: int = 0
    bytes: int = 0
    """As the source claims, or as they were when they came before."""
    unsized: int = 0
    """Files of which no size is known."""


def begin(db: sqlite3.Connection) -> None:
    """Make the temporary tables, anew where a judgement was cut short."""
    db.execute(f"PRAGMA cache_size=-{_CACHE}")
    for statement in _TABLES.split(";\n"):
        db.execute(statement)


def end(db: sqlite3.Connection) -> None:
    """Drop the temporary tables."""
    db.execute(f"PRAGMA cache_size=-{_USUAL_CACHE}")
    for table in ("judging", "asked", "moves", "sums", "families"):
        db.execute(f"DROP TABLE IF EXISTS temp.{table}")


def words(db: sqlite3.Connection) -> tuple[int, int]:
    """How often people have done something, and undone it: differs where something came between."""
    row = db.execute("SELECT coalesce(max(id), 0), count(undone_at) FROM actions").fetchone()
    return row[0], row[1]


def asked(db: sqlite3.Connection) -> dict[str, int]:
    """Crawl -> works that are to be judged one by one."""
    return dict(
        map(tuple, db.execute("SELECT crawl_id, count(*) FROM asked GROUP BY 1").fetchall())
    )


def _any_asked(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM asked LIMIT 1").fetchone() is not None


def note(db: sqlite3.Connection, crawl_id: str, work: sqlite3.Row, ruling: Ruling) -> None:
    """Note what becomes of a work that was asked one by one."""
    db.execute(
        "INSERT OR REPLACE INTO moves(candidate_id, crawl_id, position, before, why_before, state,"
        " reason, measured, threshold, filter) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            *(work["candidate_id"], crawl_id, work["position"], work["state"], work["why"]),
            *(ruling.state, ruling.reason, *evidence(ruling)),
        ),
    )


def regroup(db: sqlite3.Connection) -> None:
    """Of the works of a crawl that will be one picture, the first in its order stands.

    As :func:`storage.states.regroup`, for all pictures that need it. Works that a threshold moved
    bring theirs along, since the works of a picture have the same measures: only pictures of works
    that were asked or that become accepted can be left with another first.
    """
    db.execute("DELETE FROM families")
    db.execute(
        "INSERT OR IGNORE INTO families SELECT m.crawl_id, c.image FROM moves m"  # noqa: S608
        " CROSS JOIN candidates c ON c.id = m.candidate_id WHERE c.image IS NOT NULL"
        f" AND (m.state = 'accepted' OR (m.number IS NULL AND m.before IN {_ALIVE}))"
    )
    if _any_asked(db):
        db.execute(
            "INSERT OR IGNORE INTO families SELECT a.crawl_id, c.image FROM asked a"  # noqa: S608
            " CROSS JOIN works w ON w.crawl_id = a.crawl_id AND w.position = a.position"
            " CROSS JOIN candidates c ON c.id = a.candidate_id"
            f" WHERE c.image IS NOT NULL AND w.state IN {_ALIVE}"
            " AND a.crawl_id IN (SELECT crawl_id FROM moves WHERE number IS NOT NULL)"
        )
    # Who is not the first of its family, or was not and is now; what stays as it is, is left out.
    for row in db.execute(
        "SELECT * FROM (SELECT f.crawl_id, w.candidate_id, w.position, w.state AS state_now,"  # noqa: S608
        " w.reason AS reason_now, w.duplicate_of AS duplicate_now, m.state AS moved,"
        " row_number() OVER family AS place, first_value(w.candidate_id) OVER family AS first,"
        " c.md5, c.pixel_hash, i.md5 AS file, (SELECT d.decision FROM decisions d"
        " WHERE d.candidate_id = c.id OR d.picture = c.image ORDER BY d.action_id DESC LIMIT 1)"
        " AS word FROM families f JOIN images i ON i.sha256 = f.image"
        " CROSS JOIN candidates c ON c.image = f.image"
        " CROSS JOIN works w ON w.candidate_id = c.id AND w.crawl_id = f.crawl_id"
        " LEFT JOIN moves m ON m.candidate_id = c.id AND m.crawl_id = f.crawl_id"
        f" WHERE coalesce(m.state, w.state) IN {_ALIVE}"
        " WINDOW family AS (PARTITION BY f.crawl_id, f.image ORDER BY w.position))"
        " WHERE (place > 1 AND (moved IS NOT NULL OR state_now != 'duplicate'"
        " OR duplicate_now IS NOT first)) OR (place = 1 AND moved IS NULL"
        " AND state_now = 'duplicate')"
    ).fetchall():
        _regrouped(db, row)


def _regrouped(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["place"] == 1:
        ruling = ("accepted", "by_person" if row["word"] == "accept" else None, None)
    else:
        alike = row["md5"] == row["file"] or (row["md5"] is None and row["pixel_hash"] is None)
        ruling = ("duplicate", "same_file" if alike else "same_pixels", row["first"])
    db.execute(
        "INSERT INTO moves(candidate_id, crawl_id, position, before, why_before, state, reason,"
        " duplicate_of) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET state = excluded.state,"
        " reason = excluded.reason, measured = NULL, threshold = NULL, filter = NULL,"
        " duplicate_of = excluded.duplicate_of",
        (
            *(row["candidate_id"], row["crawl_id"], row["position"]),
            *(row["state_now"], row["reason_now"], *ruling),
        ),
    )


def add_up(db: sqlite3.Connection) -> None:
    """Count what moves alike: for :func:`tallies` and :func:`apply`."""
    db.execute("DELETE FROM sums")
    db.execute(
        "INSERT INTO sums SELECT crawl_id, before, why_before, state, reason, count(*),"
        " min(position) FROM moves WHERE before != state OR why_before IS NOT reason"
        " GROUP BY 1, 2, 3, 4, 5"
    )


def tallies(db: sqlite3.Connection) -> dict[str, list[Tally]]:
    """What changes: crawl -> from which state and reason to which, the most frequent first."""
    rows = db.execute(
        "SELECT s.*, c.site || ':' || c.site_id AS example FROM sums s"
        " CROSS JOIN works w ON w.crawl_id = s.crawl_id AND w.position = s.first"
        " CROSS JOIN candidates c ON c.id = w.candidate_id"
        " ORDER BY s.works DESC, s.before, s.why_before, s.state, s.reason"
    ).fetchall()
    found: dict[str, list[Tally]] = {}
    for row in rows:
        found.setdefault(row["crawl_id"], []).append(
            Tally(
                *(row["before"], row["why_before"], row["state"], row["reason"]),
                *(row["works"], row["example"]),
            )
        )
    return found


def fetches(db: sqlite3.Connection) -> dict[str, Fetch]:
    """Crawl -> the files that are to be fetched again, or for the first time; without, not in it.

    What becomes ``pending`` that was not, but for files that are here and need only be measured;
    sizes are those of the largest rung.
    """
    rows = db.execute(
        "SELECT m.crawl_id, count(*), coalesce(sum(coalesce(i.bytes, c.bytes)), 0),"
        " count(*) - count(coalesce(i.bytes, c.bytes)) FROM moves m"
        " CROSS JOIN candidates c ON c.id = m.candidate_id"
        " LEFT JOIN images i ON i.sha256 = c.image"
        " WHERE m.state = 'pending' AND m.before != 'pending'"
        " AND NOT (coalesce(i.stored, 0) AND instr(i.measures, '\"failed\":') = 0) GROUP BY 1"
    ).fetchall()
    return {crawl_id: Fetch(*counts) for crawl_id, *counts in map(tuple, rows)}


@contextmanager
def at_once(db: sqlite3.Connection) -> Iterator[None]:
    """Within a transaction, counts are kept by :func:`apply` and not by triggers."""
    marks = ",".join("?" * len(_KEEPERS))
    kept = db.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})",  # noqa: S608
        _KEEPERS,
    ).fetchall()
    for row in kept:
        db.execute(f"DROP TRIGGER {row['name']}")
    yield
    for row in kept:
        db.execute(row["sql"])


def name_pictures(db: sqlite3.Connection) -> None:
    """Note which picture each work is that is or was accepted."""
    db.execute(
        "UPDATE moves SET image = (SELECT image FROM candidates WHERE id = moves.candidate_id)"
        " WHERE image IS NULL AND 'accepted' IN (before, state)"
    )


def apply(db: sqlite3.Connection, crawl_id: str) -> None:
    """Give the works of a crawl the states noted, and tell of pictures that it takes or lets go.

    Within :func:`at_once`.
    """
    at = now()
    for first, last in _pieces(db, "moves", "candidate_id"):
        db.execute(
            "UPDATE works SET (state, reason, measured, threshold, filter, duplicate_of,"
            " settled_at) = (m.state, m.reason, m.measured, m.threshold, m.filter, m.duplicate_of,"
            " CASE WHEN m.state != 'pending' THEN ?1 END) FROM moves m"
            " WHERE m.candidate_id BETWEEN ?3 AND ?4"
            " AND m.crawl_id = ?2 AND works.crawl_id = ?2 AND works.position = m.position",
            (at, crawl_id, first, last),
        )
    db.execute(
        "INSERT INTO tallies SELECT crawl_id, before, coalesce(why_before, ''), -works"
        " FROM sums WHERE crawl_id = ?1 UNION ALL"
        " SELECT crawl_id, state, coalesce(reason, ''), works FROM sums WHERE crawl_id = ?1"
        " ON CONFLICT DO UPDATE SET works = works + excluded.works",
        (crawl_id,),
    )
    _tell(db, crawl_id, "retracted", "before", "state", at)
    _tell(db, crawl_id, "accepted", "state", "before", at)


def _tell(db: sqlite3.Connection, crawl_id: str, kind: str, alive: str, dead: str, at: str) -> None:
    """Tell of the pictures that were (or are) accepted and are no longer (or were not)."""
    db.execute("DROP TABLE IF EXISTS temp.told")
    db.execute(
        "CREATE TEMP TABLE told AS SELECT m.candidate_id, m.image, m.reason,"  # noqa: S608
        " i.rowid AS picture, i.wanted, i.bytes, i.stored, EXISTS (SELECT 1 FROM candidates c"
        " CROSS JOIN works w ON w.candidate_id = c.id WHERE c.image = m.image"
        " AND w.state = 'accepted') AS live"
        " FROM moves m CROSS JOIN images i ON i.sha256 = m.image WHERE m.crawl_id = ?1"
        f" AND m.{alive} = 'accepted' AND m.image NOT IN (SELECT image FROM moves"
        f" WHERE crawl_id = ?1 AND {dead} = 'accepted' AND image IS NOT NULL) ORDER BY m.position",
        (crawl_id,),
    )
    _keep_wanted(db)
    bare = "json_object('live', json(iif(live, 'true', 'false')))"
    payload = f"iif(reason IS NULL, {bare}, json_insert({bare}, '$.reason', reason))"
    for first, last in _pieces(db, "told", "rowid"):
        db.execute(
            "INSERT INTO events(kind, sha256, candidate_id, crawl_id, payload, at)"  # noqa: S608
            f" SELECT ?, image, candidate_id, ?, {payload}, ? FROM told"
            " WHERE rowid BETWEEN ? AND ? ORDER BY rowid",
            (kind, crawl_id, at, first, last),
        )
    db.execute("DROP TABLE temp.told")


def _keep_wanted(db: sqlite3.Connection) -> None:
    """Keep which pictures are wanted, and how many files and bytes are."""
    db.execute(
        "UPDATE kept SET (files, bytes) = (SELECT kept.files + files, kept.bytes + bytes FROM"
        " (SELECT total(iif(live = kept.wanted, 1, -1)) AS files,"
        " total(iif(live = kept.wanted, bytes, -bytes)) AS bytes FROM told"
        " WHERE live != wanted AND stored = 1))"
    )
    for first, last in _pieces(db, "told", "rowid"):
        db.execute(
            "UPDATE images SET wanted = t.live FROM told t WHERE t.rowid BETWEEN ? AND ?"
            " AND t.live != t.wanted AND images.rowid = t.picture",
            (first, last),
        )


def _pieces(db: sqlite3.Connection, table: str, column: str) -> Iterator[tuple[int, int]]:
    """From and to which values of a column a table has :data:`_PIECE` rows or little more."""
    last = -1
    while True:
        rows = f"SELECT {column} AS one FROM {table} WHERE {column} > ? ORDER BY 1 LIMIT ?"  # noqa: S608
        found = db.execute(f"SELECT min(one), max(one) FROM ({rows})", (last, _PIECE)).fetchone()  # noqa: S608
        if found[0] is None:
            return
        yield found[0], found[1]
        last = found[1]


def settled(db: sqlite3.Connection, crawl_id: str) -> None:
    """All works of a crawl that were asked follow its policy now."""
    db.execute(
        "DELETE FROM unjudged WHERE crawl_id = ?1 AND candidate_id IN"
        " (SELECT candidate_id FROM asked WHERE crawl_id = ?1)",
        (crawl_id,),
    )


def as_they_were(db: sqlite3.Connection, waiting: Mapping[str, Json]) -> None:
    """Have works that waited for their turn (crawl -> candidates) wait again, not be accepted."""
    for crawl_id, candidate_ids in waiting.items():
        db.executemany(
            "UPDATE moves SET state = 'pending', reason = NULL WHERE crawl_id = ?"
            " AND candidate_id = ? AND state = 'accepted' AND before = 'rejected'",
            ((crawl_id, candidate_id) for candidate_id in candidate_ids),
        )


def waiting(db: sqlite3.Connection, crawl_id: str) -> list[int]:
    """The works (candidates) that wait for their turn, though their bytes are held, and that are
    rejected now: what undoing has to know, since their measures would have them accepted.
    """
    rows = db.execute(
        "SELECT m.candidate_id FROM moves m CROSS JOIN candidates c ON c.id = m.candidate_id"
        " JOIN images i ON i.sha256 = c.image WHERE m.crawl_id = ? AND m.before = 'pending'"
        " AND m.state = 'rejected' AND i.stored = 1 ORDER BY m.position",
        (crawl_id,),
    ).fetchall()
    return [row["candidate_id"] for row in rows]


def blocked(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """(crawl, candidate) of works that turn out to be blocked content."""
    if not _any_asked(db):
        return []
    found = db.execute(
        "SELECT crawl_id, candidate_id FROM moves WHERE state = 'rejected'"
        " AND reason = 'blocked_content' ORDER BY crawl_id, position"
    ).fetchall()
    return [(row["crawl_id"], row["candidate_id"]) for row in found]


def spread_blocked(db: sqlite3.Connection) -> None:
    """Note that with a blocked work all go that are the same work or the same picture."""
    for _, candidate_id in blocked(db):
        for work in db.execute(
            "SELECT w.*, w.reason AS why FROM candidates c CROSS JOIN works w"
            " ON w.candidate_id = c.id WHERE c.outcome IS NOT 'blocked' AND (c.id = ?1"
            " OR c.image = (SELECT image FROM candidates WHERE id = ?1))",
            (candidate_id,),
        ).fetchall():
            note(db, work["crawl_id"], work, BLOCKED)


def forget_blocked(db: sqlite3.Connection) -> None:
    """Leave out works that were purged meanwhile."""
    db.execute(
        "DELETE FROM moves WHERE candidate_id IN (SELECT c.id FROM moves m"
        " CROSS JOIN candidates c ON c.id = m.candidate_id WHERE c.outcome = 'blocked')"
    )
