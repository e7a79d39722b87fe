"""Which works a changed threshold moves, asked of the catalog at once.

A work that is not :mod:`storage.unjudged` has the state its crawl's policy gives it. So a new
threshold moves only works whose value lies between the old one and the new, and their next
objection is known by SQL as long as the filters after it say nothing but thresholds. All other
works that may move are asked one by one. Functions of a connection; only temporary tables change.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from storage.rows import dumps
from storage.unjudged import ODD

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZES = frozenset({"side", "pixels"})
_OPEN = "w.state IN ('accepted', 'duplicate', 'pending')"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number a filter objects beyond, before a change of policy and after; None: it does not."""

    filter: str
    reason: str
    measure: str
    old: float | None
    new: float | None
    most: bool = False
    """Whether more than it is objected to; else less."""
    claimed: bool = False
    """Whether it is of the size, as decoded or, before that, as claimed."""

    @property
    def can_be_asked(self) -> bool:
        """Whether its names are plain enough for a question to be written with them."""
        if self.claimed:
            return self.measure in _SIZES
        return bool(_NAME.fullmatch(self.filter) and _NAME.fullmatch(self.measure))

    @property
    def looser(self) -> bool:
        """Whether something it objected to passes now."""
        if self.old is None or self.old == self.new:
            return False
        return self.new is None or (self.new > self.old) == self.most

    @property
    def tighter(self) -> bool:
        """Whether it objects now to something that passed."""
        return self.old != self.new and not self.looser

    @property
    def value(self) -> str:
        """SQL of the number, of candidate ``c`` and its image ``i``."""
        if self.claimed:
            return f"c.{self.measure}"
        path = f"'$.{self.filter}.{self.measure}'"
        return (
            f"CASE WHEN json_type(i.measures, {path}) IN ('integer', 'real') THEN {self._raw} END"
        )

    @property
    def told(self) -> str:
        """SQL of the number as the evidence of a verdict gives it."""
        if self.claimed:
            return f"CAST({self.value} AS TEXT)"
        return f"(i.measures -> '$.{self.filter}.{self.measure}')"

    @property
    def _raw(self) -> str:
        return f"json_extract(i.measures, '$.{self.filter}.{self.measure}')"

    @property
    def objects(self) -> str:
        """SQL of whether it objects now; only where it objects to anything."""
        return f"{self.value} {'>' if self.most else '<'} {self.new!r}"

    @property
    def between(self) -> str:
        """A query of the candidates whose number lies between the old value and the new."""
        old, new = self.old, self.new
        low, high = (new, old) if self.tighter == self.most else (old, new)
        column = f"c.{self.measure}" if self.claimed else self._raw
        ends = [
            *([] if low is None else [f"{column} {'>' if self.most else '>='} {low!r}"]),
            *([] if high is None else [f"{column} {'<=' if self.most else '<'} {high!r}"]),
        ]
        if self.claimed:
            return f"SELECT c.id FROM candidates c WHERE {' AND '.join(ends)}"  # noqa: S608
        return (
            "SELECT c.id FROM images i CROSS JOIN candidates c ON c.image = i.sha256"  # noqa: S608
            f" WHERE {' AND '.join(ends)} AND {self.value} IS NOT NULL"
        )


@dataclass(frozen=True, slots=True)
class Change:
    """How a policy differs from the one before, in plain values."""

    filters: tuple[str, ...]
    """The names of all filters, in the order in which they judge."""
    reasons: frozenset[str]
    """Every reason they can give."""
    thresholds: tuple[Threshold, ...] = ()
    """All thresholds of the filters that say nothing else, in the order in which they are told."""
    opaque: frozenset[str] = frozenset()
    """The filters that have judgements of their own."""
    allowed: frozenset[tuple[str, str]] = frozenset()
    """(filter, reason) that are newly allowed of these."""
    doubtful: tuple[Threshold, ...] = ()
    """Changed thresholds of these, by other filters' options: what they may move is asked."""
    whole: bool = False
    """Whether every work has to be asked one by one."""

    @property
    def changed(self) -> tuple[Threshold, ...]:
        return tuple(one for one in self.thresholds if one.old != one.new)


