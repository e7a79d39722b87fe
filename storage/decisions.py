"""People's decisions: what they accept and reject, whatever the rules say, and undoing it.

Functions of the writer's connection, each for one transaction. A decision is about a picture, in
whatever work it turns up, or about one work where nothing is known of its picture yet.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from storage import actions, naming
from storage.actions import Action
from storage.candidates import rungs
from storage.naming import Name, Unnamed
from storage.records import Candidate, Json, Ruling, State
from storage.rows import candidate_of, dumps, loads
from storage.states import BLOCKED, settle
from storage.stream import now
from storage.words import LEFT_OUT, TAKEN, UNTOUCHED, Word, awaited, said_of

Rule: TypeAlias = Callable[[Candidate, Mapping[str, Mapping[str, Json]] | None], Ruling]
RuleOf: TypeAlias = Callable[[str], Rule]
"""The policy of a crawl (its id) as a pure function of what is claimed and measured."""

EXAMPLES = 3
"""Works that an action is told by."""


@dataclass(frozen=True, slots=True)
class Move:
    """A work of a crawl whose state a decision changed."""

    crawl_id: str
    site: str
    site_id: str
    before: tuple[State, str | None]
    after: tuple[State, str | None]


@dataclass
class Decided:
    """What came of a decision, or of undoing one."""

    action: Action | None = None
    """What can be undone; None where nothing was decided."""
    moves: list[Move] = field(default_factory=list)
    decided: int = 0
    """Works that were named and may be decided."""
    already: int = 0
    """Works that were named and of which the same was said before."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(work, why nothing can be done with it), the end of a sentence."""
    twins: list[tuple[str, str]] = field(default_factory=list)
    """(work that was accepted, the work by which its picture is in the set)."""
    unknown: list[tuple[str, str]] = field(default_factory=list)
    """(what was written, why it names no work)."""
    waiting: Counter[str] = field(default_factory=Counter)
    """Crawl -> works accepted by people whose bytes the next run fetches."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What one row of ``decisions`` is about."""

    candidate_id: int | None = None
    picture: str | None = None


def decide(
    db: sqlite3.Connection,
    word: Word,
    names: Iterable[Name],
    rule_of: RuleOf,
    *,
    copy: bool = False,
    note: str | None = None,
) -> Decided:
    """Accept or reject works: all that are the same picture, with ``copy`` only those named.

    States follow at once in every crawl that met them. Never accepted is what is blocked (it is
    purged where that only shows now), what its source hides, and what could not be had.
    """
    done = Decided()
    subjects: dict[_Subject, None] = {}
    chosen: dict[int, str] = {}
    for name in names:
        try:
            found = naming.find(db, name)
            if copy and len(found) > 1:
                raise Unnamed(f"is the picture of {len(found)} works: name one as site:id")
        except Unnamed as why:
            done.unknown.append((name.text, str(why)))
            continue
        _choose(db, word, found, rule_of, copy, subjects, chosen, done)
    subjects = {subject: None for subject in subjects if _is_known(db, subject)}
    if not subjects:
        done.waiting = _waiting(db, chosen)
        done.twins = _twins(db, chosen)
        return done
    done.decided = len(chosen)
    about: dict[str, Json] = {"works": len(chosen), "examples": [*chosen.values()][:EXAMPLES]}
    about |= {"copy": True} if copy else {}
    about |= {"note": note} if note else {}
    action_id = actions.record(db, word, about, {})
    for subject in subjects:
        _say(db, subject, word, action_id)
    touched = _touched(db, subjects)
    done.moves = _follow(db, touched, rule_of)
    done.waiting = _waiting(db, touched)
    done.twins = _twins(db, chosen)
    done.action = actions.last(db)
    return done


def undo(db: sqlite3.Connection, action: Action, rule_of: RuleOf) -> Decided:
    """Put back what was decided before an accept or reject; states follow, by rule or by word."""
    subjects: list[_Subject] = []
    for row in db.execute("SELECT * FROM decided WHERE action_id = ?", (action.id,)).fetchall():
        subject = _Subject(row["candidate_id"], row["picture"])
        subjects.append(subject)
        _unsay(db, subject)
        if row["before"] is not None:
            _put(db, subject, loads(row["before"]))
    actions.mark_undone(db, action.id)
    touched = _touched(db, subjects)
    moves = _follow(db, touched, rule_of)
    return Decided(action, moves, len(touched), waiting=_waiting(db, touched))


# -- what is named ----------------------------------------------------------------------------


