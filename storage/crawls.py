"""Crawls and how far they have listed. Functions of the writer's connection."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Literal

from storage.records import Crawl, CrawlSpec, Json, Walk
from storage.rows import dumps, loads
from storage.stream import now


def crawl_key(spec: CrawlSpec) -> str:
    """The id all generations of a crawl share: the same command finds the same crawl."""
    identity = dumps([spec.source, spec.origin, spec.query, sorted(spec.options.items())])
    return hashlib.sha256(identity.encode()).hexdigest()[:10]


def find(db: sqlite3.Connection, spec: CrawlSpec) -> Crawl | None:
    """The newest generation of this crawl, if it was ever started."""
    key = crawl_key(spec)
    row = db.execute(
        "SELECT * FROM crawls WHERE id = ? OR id GLOB ? ORDER BY generation DESC LIMIT 1",
        (key, f"{key}.[0-9]*"),
    ).fetchone()
    return _crawl(row) if row else None


def get(db: sqlite3.Connection, crawl_id: str) -> Crawl | None:
    """The crawl of this id, or the only one whose id starts so."""
    rows = db.execute(
        "SELECT * FROM crawls WHERE id = ? OR substr(id, 1, ?) = ? ORDER BY id = ? DESC, id",
        (crawl_id, len(crawl_id), crawl_id, crawl_id),
    ).fetchall()
    if not rows or (rows[0]["id"] != crawl_id and len(rows) > 1):
        return None
    return _crawl(rows[0])


def every(db: sqlite3.Connection) -> list[Crawl]:
    """All crawls, the one touched last first."""
    rows = db.execute("SELECT * FROM crawls ORDER BY updated_at DESC, rowid DESC").fetchall()
    return [_crawl(row) for row in rows]


def create(
    db: sqlite3.Connection,
    spec: CrawlSpec,
    *,
    resolved: str,
    predicate: Mapping[str, Json],
    policy: Mapping[str, Json],
    want: int | None,
    partitions: Sequence[tuple[str, Mapping[str, Json]]],
) -> Crawl:
    """Start the next generation of a crawl, with its walks."""
    before = find(db, spec)
    generation = before.generation + 1 if before else 1
    key = crawl_key(spec)
    crawl_id = key if generation == 1 else f"{key}.{generation}"
    at = now()
    db.execute(
        "INSERT INTO crawls(id, generation, source, site, origin, query, resolved, options,"
        " predicate, policy, want, state, created_at, updated_at)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,'running',?,?)",
        (
            crawl_id,
            generation,
            spec.source,
            spec.site,
            spec.origin,
            spec.query,
            resolved,
            dumps(dict(sorted(spec.options.items()))),
            dumps(predicate),
            dumps(policy),
            want,
            at,
            at,
        ),
    )
    set_walks(db, crawl_id, partitions)
    made = get(db, crawl_id)
    assert made is not None
    return made


def update(
    db: sqlite3.Connection,
    crawl_id: str,
    *,
    state: Literal["running", "finished", "stopped", "failed"],
    note: str | None = None,
    policy: Mapping[str, Json] | None = None,
    predicate: Mapping[str, Json] | None = None,
    want: int | Literal["keep"] | None = "keep",
) -> None:
    """Note what a crawl is doing; ``None`` leaves policy and predicate as they are."""
    db.execute(
        "UPDATE crawls SET state = ?, note = ?, updated_at = ?, policy = coalesce(?, policy),"
        " predicate = coalesce(?, predicate) WHERE id = ?",
        (
            state,
            note,
            now(),
            None if policy is None else dumps(policy),
            None if predicate is None else dumps(predicate),
            crawl_id,
        ),
    )
    if want != "keep":
        db.execute("UPDATE crawls SET want = ? WHERE id = ?", (want, crawl_id))


def end_killed(db: sqlite3.Connection) -> None:
    """Note that what a killed run left ``running`` has stopped; its moment stays."""
    db.execute("UPDATE crawls SET state = 'stopped' WHERE state = 'running'")


def set_walks(
    db: sqlite3.Connection, crawl_id: str, partitions: Sequence[tuple[str, Mapping[str, Json]]]
) -> None:
    """Walk these partitions from their start (a new crawl, or a wider predicate)."""
    db.execute("DELETE FROM cursors WHERE crawl_id = ?", (crawl_id,))
    db.executemany(
        "INSERT INTO cursors(crawl_id, partition, name, listing) VALUES (?,?,?,?)",
        [(crawl_id, i, name, dumps(listing)) for i, (name, listing) in enumerate(partitions)],
    )


def walks(db: sqlite3.Connection, crawl_id: str) -> list[Walk]:
    """The partitions of a crawl in order, each with its cursor."""
    rows = db.execute(
        "SELECT * FROM cursors WHERE crawl_id = ? ORDER BY partition", (crawl_id,)
    ).fetchall()
    return [
        Walk(
            r["partition"],
            r["name"],
            loads(r["listing"]),
            loads(r["cursor"]),
            bool(r["exhausted"]),
        )
        for r in rows
    ]


def set_exhausted(db: sqlite3.Connection, crawl_id: str, partition: int, exhausted: bool) -> None:
    """Note that a partition has been listed to its end, or may hold something new."""
    db.execute(
        "UPDATE cursors SET exhausted = ? WHERE crawl_id = ? AND partition = ?",
        (int(exhausted), crawl_id, partition),
    )


def _crawl(row: sqlite3.Row) -> Crawl:
    return Crawl(
        id=row["id"],
        generation=row["generation"],
        spec=CrawlSpec(
            source=row["source"],
            site=row["site"],
            origin=row["origin"],
            query=row["query"],
            options=loads(row["options"]),
        ),
        resolved=row["resolved"],
        predicate=loads(row["predicate"]),
        policy=loads(row["policy"]),
        want=row["want"],
        state=row["state"],
        note=row["note"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