def plan(
    db: sqlite3.Connection, change: Change, crawl_ids: Sequence[str], *, evidence: bool = True
) -> None:
    """Note what becomes of works of crawls whose policies change alike: see :mod:`.moves`.

    Works that SQL cannot judge are put to ``asked``. Without ``evidence`` it is not noted what was
    measured of the others, nor which picture they are: what is only told of needs neither.
    """
    _choose(db, crawl_ids)
    if change.whole:
        _ask(db, "works w WHERE TRUE")
        return
    _ask_doubtful(db, change)
    ranked = list(enumerate(change.thresholds))
    for number, threshold in ranked:
        if threshold.tighter:
            _reject(db, change, number, threshold, evidence)
    for number, threshold in ranked:
        if threshold.looser:
            _release(db, change, number, threshold)
    db.execute(
        "DELETE FROM moves WHERE (candidate_id, crawl_id) IN (SELECT candidate_id, crawl_id"
        " FROM asked)"
    )


def _choose(db: sqlite3.Connection, crawl_ids: Sequence[str]) -> None:
    db.execute("DELETE FROM judging")
    db.executemany("INSERT INTO judging VALUES (?)", ((crawl_id,) for crawl_id in crawl_ids))


def _ask(db: sqlite3.Connection, source: str, *values: object) -> None:
    db.execute(
        "INSERT OR IGNORE INTO asked SELECT w.crawl_id, w.position, w.candidate_id"  # noqa: S608
        f" FROM {source} AND w.crawl_id IN (SELECT crawl_id FROM judging)",
        values,
    )


def _ask_doubtful(db: sqlite3.Connection, change: Change) -> None:
    """Ask again what may not have the state of the old policy, and what people decided."""
    _ask(
        db,
        "unjudged u CROSS JOIN works w ON w.crawl_id = u.crawl_id"
        " AND w.candidate_id = u.candidate_id WHERE TRUE",
    )
    of_image = "candidates c CROSS JOIN works w ON w.candidate_id = c.id WHERE c.image IN"
    _ask(db, f"{of_image} (SELECT sha256 FROM images WHERE {ODD})")  # noqa: S608
    _ask(db, "works w WHERE w.candidate_id IN (SELECT candidate_id FROM decisions)")
    _ask(db, f"{of_image} (SELECT picture FROM decisions)")  # noqa: S608
    for filter, reason in sorted(change.allowed):
        _ask(db, f"{_REJECTED} AND w.reason = ? AND w.filter = ?", reason, filter)
    for one in change.doubtful:
        _ask(db, f"works w INDEXED BY works_candidate WHERE w.candidate_id IN ({one.between})")
        # Also those it goes on rejecting, which are told the new value.
        _ask(db, f"{_REJECTED} AND w.reason = ? AND w.filter = ?", one.reason, one.filter)
    # A filter that had no options may be gone without a trace in the policy.
    known = db.execute(
        "SELECT DISTINCT reason FROM tallies WHERE state = 'rejected'"
        " AND crawl_id IN (SELECT crawl_id FROM judging)"
    ).fetchall()
    for (reason,) in known:
        if reason not in change.reasons:
            _ask(db, f"{_REJECTED} AND w.reason IS nullif(?, '')", reason)


_REJECTED = "judging j CROSS JOIN works w ON w.crawl_id = j.crawl_id WHERE w.state = 'rejected'"


