"""Finding what a query asks for, a page at a time, so that the first page costs what it shows.

Candidates come in the order in which they were first met. With ``crawl:`` it is that crawl's order,
with ``sort:`` the one asked for. Between pages nothing stays open: a cursor would keep the
write-ahead log from shrinking.

The plan is made here and not left to SQLite. The rarest condition leads (:mod:`.plan`):
few candidates are listed, then asked the rest. Otherwise a tag, the works of a reason, an index in
the order asked for, or all candidates are walked along, until the page is full.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from storage.query import plan as narrow
from storage.query.fields import INDEXED
from storage.query.language import OneOf, Within
from storage.query.plan import Group, Lead
from storage.query.sql import Clause, Compiled, all_of, bounds_of, some_work, sort_key

PAGE = 500
"""Candidates read at a time."""
FIRST = 100
"""The same of the first page: most people look no further."""
WALKED_FOR_SORTED = 1.0
"""Steps along an index that take as long as asking one candidate and sorting it with others."""
_UNSETTLED = frozenset({"pending", "waiting"})

Found: TypeAlias = tuple[int, str | None]
"""A candidate, and the crawl through which it was found where the order is of crawls."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows to look through: ``id`` is the SQL of the candidate's."""

    sql: str
    id: str
    where: str = "1"
    values: tuple[object, ...] = ()


_CANDIDATES = _Source("candidates c", "c.id")


