"""From the conditions of a query to SQL: parameters for every text, one clause for each test."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage import naming
from storage.errors import BadQuery
from storage.query.fields import DATES, NUMBERS, OF_WORKS, TEXTS
from storage.query.language import (
    RANDOM,
    Begins,
    Condition,
    HasTag,
    OneOf,
    Query,
    SamePicture,
    Sort,
    Within,
)

FEW = 8
"""Tags that are looked up one by one in what a candidate has; more of them as a set."""
_MULTIPLIER = 2_654_435_761
"""Knuth's for hashing by multiplication: neighbours are spread over all of 32 bits."""


@dataclass(frozen=True, slots=True)
class Clause:
    """SQL that holds or does not. ``{id}`` in it is the candidate's id.

    It may speak of ``c``, ``i`` and ``w`` (:mod:`.fields`); ``tables`` names those it does.
    """

    sql: str
    values: tuple[object, ...] = ()
    tables: frozenset[str] = frozenset()

    def negated(self) -> Clause:
        """Holds where this one is false or unknown."""
        return Clause(f"({self.sql}) IS NOT TRUE", self.values, self.tables)


@dataclass(frozen=True, slots=True)
class Part:
    """One condition of a query, looked up and written as SQL."""

    condition: Condition
    clause: Clause
    ids: tuple[int, ...] = ()
    """Of a tag: the tags meant; of ``group:``, the candidates."""

    @property
    def of_work(self) -> bool:
        """Whether it is about a work in one crawl; else it is about the candidate."""
        test = self.condition.test
        return not isinstance(test, (HasTag, SamePicture)) and test.field in OF_WORKS


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query whose parts all hold; those of works all of one and the same work."""

    parts: tuple[Part, ...]
    sort: Sort | None

    @property
    def of_candidate(self) -> list[Clause]:
        return [part.clause for part in self.parts if not part.of_work]

    @property
    def of_work(self) -> list[Clause]:
        return [part.clause for part in self.parts if part.of_work]


def compile_query(db: sqlite3.Connection, query: Query) -> Compiled:
    """Look up what a query names, and write its conditions as SQL. Raises BadQuery."""
    return Compiled(tuple(_part(db, each) for each in query.conditions), query.sort)


def _part(db: sqlite3.Connection, condition: Condition) -> Part:
    test = condition.test
    ids: tuple[int, ...] = ()
    if isinstance(test, HasTag):
        ids = tag_ids(db, test)
        clause = _tagged(ids)
    elif isinstance(test, SamePicture):
        ids = _same_picture(db, test)
        clause = among(ids)
    else:
        clause = _of_field(test)
    return Part(condition, clause.negated() if condition.negated else clause, ids)


def all_of(clauses: Iterable[Clause], id: str) -> tuple[str, list[object]]:
    """Clauses as one SQL condition on the candidate whose id is ``id``, with its parameters."""
    given = list(clauses)
    sql = " AND ".join(f"({clause.sql})" for clause in given) or "1"
    return sql.replace("{id}", id), [value for clause in given for value in clause.values]


def among(ids: Sequence[int]) -> Clause:
    """The candidate is one of these."""
    return Clause("{id} IN (SELECT value FROM json_each(?))", (json.dumps(ids),))


def some_work(clauses: Sequence[Clause]) -> Clause:
    """Some crawl has met the candidate, as a work of which all of these hold."""
    where, values = all_of(clauses, "w.candidate_id")
    sql = f"EXISTS (SELECT 1 FROM works w WHERE w.candidate_id = {{id}} AND {where})"  # noqa: S608
    return Clause(sql, tuple(values))


def tag_ids(db: sqlite3.Connection, test: HasTag) -> tuple[int, ...]:
    """The tags that a test means: blanks and underscores are the same in them."""
    found: set[int] = set()
    for name in test.names:
        among_names = list(dict.fromkeys((name, name.replace(" ", "_"), name.replace("_", " "))))
        if "*" in name:
            # GLOB knows ? and [ too; a query knows only the star.
            among_names = [re.sub(r"([?\[])", r"[\1]", each) for each in among_names]
            where = " OR ".join(["name GLOB ?"] * len(among_names))
        else:
            where = f"name IN ({','.join('?' * len(among_names))})"
        if test.category is not None:
            where = f"({where}) AND category = ?"
            among_names.append(test.category)
        rows = db.execute(f"SELECT id FROM tags WHERE {where}", among_names).fetchall()  # noqa: S608
        found |= {row[0] for row in rows}
    return tuple(sorted(found))


def _tagged(ids: Sequence[int]) -> Clause:
    if not ids:
        return Clause("0")
    if len(ids) <= FEW:
        is_one = f"t.tag_id IN ({','.join('?' * len(ids))})"
        return Clause(_some_tag("", is_one), tuple(ids))
    # Its dozen of tags against a set, rather than thousands of look-ups.
    in_set = "+t.tag_id IN (SELECT value FROM json_each(?))"
    return Clause(_some_tag("INDEXED BY candidate_tags_candidate", in_set), (json.dumps(ids),))


def _some_tag(index: str, which: str) -> str:
    tags = f"SELECT 1 FROM candidate_tags t {index}"  # noqa: S608
    return f"EXISTS ({tags} WHERE t.candidate_id = {{id}} AND {which})"


def _same_picture(db: sqlite3.Connection, test: SamePicture) -> tuple[int, ...]:
    try:
        named = naming.find(db, naming.read_name(test.ref))
    except naming.Unnamed as error:
        raise BadQuery(f"group:{test.ref}: it {error}", hint="name a work as site:id") from error
    rows = db.execute(
        "SELECT id FROM candidates WHERE image = (SELECT image FROM candidates WHERE id = ?)",
        (named[0],),
    ).fetchall()
    return tuple(sorted({*named, *(row[0] for row in rows)}))


def _of_field(test: Within | OneOf | Begins) -> Clause:
    expression = value_of(test.field)
    sql, values = expression.sql, expression.values
    if isinstance(test, OneOf):
        marks = ",".join("?" * len(test.values))
        return Clause(f"{sql} IN ({marks})", (*values, *test.values), expression.tables)
    if isinstance(test, Begins):
        between = (test.prefix, test.prefix + "g")  # behind all that begins so: digits end at f
        return Clause(f"{sql} >= ? AND {sql} < ?", between, expression.tables)
    parts: list[str] = []
    given: list[object] = []
    for bound, sign in ((test.low, ">"), (test.high, "<")):
        if bound is not None:
            parts.append(f"{sql} {sign}{'' if bound.open else '='} ?")
            given += [*values, bound.value]
    return Clause(" AND ".join(parts), tuple(given), expression.tables)


def value_of(field: str) -> Clause:
    """The SQL of a field or measure."""
    if "." in field:  # a measure: FILTER.NAME
        return Clause("i.measures ->> ?", (f"$.{field}",), frozenset("ci"))
    sql = {**NUMBERS, **DATES, **TEXTS}[field]
    tables = frozenset(table for table in "ciw" if f"{table}." in sql)
    # The plus has SQLite use no index: which one is chosen by search.py, which has counted.
    return Clause(f"+{sql}", (), tables | {"c"} if "i" in tables else tables)


def bounds_of(test: Within, column: str) -> tuple[str, list[object]]:
    """A range as SQL of a column."""
    given = [(b, sign) for b, sign in ((test.low, ">"), (test.high, "<")) if b is not None]
    sql = " AND ".join(f"{column} {sign}{'' if b.open else '='} ?" for b, sign in given)
    return sql, [bound.value for bound, _ in given]


def sort_key(sort: Sort, of_work: Sequence[Clause]) -> Clause:
    """The SQL of what works are sorted by."""
    if sort.field == RANDOM:
        return Clause(f"({{id}} + ?) * {_MULTIPLIER} % 4294967296", (sort.seed * 7_919,))
    if sort.field == "id":
        return Clause("{id}")
    if sort.field == "position":
        where, values = all_of(of_work, "w.candidate_id")
        sql = (
            "(SELECT w.position FROM works w WHERE w.candidate_id = {id}"  # noqa: S608
            f" AND {where} ORDER BY w.crawl_id LIMIT 1)"
        )
        return Clause(sql, tuple(values))
    return value_of(sort.field)