def _reject(
    db: sqlite3.Connection, change: Change, number: int, threshold: Threshold, evidence: bool
) -> None:
    """Works that pass now, or that a later objection rejects, and that this one rejects first."""
    later = change.filters[change.filters.index(threshold.filter) + 1 :]
    after = [t.reason for t in change.thresholds[number + 1 :] if t.filter == threshold.filter]
    told, joined = "NULL, NULL", ""
    if evidence:
        told, joined = (
            f"{threshold.told}, c.image",
            "CROSS JOIN candidates c ON c.id = w.candidate_id",
        )
        joined += "" if threshold.claimed else " LEFT JOIN images i ON i.sha256 = c.image"
    db.execute(
        "INSERT OR IGNORE INTO moves(candidate_id, crawl_id, position, before, why_before, state,"  # noqa: S608
        " reason, threshold, filter, number, measured, image)"
        " SELECT w.candidate_id, w.crawl_id, w.position, w.state, w.reason, 'rejected',"
        f" ?, ?, ?, ?, {told} FROM works w INDEXED BY works_candidate {joined}"
        f" WHERE w.candidate_id IN ({threshold.between})"
        " AND w.crawl_id IN (SELECT crawl_id FROM judging)"
        f" AND ({_OPEN} OR (w.state = 'rejected' AND (w.filter IN ({_marks(later)})"
        f" OR (w.filter = ? AND w.reason IN ({_marks(after)})))))",
        (
            *(threshold.reason, dumps(threshold.new), threshold.filter, number),
            *(*later, threshold.filter, *after),
        ),
    )


def _release(db: sqlite3.Connection, change: Change, number: int, threshold: Threshold) -> None:
    """Works that this one rejected and no longer does: the next objection counts, if any."""
    works = (
        f"works w INDEXED BY works_candidate WHERE w.candidate_id IN ({threshold.between})"
        " AND w.state = 'rejected' AND w.reason = ? AND w.filter = ?"
    )
    later = change.filters[change.filters.index(threshold.filter) + 1 :]
    if change.opaque.intersection(later):
        _ask(db, works, threshold.reason, threshold.filter)
        return
    next_ones = [*_later(change, number)]
    db.execute(
        "INSERT OR IGNORE INTO moves(candidate_id, crawl_id, position, before, why_before, state,"  # noqa: S608
        " number, measured, image)"
        " SELECT w.candidate_id, w.crawl_id, w.position, w.state, w.reason,"
        " CASE WHEN i.stored THEN 'accepted' ELSE 'pending' END,"
        f" {_first([(one, str(n)) for n, one in next_ones])},"
        f" {_first([(one, one.told) for _, one in next_ones])}, c.image"
        " FROM (SELECT w.candidate_id, w.crawl_id, w.position, w.state, w.reason"
        f" FROM {works} AND w.crawl_id IN (SELECT crawl_id FROM judging)) w"
        " CROSS JOIN candidates c ON c.id = w.candidate_id"
        " LEFT JOIN images i ON i.sha256 = c.image",
        (threshold.reason, threshold.filter),
    )
    for other, one in next_ones:
        db.execute(
            "UPDATE moves SET state = 'rejected', reason = ?, threshold = ?, filter = ?"
            " WHERE number = ? AND state != 'rejected'",
            (one.reason, dumps(one.new), one.filter, other),
        )


def _later(change: Change, number: int) -> Iterator[tuple[int, Threshold]]:
    for other, threshold in enumerate(change.thresholds):
        if other > number and threshold.new is not None:
            yield other, threshold


def _first(arms: Sequence[tuple[Threshold, str]]) -> str:
    """SQL of what stands beside the first threshold that objects; null where none does."""
    if not arms:
        return "NULL"
    return f"CASE {' '.join(f'WHEN {one.objects} THEN {value}' for one, value in arms)} END"


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def tell_thresholds(db: sqlite3.Connection, change: Change, crawl_id: str) -> None:
    """Works that stay rejected for what has changed are told the new value."""
    for threshold in change.changed:
        if threshold.new is not None:
            db.execute(
                "UPDATE works SET threshold = ?1 WHERE crawl_id = ?2 AND state = 'rejected'"
                " AND reason = ?3 AND filter = ?4 AND threshold IS NOT ?1",
                (dumps(threshold.new), crawl_id, threshold.reason, threshold.filter),
            )