class Search:
    """One query of one catalog."""

    def __init__(self, db: sqlite3.Connection, asked: Compiled) -> None:
        self._db = db
        self._asked = asked
        self._clauses = [*asked.of_candidate, some_work(asked.of_work)]
        self._lead = narrow.lead(db, asked)

    def pages(self, limit: int | None = None) -> Iterator[list[Found]]:
        """Everything that matches, each candidate once, in order."""
        left = limit
        for page in self._pages(-1 if limit is None else limit):
            yield page if left is None else page[:left]
            if left is not None and (left := left - len(page)) <= 0:
                return

    def count(self, most: int | None = None) -> int:
        """How many candidates match; counting ends at ``most``."""
        if not self._asked.parts:
            found = self._db.execute("SELECT count(DISTINCT candidate_id) FROM works").fetchone()[0]
            return int(found if most is None else min(found, most))
        if (known := self._tallied()) is not None:
            return known if most is None else min(known, most)
        lead = self._lead
        if lead is not None and (lead.ids or lead.groups):
            return sum(1 for _ in islice(self._by_id(lead), most))
        source = _CANDIDATES if lead is None else _tagged(lead)
        sql, values = self._select(source, self._clauses, "1", ())
        found = self._db.execute(
            f"SELECT count(*) FROM ({sql} LIMIT ?)",  # noqa: S608
            (*values, -1 if most is None else most),
        )
        return int(found.fetchone()[0])

    # -- orders -------------------------------------------------------------------------------

    def _pages(self, limit: int) -> Iterator[list[Found]]:
        sort, lead = self._asked.sort, self._lead
        if sort is None or (sort.field == "id" and not sort.descending):
            crawls = self._crawls() if sort is None else []
            ids = self._by_crawl(crawls) if crawls else ((id, None) for id in self._by_id(lead))
            return _paged(ids)
        walked = sort.field == "id" or sort.field in INDEXED
        if walked and (lead is None or self._walks(lead)):
            return _paged((id, None) for id in self._along_index())
        return _paged((id, None) for id in self._sorted(limit))

    def _by_id(self, lead: Lead | None) -> Iterator[int]:
        if lead is not None and lead.ids is not None:
            ids = lead.ids()
            for start, size in _chunks(len(ids)):
                yield from self._matching(ids[start : start + size])
            return
        if lead is not None and lead.groups:
            for chunk in self._side_by_side(lead.groups):
                yield from self._matching(chunk)
            return
        source, after, size = _CANDIDATES if lead is None else _tagged(lead), 0, FIRST
        while True:
            sql, values = self._select(source, self._clauses, f"{source.id} > ?", (after,))
            rows = self._rows(f"{sql} ORDER BY {source.id} LIMIT ?", (*values, size))
            yield from (row[0] for row in rows)
            if len(rows) < size:
                return
            after, size = rows[-1][0], PAGE

    def _side_by_side(self, groups: Sequence[Group]) -> Iterator[list[int]]:
        """The members of several groups in order, each once."""
        after, size = 0, FIRST
        while True:
            found = [narrow.members(self._db, group, after, size) for group in groups]
            # Behind the end of a list that is cut short there may be others.
            ends = [ids[-1] for ids in found if len(ids) == size]
            ids = sorted({id for ids in found for id in ids if not ends or id <= min(ends)})
            if ids:
                yield ids
            if not ends:
                return
            after, size = min(ends), PAGE

    def _by_crawl(self, crawls: Sequence[str]) -> Iterator[Found]:
        """In the order of crawls, each candidate once."""
        seen: set[int] = set()
        for crawl in crawls:
            for id in self._of_crawl(crawl):
                if len(crawls) > 1:
                    if id in seen:
                        continue
                    seen.add(id)
                yield id, crawl

    def _of_crawl(self, crawl: str) -> Iterator[int]:
        clauses = [*self._asked.of_candidate, *self._asked.of_work]
        if self._lead is not None and self._lead.ids is not None:
            ids = json.dumps(self._lead.ids())
            source = _Source(
                "json_each(?) j CROSS JOIN works w ON w.candidate_id = j.value",
                "j.value",
                "1",
                (ids,),
            )
            sql, values = self._select(source, clauses, "w.crawl_id = ?", (crawl,))
            yield from (r[0] for r in self._rows(f"{sql} ORDER BY w.position", values))
            return
        states = {group[1] for group in narrow.groups(self._db, self._asked)}
        source = _Source("works w", "w.candidate_id")
        if states and states <= _UNSETTLED:
            unsettled = "w.state IN ('pending', 'waiting')"
            source = _Source("works w INDEXED BY works_unsettled", "w.candidate_id", unsettled)
        after, size = 0, FIRST
        while True:
            place = "w.crawl_id = ? AND w.position > ?"
            sql, values = self._select(source, clauses, place, (crawl, after), "w.position")
            rows = self._rows(f"{sql} ORDER BY w.position LIMIT ?", (*values, size))
            yield from (row[0] for row in rows)
            if len(rows) < size:
                return
            after, size = rows[-1][1], PAGE

    def _along_index(self) -> Iterator[int]:
        """In the order of an index of candidates; what has no value comes last."""
        sort = self._asked.sort
        assert sort is not None
        column = INDEXED.get(sort.field, "id")
        order, sign = ("DESC", "<") if sort.descending else ("ASC", ">")
        clauses = [*self._bounds(sort.field, f"c.{column}"), *self._clauses]
        seen: set[int] = set()  # what is decoded meanwhile may move to a place that is to come
        for known in ("IS NOT NULL", "IS NULL")[: 1 if column == "id" else 2]:
            place: tuple[str, tuple[object, ...]] = (f"c.{column} {known}", ())
            size = FIRST
            while True:
                sql, values = self._select(_CANDIDATES, clauses, *place, f"c.{column}")
                by = (
                    f"c.{column} {order}, c.id {order}"
                    if known == "IS NOT NULL"
                    else f"c.id {order}"
                )
                rows = self._rows(f"{sql} ORDER BY {by} LIMIT ?", (*values, size))
                yield from (row[0] for row in rows if row[0] not in seen)
                if len(rows) < size:
                    break
                seen.update(row[0] for row in rows)
                id, value = rows[-1]
                if known == "IS NULL":
                    place = f"c.{column} IS NULL AND c.id {sign} ?", (id,)
                elif column == "id":
                    place = f"c.id {sign} ?", (id,)
                else:
                    place = f"(c.{column}, c.id) {sign} (?, ?)", (value, id)
                size = PAGE

    def _bounds(self, field: str, column: str) -> list[Clause]:
        """What is asked of the number that is sorted by, as an index can use it."""
        return [
            _clause(*bounds_of(part.condition.test, column))
            for part in self._asked.parts
            if isinstance(part.condition.test, Within)
            and part.condition.test.field == field
            and not part.condition.negated
        ]

    def _sorted(self, limit: int) -> list[int]:
        """In any order: the ids of all that match are sorted at once, or as many as are asked."""
        sort, lead = self._asked.sort, self._lead
        assert sort is not None
        key = sort_key(sort, self._asked.of_work)
        source = _CANDIDATES if lead is None or lead.groups else _listed(lead) or _tagged(lead)
        needed = [*self._clauses, Clause("1", (), key.tables)]
        sql, values = self._select(source, needed, "1", (), key.sql, key.values)
        order = "DESC" if sort.descending else "ASC"
        rows = self._rows(
            f"{sql} ORDER BY sorted_by IS NULL, sorted_by {order}, 1 {order} LIMIT ?",
            (*values, limit),
        )
        return [row[0] for row in rows]

    # -- SQL ----------------------------------------------------------------------------------

    def _matching(self, ids: Sequence[int]) -> list[int]:
        """Which of some candidates match, in their order."""
        source = _Source("json_each(?) j", "j.value", "1", (json.dumps(ids),))
        sql, values = self._select(source, self._clauses, "1", ())
        found = {row[0] for row in self._rows(sql, values)}
        return [id for id in ids if id in found]

    def _select(
        self,
        source: _Source,
        clauses: Iterable[Clause],
        where: str,
        values: Sequence[object],
        key: str = "NULL",
        key_values: Sequence[object] = (),
    ) -> tuple[str, list[object]]:
        """SQL of the candidates of a source for which all holds, and its parameters."""
        given = list(clauses)
        tables = {table for clause in given for table in clause.tables}
        joined = source.sql
        if tables & {"c", "i"} and source != _CANDIDATES:
            joined += f" CROSS JOIN candidates c ON c.id = {source.id}"
        if "i" in tables:
            joined += " LEFT JOIN images i ON i.sha256 = c.image"
        # What needs no other table is asked first.
        given.sort(key=lambda clause: len(clause.tables))
        asked, asked_values = all_of(given, source.id)
        sql = (
            f"SELECT {source.id}, {key.replace('{id}', source.id)} AS sorted_by FROM {joined}"  # noqa: S608
            f" WHERE {source.where} AND {where} AND {asked}"
        )
        return sql, [*key_values, *source.values, *values, *asked_values]

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[int, Any]]:
        cursor = self._db.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, values).fetchall()

    # -- what is known before -----------------------------------------------------------------

    def _walks(self, lead: Lead) -> bool:
        """Whether a page is full sooner along an index than all that a lead has are sorted."""
        total = self._db.execute("SELECT coalesce(max(id), 0) FROM candidates").fetchone()[0]
        return bool(FIRST * total < WALKED_FOR_SORTED * lead.about**2)

    def _crawls(self) -> list[str]:
        """The crawls that are asked for by name, in order; none where none is."""
        named = [
            set(part.condition.test.values)
            for part in self._asked.parts
            if isinstance(part.condition.test, OneOf)
            and part.condition.test.field == "crawl"
            and not part.condition.negated
        ]
        return sorted(set.intersection(*named)) if named else []

    def _tallied(self) -> int | None:
        """The count, where the tallies have it: one crawl's works by state and reason alone."""
        plain = all(isinstance(p.condition.test, OneOf) and p.of_work for p in self._asked.parts)
        found = narrow.groups(self._db, self._asked) if plain else {}
        one_crawl = len({crawl for crawl, _, _ in found}) <= 1
        return sum(found.values()) if plain and one_crawl else None


def _clause(sql: str, values: Sequence[object]) -> Clause:
    return Clause(sql, tuple(values))


def _tagged(lead: Lead) -> _Source:
    return _Source("candidate_tags d", "d.candidate_id", "d.tag_id = ?", (lead.tag,))


def _listed(lead: Lead) -> _Source | None:
    if lead.ids is None:
        return None
    return _Source("json_each(?) j", "j.value", "1", (json.dumps(lead.ids()),))


def _paged(found: Iterable[Found]) -> Iterator[list[Found]]:
    """In pages, of which the first is small."""
    rest, size = iter(found), FIRST
    while page := list(islice(rest, size)):
        yield page
        size = PAGE


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    start, size = 0, FIRST
    while start < count:
        yield start, size
        start, size = start + size, PAGE
