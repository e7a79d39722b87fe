"""Judging crawls again by another policy: looked at piece by piece, changed as one."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from crawler.policy_change import change_of
from crawler.verdicts import Rules, predicate_of, wider
from storage import states
from storage.judging import moves, rejudging, thresholds
from storage.judging.thresholds import Change
from storage.records import Crawl

T = TypeVar("T")
Progress: TypeAlias = Callable[[int, int], None]
"""Told how many works were judged one by one, and of how many."""


class Do(Protocol):
    """Runs a function of a connection as one transaction, as :meth:`Writer.do` does."""

    def __call__(
        self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False
    ) -> Awaitable[T]: ...


@dataclass(frozen=True)
class Case:
    """A crawl to be judged again, and the rules it is judged by."""

    crawl: Crawl
    rules: Rules
    change: Change
    """From the policy it was judged by."""

    @classmethod
    def of(cls, crawl: Crawl, rules: Rules) -> Case:
        return cls(crawl, rules, change_of(rules.judge, crawl.policy, rules.policy))

    @property
    def unlisted(self) -> bool:
        """Whether the site was asked for less than the policy wants: works may be unknown."""
        return wider(predicate_of(self.rules.policy), self.crawl.predicate)


def quiet(done: int, of: int) -> None:
    """No progress."""


async def judged(
    do: Do,
    cases: Sequence[Case],
    finish: Callable[[sqlite3.Connection], T],
    *,
    waiting: Mapping[str, Sequence[int]] | None = None,
    evidence: bool = True,
    progress: Progress = quiet,
) -> T:
    """Judge crawls again and return what ``finish`` makes of it, which may :func:`write` it.

    Works are looked at in short transactions, for others write meanwhile. What they become is known
    and changed in the last, with ``finish``: a kill leaves all or nothing. ``waiting`` (crawl ->
    candidates) are works that are not accepted before their turn. What
    is only told of needs no ``evidence``.
    """
    while True:
        words = await do(partial(_begin, cases=cases, evidence=evidence))
        await _one_by_one(do, cases, progress)
        end = partial(_end, words=words, waiting=waiting or {}, finish=finish)
        result = await do(end, alone=True)
        if result is not None:
            return result[0]


def _begin(db: sqlite3.Connection, cases: Sequence[Case], evidence: bool) -> tuple[int, int]:
    moves.begin(db)
    for change, alike in _groups(cases).items():
        thresholds.plan(db, change, alike, evidence=evidence)
    return moves.words(db)


def _groups(cases: Sequence[Case]) -> dict[Change, list[str]]:
    """The crawls of each change: those that change alike are asked of the catalog together."""
    groups: dict[Change, list[str]] = {}
    for case in cases:
        groups.setdefault(case.change, []).append(case.crawl.id)
    return groups


async def _one_by_one(do: Do, cases: Sequence[Case], progress: Progress) -> None:
    asked = await do(moves.asked)
    done = 0
    for case in cases:
        rule, after = case.rules.of_record, 0
        while asked.get(case.crawl.id):
            judge = partial(rejudging.judge_asked, crawl_id=case.crawl.id, rule=rule, after=after)
            count, place = await do(judge)
            done += count
            progress(done, sum(asked.values()))
            if place is None:
                break
            after = place


def _end(
    db: sqlite3.Connection,
    words: tuple[int, int],
    waiting: Mapping[str, Sequence[int]],
    finish: Callable[[sqlite3.Connection], T],
) -> tuple[T] | None:
    """The last step; None where people have decided something since the first."""
    if moves.words(db) != words:
        return None
    moves.as_they_were(db, waiting)
    moves.spread_blocked(db)
    moves.regroup(db)
    moves.add_up(db)
    result = finish(db)
    moves.end(db)
    return (result,)


def write(db: sqlite3.Connection, cases: Sequence[Case]) -> None:
    """Give works the states that were found.

    The policy of the crawl is for the caller to change, in the same transaction.
    """
    if blocked := moves.blocked(db):
        # What else goes with them is purged, too: nothing of it is left to be written.
        for crawl_id, candidate_id in blocked:
            states.settle(db, crawl_id, candidate_id, states.BLOCKED)
        moves.forget_blocked(db)
        moves.add_up(db)
    moves.name_pictures(db)
    with moves.at_once(db):
        for case in cases:
            moves.apply(db, case.crawl.id)
            thresholds.tell_thresholds(db, case.change, case.crawl.id)
            moves.settled(db, case.crawl.id)