def _choose(
    db: sqlite3.Connection,
    word: Word,
    found: Sequence[int],
    rule_of: RuleOf,
    copy: bool,
    subjects: dict[_Subject, None],
    chosen: dict[int, str],
    done: Decided,
) -> None:
    """Note what a name means: the subjects of the decision, or why there is none."""
    if not copy:
        found = [*dict.fromkeys((*found, *_alike(db, found[0])))]
    works = [row for one in found for row in _works(db, one)]
    if not works or works[0]["candidate_id"] in chosen:
        return
    first = works[0]
    work = f"{first['site']}:{first['site_id']}"
    if why := _obstacle(word, works):
        done.refused.append((work, why))
        return
    if word == "accept" and _shown_blocked(db, works, rule_of):
        done.refused.append((work, "is blocked content, which is never taken"))
        return
    picture = None if copy else first["image"]
    about = [_Subject(picture=picture)] if picture is not None else []
    if picture is None or (word == "accept" and not first["stored"]):
        # What comes when it is fetched may be another file than the one that was judged.
        about += [_Subject(candidate_id=one) for one in found]
    chosen[first["candidate_id"]] = work
    if all(said_of(db, one["candidate_id"], one["image"]) == word for one in works) and all(
        _said(db, subject) is not None for subject in about
    ):
        done.already += 1
        return
    subjects |= dict.fromkeys(about)


def _alike(db: sqlite3.Connection, candidate_id: int) -> list[int]:
    """The works that are the same picture as one."""
    rows = db.execute(
        "SELECT id FROM candidates WHERE image ="
        " (SELECT image FROM candidates WHERE id = ?) ORDER BY id",
        (candidate_id,),
    ).fetchall()
    return [row["id"] for row in rows]


def _works(db: sqlite3.Connection, candidate_id: int) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT w.crawl_id, w.candidate_id, w.state, w.reason AS why, c.site, c.site_id, c.image,"
        " c.outcome, c.unavailable, i.stored FROM works w JOIN candidates c ON c.id ="
        " w.candidate_id LEFT JOIN images i ON i.sha256 = c.image WHERE w.candidate_id = ?",
        (candidate_id,),
    ).fetchall()


def _obstacle(word: Word, works: Sequence[sqlite3.Row]) -> str | None:
    """Why nothing can be decided about works that are one picture, as the end of a sentence."""
    if all(work["outcome"] == "blocked" for work in works):
        return "is blocked content: nothing of it is kept, and it is never taken"
    if word == "reject" or any(work["state"] in ("accepted", "duplicate") for work in works):
        return None
    if all(work["unavailable"] or work["state"] == "unavailable" for work in works):
        reason = works[0]["unavailable"] or works[0]["why"]
        return f"cannot be had: its source says {reason}"
    if all(work["unavailable"] or work["state"] in UNTOUCHED for work in works):
        failed = next(work for work in works if work["state"] == "failed")
        return (
            f"could not be had ({failed['why']}): `trawl retry {failed['crawl_id']} --reason"
            f" {failed['why']}` tries it again"
        )
    return None


def _shown_blocked(db: sqlite3.Connection, works: Sequence[sqlite3.Row], rule_of: RuleOf) -> bool:
    """Whether works are blocked content by what is known today; then they are purged."""
    for work in works:
        if _ruled(db, work["candidate_id"], rule_of(work["crawl_id"])).reason == BLOCKED.reason:
            settle(db, work["crawl_id"], work["candidate_id"], BLOCKED)
            return True
    return False


# -- what is said -----------------------------------------------------------------------------


def _about(subject: _Subject) -> tuple[str, int | str | None]:
    if subject.picture is not None:
        return "picture", subject.picture
    return "candidate_id", subject.candidate_id


def _said(db: sqlite3.Connection, subject: _Subject) -> sqlite3.Row | None:
    column, value = _about(subject)
    row: sqlite3.Row | None = db.execute(
        f"SELECT decision, action_id, at FROM decisions WHERE {column} = ?",  # noqa: S608
        (value,),
    ).fetchone()
    return row


def _is_known(db: sqlite3.Connection, subject: _Subject) -> bool:
    """False for what was purged together with another work that was named."""
    if subject.picture is not None:
        sql, value = "SELECT 1 FROM images WHERE sha256 = ?", subject.picture
        return db.execute(sql, (value,)).fetchone() is not None
    sql = "SELECT 1 FROM candidates WHERE id = ? AND outcome IS NOT 'blocked'"
    return db.execute(sql, (subject.candidate_id,)).fetchone() is not None


