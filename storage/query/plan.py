"""How few candidates a query can concern: each of its conditions is probed, the rarest leads.

SQLite guesses sizes; here they are looked at. A probe counts so far and no further.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from storage.query.fields import INDEXED
from storage.query.language import Begins, Condition, HasTag, OneOf, SamePicture, Within
from storage.query.sql import Compiled, Part, all_of, bounds_of

FEW = 20_000
"""Candidates that are worth a list of their own."""
FEW_OF_INDEX = 200_000
"""The same where one index has them all."""
MOST_GROUPS = 100
"""Groups of works that are walked along side by side."""
_GROUPED = frozenset({"state", "reason", "crawl"})

Group: TypeAlias = tuple[str, str, str | None]
"""Crawl, state, reason."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Candidates among which all that match are: a list, or a source to walk along in order."""

    about: float
    """How many there are: exact for lists."""
    ids: Callable[[], list[int]] | None = None
    """All of them, in order."""
    tag: int | None = None
    """They are those that have this tag."""
    groups: tuple[Group, ...] = ()
    """They are the works of these groups."""


def lead(db: sqlite3.Connection, asked: Compiled) -> Lead | None:
    """The narrowest lead there is; None where all candidates must be walked along."""
    total = db.execute("SELECT coalesce(max(id), 0) FROM candidates").fetchone()[0]
    leads = [found for part in asked.parts for found in _leads(db, part, total)]
    leads += _by_group(db, asked)
    best = min(leads, key=lambda each: (each.about, each.ids is None), default=None)
    return best if best is not None and (best.ids or best.about < total / 2) else None


def _leads(db: sqlite3.Connection, part: Part, total: int) -> Iterator[Lead]:
    if part.condition.negated:
        return
    match part.condition.test:
        case HasTag():
            yield from _by_tag(db, part.ids, total)
        case SamePicture():
            yield Lead(len(part.ids), lambda: list(part.ids))
        case Within(field) as test if field in INDEXED:
            where, given = bounds_of(test, INDEXED[field])
            yield from _by_index(db, where, given, FEW_OF_INDEX)
        case OneOf("site" | "id" as field, values):
            column = {"site": "site", "id": "site_id"}[field]
            where_in = f"{column} IN ({','.join('?' * len(values))})"
            yield from _by_index(db, where_in, values, FEW)
        case Begins(_, prefix):
            yield from _by_index(db, "image >= ? AND image < ?", (prefix, prefix + "g"), FEW)


def _by_tag(db: sqlite3.Connection, tags: Sequence[int], total: int) -> Iterator[Lead]:
    values: tuple[object, ...]
    if len(tags) == 1:
        rows, values = "SELECT candidate_id FROM candidate_tags WHERE tag_id = ?", (tags[0],)
    else:
        among = "SELECT value FROM json_each(?)"
        rows = f"SELECT candidate_id FROM candidate_tags WHERE tag_id IN ({among})"  # noqa: S608
        values = (json.dumps(tags),)
    count, first, last = db.execute(
        f"SELECT count(*), min(candidate_id), max(candidate_id) FROM ({rows} LIMIT ?)",  # noqa: S608
        (*values, FEW + 1),
    ).fetchone()
    if count <= FEW:
        yield Lead(count, _lister(db, rows, values))
    elif len(tags) == 1:
        yield Lead(count / (last - first + 1) * total, tag=tags[0])


def _by_index(
    db: sqlite3.Connection, where: str, values: Sequence[object], most: int
) -> Iterator[Lead]:
    rows = f"SELECT id FROM candidates WHERE {where}"  # noqa: S608
    found = db.execute(f"SELECT count(*) FROM ({rows} LIMIT ?)", (*values, most + 1))  # noqa: S608
    if (count := found.fetchone()[0]) <= most:
        yield Lead(count, _lister(db, rows, values))


def _lister(db: sqlite3.Connection, rows: str, values: Sequence[object]) -> Callable[[], list[int]]:
    return lambda: sorted({row[0] for row in db.execute(rows, values).fetchall()})


def _by_group(db: sqlite3.Connection, asked: Compiled) -> Iterator[Lead]:
    if not any(_is_grouped(part.condition) for part in asked.parts):
        return
    found = groups(db, asked)
    about = sum(found.values())
    if about <= FEW:
        yield Lead(about, lambda: sorted({id for group in found for id in _members(db, group)}))
    elif len(found) <= MOST_GROUPS:
        yield Lead(about, groups=tuple(found))


def _is_grouped(condition: Condition) -> bool:
    return isinstance(condition.test, OneOf) and condition.test.field in _GROUPED


def groups(db: sqlite3.Connection, asked: Compiled) -> dict[Group, int]:
    """The groups of works that a query can concern by crawl, state and reason -> their sizes."""
    clauses = [part.clause for part in asked.parts if _is_grouped(part.condition)]
    where, values = all_of(clauses, "")
    found = db.execute(
        "SELECT w.crawl_id, w.state, w.reason, w.works FROM (SELECT crawl_id, state,"  # noqa: S608
        f" nullif(reason, '') AS reason, works FROM tallies WHERE works > 0) w WHERE {where}",
        values,
    ).fetchall()
    return {(row[0], row[1], row[2]): row[3] for row in found}


def members(db: sqlite3.Connection, group: Group, after: int, most: int) -> list[int]:
    """The candidates of a group behind ``after``, in order; -1 for all of them."""
    found = db.execute(
        "SELECT candidate_id FROM works WHERE crawl_id = ? AND state = ? AND reason IS ?"
        " AND candidate_id > ? ORDER BY candidate_id LIMIT ?",
        (*group, after, most),
    ).fetchall()
    return [row[0] for row in found]


def _members(db: sqlite3.Connection, group: Group) -> list[int]:
    return members(db, group, 0, -1)
