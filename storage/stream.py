"""The event log: one durable, ordered story of what happened to live images."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from storage.records import AcceptedImage, Event, Json
from storage.rows import IMAGE_SELECT, dumps, image_of, loads

EventKind = Literal["accepted", "superseded", "retracted", "retagged", "crawl_finished"]
KINDS: tuple[str, ...] = get_args(EventKind)
MAX_INFLIGHT = 1_000
"""Events that a consumer may leave unanswered before it has to wait."""

_SELECT = (
    "SELECT e.*, c.site, c.site_id FROM events e LEFT JOIN candidates c ON c.id = e.candidate_id"
)


def now() -> str:
    """This moment as the catalog writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(
    db: sqlite3.Connection,
    kind: EventKind,
    *,
    sha256: str | None = None,
    candidate_id: int | None = None,
    crawl_id: str | None = None,
    payload: Mapping[str, Json] | None = None,
) -> int:
    """Write one event; its seq grows in commit order, since there is one writer."""
    cursor = db.execute(
        "INSERT INTO events(kind, sha256, candidate_id, crawl_id, payload, at)"
        " VALUES (?,?,?,?,?,?)",
        (kind, sha256, candidate_id, crawl_id, dumps(payload or {}), now()),
    )
    return int(cursor.lastrowid or 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events a reader wants: of these kinds (none: of all) and of this crawl (None: of all).

    What happens to a picture of every crawl that had it concerns a reader of one crawl, too.
    """

    kinds: frozenset[str] = frozenset()
    crawl: str | None = None

    def wants_more_than(self, other: Asked) -> bool:
        """Whether there may be events that this reader wants and the other does not."""
        more_kinds = bool(other.kinds) and (not self.kinds or not self.kinds <= other.kinds)
        return more_kinds or (other.crawl is not None and self.crawl != other.crawl)

    def sql(self) -> tuple[str, dict[str, str]]:
        """A condition on ``events e``, with its named values."""
        words, values = ["1"], {f"kind{n}": kind for n, kind in enumerate(sorted(self.kinds))}
        if self.kinds:
            words.append(f"e.kind IN ({', '.join(f':{name}' for name in values)})")
        if self.crawl is not None:
            words.append("(e.crawl_id = :crawl OR e.crawl_id IS NULL)")
            values["crawl"] = self.crawl
        return " AND ".join(words), values


EVERYTHING = Asked()


def read(
    db: sqlite3.Connection,
    after: int,
    limit: int = 500,
    *,
    asked: Asked = EVERYTHING,
    consumer: str | None = None,
) -> list[Event]:
    """The events after ``after``, oldest first; all rows are fetched, no cursor stays open.

    With ``consumer`` those it has answered already are left out.
    """
    where, values = asked.sql()
    place = ":after"
    if consumer is not None:
        # Of what lies before its place no deliveries are kept.
        place = "max(:after, ifnull((SELECT acked_seq FROM consumers WHERE name = :consumer), 0))"
        where += (
            " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.consumer = :consumer"
            " AND d.seq = e.seq)"
        )
    rows = db.execute(
        f"{_SELECT} WHERE e.seq > {place} AND {where} ORDER BY e.seq LIMIT :limit",
        {**values, "after": after, "limit": limit, "consumer": consumer},
    ).fetchall()
    return [_event(row) for row in rows]


def event(db: sqlite3.Connection, seq: int) -> Event:
    """The event of this seq, which must have happened."""
    return _event(db.execute(f"{_SELECT} WHERE e.seq = ?", (seq,)).fetchone())


def last_seq(db: sqlite3.Connection) -> int:
    """The seq of the last event; 0 before the first."""
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def seq_before(db: sqlite3.Connection, at: str) -> int:
    """The last event before a moment (ISO 8601, UTC); 0 where there is none."""
    row = db.execute("SELECT min(seq) FROM events WHERE at >= ?", (at,)).fetchone()
    return last_seq(db) if row[0] is None else int(row[0]) - 1


def living(
    db: sqlite3.Connection, workspace: Path, sha256: str, crawl_id: str | None
) -> AcceptedImage | None:
    """A picture as it is in a crawl's set now (None: in any); None where it is in no set.

    Of several works that are this picture it is the one met first.
    """
    row = db.execute(
        f"{IMAGE_SELECT} WHERE c.image = ? AND w.state = 'accepted'"
        " AND w.crawl_id = coalesce(?, w.crawl_id) ORDER BY c.id, w.crawl_id LIMIT 1",
        (sha256, crawl_id),
    ).fetchone()
    return image_of(row, workspace) if row else None


def _event(row: sqlite3.Row) -> Event:
    return Event(
        seq=row["seq"],
        kind=row["kind"],
        sha256=row["sha256"],
        candidate_id=row["candidate_id"],
        crawl_id=row["crawl_id"],
        payload=loads(row["payload"]),
        at=row["at"],
        site=row["site"],
        site_id=row["site_id"],
    )


def told_finished(db: sqlite3.Connection, crawl_id: str) -> bool:
    """Whether nothing has happened to a crawl since its ``crawl_finished``."""
    row = db.execute(
        "SELECT kind FROM events WHERE crawl_id = ? ORDER BY seq DESC LIMIT 1", (crawl_id,)
    ).fetchone()
    return row is not None and row["kind"] == "crawl_finished"


def acked(db: sqlite3.Connection, consumer: str) -> int:
    """The last event ``consumer`` has acknowledged; 0 for one nobody has seen."""
    row = db.execute("SELECT acked_seq FROM consumers WHERE name = ?", (consumer,)).fetchone()
    return int(row[0]) if row else 0
