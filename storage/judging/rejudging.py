"""Judging the works of a crawl again, one by one, from what was claimed and measured of them.

Any change of policy can be judged so; what changed thresholds alone decide,
:mod:`.thresholds` finds much faster, and the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from storage.judging import moves
from storage.records import Candidate, Json, Ruling
from storage.rows import candidate_of, dumps, loads
from storage.states import BLOCKED, evidence, settle
from storage.words import heed, said_of

Rule: TypeAlias = Callable[[Candidate, Mapping[str, Mapping[str, Json]] | None], Ruling]
"""A policy as a pure function of what is claimed and measured (None: nothing yet)."""

CHUNK = 1_000
"""Works judged in one transaction: others wait for the writer meanwhile."""
_JUDGED = frozenset({"accepted", "duplicate", "rejected", "pending"})
"""States of works that follow the policy."""
_WORK = (
    "SELECT w.position, w.state, w.candidate_id, w.reason AS why, w.measured, w.threshold,"
    " w.filter, c.*, i.stored, i.measures"
)
_KNOWN = (
    "JOIN candidates c ON c.id = w.candidate_id LEFT JOIN images i ON i.sha256 = c.image"
    " WHERE coalesce(c.outcome, '') != 'blocked'"
)


def rejudge(db: sqlite3.Connection, crawl_id: str, rule: Rule, after: int = 0) -> int | None:
    """Apply a changed policy to the next :data:`CHUNK` works.

    A work the policy now wants goes back to pending where its bytes are not on disk. One that is
    pending can be rejected here but not accepted: whether it is wanted, its turn decides. One that
    failed or is unavailable can only be blocked. Returns the position to go on after; None when
    that was the last.
    """
    chunk = (crawl_id, after, after + CHUNK)
    works = db.execute(
        f"{_WORK} FROM works w {_KNOWN} AND w.crawl_id = ? AND w.position > ? AND w.position <= ?"
        " ORDER BY w.position",
        chunk,
    ).fetchall()
    for work, ruling in _changed(db, works, rule):
        settle(db, crawl_id, work["candidate_id"], ruling)
    last = db.execute("SELECT max(position) FROM works WHERE crawl_id = ?", (crawl_id,)).fetchone()
    return after + CHUNK if (last[0] or 0) > after + CHUNK else None


def judge_asked(
    db: sqlite3.Connection, crawl_id: str, rule: Rule, after: int = 0
) -> tuple[int, int | None]:
    """Judge the next :data:`CHUNK` works of a crawl that are ``asked`` (see :mod:`.moves`).

    What becomes of them is only noted, as :func:`rejudge` would have it. Returns how many these
    were, and the position to go on after; None when none are left.
    """
    works = db.execute(
        f"{_WORK}, c.outcome IS 'blocked' AS is_blocked FROM asked a CROSS JOIN works w"
        " ON w.crawl_id = a.crawl_id AND w.position = a.position"
        " JOIN candidates c ON c.id = w.candidate_id LEFT JOIN images i ON i.sha256 = c.image"
        " WHERE a.crawl_id = ? AND a.position > ? ORDER BY a.position LIMIT ?",
        (crawl_id, after, CHUNK),
    ).fetchall()
    for work, ruling in _changed(db, (work for work in works if not work["is_blocked"]), rule):
        word = said_of(db, work["candidate_id"], work["image"])
        heeded = heed(ruling, word, held=bool(work["stored"]))
        if (heeded.state, heeded.reason) != (work["state"], work["why"]) or heeded == ruling:
            moves.note(db, crawl_id, work, heeded)
    return len(works), works[-1]["position"] if len(works) == CHUNK else None


def _changed(
    db: sqlite3.Connection, works: Iterable[sqlite3.Row], rule: Rule
) -> Iterator[tuple[sqlite3.Row, Ruling]]:
    """The works whose verdict is no longer what the catalog says, each with the new one."""
    works = list(works)
    ladders = _ladders(db, [work["candidate_id"] for work in works])
    for work in works:
        candidate = candidate_of(work, ladders.get(work["candidate_id"], ()))
        ruling = rule(candidate.from_rung(work["rung"] or 0), loads(work["measures"]))
        if work["state"] not in _JUDGED and ruling.reason != BLOCKED.reason:
            continue
        if ruling.state == "accepted" and (work["state"] == "pending" or not work["stored"]):
            ruling = Ruling("pending")
        if ruling.state == work["state"] == "pending":
            continue  # also one that is to be tried again
        alike = {work["state"], ruling.state} <= {"accepted", "duplicate"}
        known = (work["state"], work["why"], work["measured"], work["threshold"], work["filter"])
        if not alike and known != (ruling.state, ruling.reason, *evidence(ruling)):
            yield work, ruling


def _ladders(db: sqlite3.Connection, candidate_ids: list[int]) -> dict[int, list[sqlite3.Row]]:
    """The rungs of candidates, each in order."""
    ladders: dict[int, list[sqlite3.Row]] = {}
    marks = ",".join("?" * len(candidate_ids))
    for rung in db.execute(
        f"SELECT * FROM rungs WHERE candidate_id IN ({marks}) ORDER BY candidate_id, position",  # noqa: S608
        candidate_ids,
    ).fetchall():
        ladders.setdefault(rung["candidate_id"], []).append(rung)
    return ladders


def follow(db: sqlite3.Connection, crawl_id: str, policy: Mapping[str, Json]) -> None:
    """Note the policy that all works of a crawl were judged by."""
    db.execute("UPDATE crawls SET policy = ? WHERE id = ?", (dumps(policy), crawl_id))


def open_again(db: sqlite3.Connection, crawl_id: str, note: str) -> None:
    """Have a crawl that had finished go on, also with what its source has that is new."""
    db.execute("UPDATE cursors SET exhausted = 0 WHERE crawl_id = ?", (crawl_id,))
    return_to(db, crawl_id, "stopped", note)


def return_to(db: sqlite3.Connection, crawl_id: str, state: str, note: str | None) -> None:
    """Give a crawl a state without having run it: when it was touched last stays."""
    db.execute("UPDATE crawls SET state = ?, note = ? WHERE id = ?", (state, note, crawl_id))