def _say(db: sqlite3.Connection, subject: _Subject, word: Word, action_id: int) -> None:
    before = _said(db, subject)
    db.execute(
        "INSERT INTO decided(action_id, candidate_id, picture, before) VALUES (?,?,?,?)",
        (
            action_id,
            subject.candidate_id,
            subject.picture,
            None if before is None else dumps(dict(before)),
        ),
    )
    _unsay(db, subject)
    _put(db, subject, {"decision": word, "action_id": action_id, "at": now()})


def _unsay(db: sqlite3.Connection, subject: _Subject) -> None:
    column, value = _about(subject)
    db.execute(f"DELETE FROM decisions WHERE {column} = ?", (value,))  # noqa: S608


def _put(db: sqlite3.Connection, subject: _Subject, said: Mapping[str, Any]) -> None:
    db.execute(
        "INSERT INTO decisions(candidate_id, picture, decision, action_id, at) VALUES (?,?,?,?,?)",
        (subject.candidate_id, subject.picture, said["decision"], said["action_id"], said["at"]),
    )


# -- what follows -----------------------------------------------------------------------------


def _touched(db: sqlite3.Connection, subjects: Iterable[_Subject]) -> list[int]:
    """The works that decisions are about, each once."""
    found: dict[int, None] = {}
    for subject in subjects:
        if subject.candidate_id is not None:
            found[subject.candidate_id] = None
            continue
        rows = db.execute(
            "SELECT id FROM candidates WHERE image = ? ORDER BY id", (subject.picture,)
        ).fetchall()
        found |= dict.fromkeys(row["id"] for row in rows)
    return list(found)


def _follow(db: sqlite3.Connection, touched: Iterable[int], rule_of: RuleOf) -> list[Move]:
    """Bring works to the states that words and policies give them now."""
    before = {(w["crawl_id"], one): w for one in touched for w in _works(db, one)}
    for (crawl_id, candidate_id), work in before.items():
        word = said_of(db, candidate_id, work["image"])
        if work["outcome"] == "blocked" or work["state"] in UNTOUCHED:
            continue
        if word == "accept" and work["unavailable"] and work["state"] in ("rejected", "pending"):
            continue  # hidden since: it stays left out, or its turn finds it hidden
        ruling = {"accept": TAKEN, "reject": LEFT_OUT, None: None}[word]
        if ruling is None:
            ruling = _ruled(db, candidate_id, rule_of(crawl_id))
            if ruling.state == "accepted" and (work["state"] == "pending" or not work["stored"]):
                ruling = Ruling("pending")
        settle(db, crawl_id, candidate_id, ruling)
    return [
        Move(crawl_id, w["site"], w["site_id"], (was["state"], was["why"]), (w["state"], w["why"]))
        for (crawl_id, one), was in before.items()
        for w in _works(db, one)
        if w["crawl_id"] == crawl_id and (w["state"], w["why"]) != (was["state"], was["why"])
    ]


def _ruled(db: sqlite3.Connection, candidate_id: int, rule: Rule) -> Ruling:
    """What a policy says of a work by all that is known of it."""
    row = db.execute(
        "SELECT c.*, i.measures FROM candidates c LEFT JOIN images i ON i.sha256 = c.image"
        " WHERE c.id = ?",
        (candidate_id,),
    ).fetchone()
    candidate = candidate_of(row, rungs(db, candidate_id))
    return rule(candidate.from_rung(row["rung"] or 0), loads(row["measures"]))


def _waiting(db: sqlite3.Connection, candidates: Iterable[int]) -> Counter[str]:
    """Crawl -> works among these that a person accepted and that wait for their bytes."""
    wanted = set(candidates)
    crawls = {w["crawl_id"] for one in wanted for w in _works(db, one) if w["state"] == "pending"}
    return Counter({one: len(wanted & set(awaited(db, one))) for one in sorted(crawls)})


def _twins(db: sqlite3.Connection, chosen: Mapping[int, str]) -> list[tuple[str, str]]:
    """Of these works, those that are duplicates, each with the work that stands for it."""
    rows = [
        (name, row["name"])
        for one, name in chosen.items()
        for row in db.execute(
            "SELECT d.site || ':' || d.site_id AS name FROM works w JOIN candidates d"
            " ON d.id = w.duplicate_of WHERE w.candidate_id = ? AND w.state = 'duplicate'",
            (one,),
        ).fetchall()
    ]
    return list(dict.fromkeys(rows))
