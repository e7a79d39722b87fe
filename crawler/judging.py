"""Judging any time: what another policy would change, doing it, and undoing it.

A verdict is a pure function of claims, measures and policy, so that nothing is fetched to know it,
and undoing is judging again by the policies that crawls had before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crawler import plugins
from crawler.errors import ConfigError, NotFound, WorkspaceLocked
from crawler.judgement import Case, Progress, judged, quiet, write
from crawler.verdicts import Rules, named_files
from filters.policy import Judge, PolicyError, laid_over
from storage import actions, crawls, purge, tallies
from storage.actions import Action
from storage.database import write_once
from storage.files import FileStore
from storage.judging import moves, rejudging
from storage.judging.moves import Fetch, Tally
from storage.lock import EngineLock
from storage.reader import Reader
from storage.records import Crawl, Json
from storage.workspace import require_catalog
from storage.writer import Writer

T = TypeVar("T")

KIND = "judge"
"""The kind of the action."""
GOES_ON = "judged again: works of its set are to be found or fetched"
"""What is noted of a crawl that had finished."""


@dataclass(frozen=True)
class Judged:
    """What judging a crawl again changes."""

    crawl: Crawl
    moves: tuple[Tally, ...]
    fetch: Fetch
    unlisted: bool
    """Whether the site was asked for less than the policy wants: the next run lists it."""
    goes_on: bool
    """Whether the crawl had finished and has something to do again."""
    accepted: tuple[int, int]
    """Works accepted before and after."""
    names_files: bool
    """Whether the policy names files that filters run, so that the next run asks for trust."""

    @property
    def measured(self) -> int:
        """Works whose pictures are here and are measured again by the next run."""
        waiting = sum(m.count for m in self.moves if m.state == "pending" != m.before)
        return waiting - self.fetch.files

    @property
    def changed(self) -> int:
        """Works whose state or reason changes."""
        return sum(move.count for move in self.moves)

    @property
    def met(self) -> bool:
        """Whether its target is met afterwards."""
        return self.crawl.want is not None and self.accepted[1] >= self.crawl.want


@dataclass(frozen=True)
class Outcome:
    """What judging again changes, crawl by crawl."""

    crawls: tuple[Judged, ...]
    applied: bool = False
    action: int | None = None
    """What can be undone; None where the policies were these already."""


async def preview(
    path: Path,
    over: Mapping[str, Any],
    *,
    crawl: str | None = None,
    progress: Progress = quiet,
) -> Outcome:
    """What would change with ``over`` laid over the policy of every crawl, or of one.

    Writes nothing; also while an engine runs. Raises NoWorkspace, NotFound and ConfigError.
    """
    with Reader(path) as reader:
        db = reader.db
        # Only temporary tables are written: the catalog is opened for reading alone.
        db.execute("PRAGMA query_only=0")
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("BEGIN")

        async def do(work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
            return work(db)

        cases = _cases(db, over, crawl)
        return await judged(
            do, cases, lambda db: Outcome(_told(db, cases)), evidence=False, progress=progress
        )


async def apply(
    path: Path,
    over: Mapping[str, Any],
    *,
    crawl: str | None = None,
    progress: Progress = quiet,
) -> Outcome:
    """Do what :func:`preview` shows, as one action that can be undone: all of it or nothing.

    Raises WorkspaceLocked while an engine runs, and what :func:`preview` raises.
    """
    async with _writer(path) as writer:
        cases = await writer.do(lambda db: _cases(db, over, crawl))

        def finish(db: sqlite3.Connection) -> Outcome:
            told = _told(db, cases)
            if not any(case.crawl.policy != case.rules.policy.to_json() for case in cases):
                _write(db, cases, told)  # what was left to be judged, by the policy there was
                return Outcome(told, applied=True)
            before = {case.crawl.id: _kept(db, case.crawl) for case in cases}
            action = actions.record(db, KIND, _about(over, crawl, told), {"crawls": before})
            _write(db, cases, told)
            return Outcome(told, applied=True, action=action)

        return await judged(writer.do, cases, finish, progress=progress)


async def undo_judge(path: Path, action: Action, *, progress: Progress = quiet) -> Outcome:
    """Judge the crawls of an action of kind ``judge`` again by the policies they had before it.

    What has come since is judged by them, too. The action is noted as undone with it. Raises
    NotFound where it is not the last that is not undone, and what :func:`apply` raises.
    """
    before: Mapping[str, Any] = action.before["crawls"]
    async with _writer(path) as writer:
        cases = await writer.do(lambda db: _cases_before(db, before))
        waiting = {crawl_id: was["waiting"] for crawl_id, was in before.items()}

        def finish(db: sqlite3.Connection) -> Outcome:
            last = actions.last(db)
            if last is None or last.id != action.id:
                raise NotFound("another action came between", hint="look at `trawl undo --list`")
            told = _told(db, cases)
            _write(db, cases, told)
            for case in cases:
                was = before[case.crawl.id]
                if case.crawl.updated_at == was["updated_at"]:  # nobody has run it since
                    rejudging.return_to(db, case.crawl.id, was["state"], was["note"])
            actions.mark_undone(db, action.id)
            return Outcome(told, applied=True, action=action.id)

        return await judged(writer.do, cases, finish, waiting=waiting, progress=progress)


@asynccontextmanager
async def _writer(path: Path) -> AsyncIterator[Writer]:
    """The catalog as an engine has it, alone; what was purged is removed at the end."""
    catalog = require_catalog(path)
    lock = EngineLock(path)
    try:
        lock.acquire()
    except WorkspaceLocked as error:
        error.hint = "a crawl runs there: `trawl stop`, then judge, then `trawl resume`"
        raise
    try:
        writer = Writer(catalog, checkpoint=True)
        await writer.start()
        try:
            yield writer
        finally:
            await writer.close()
        write_once(catalog, lambda db: _remove_doomed(db, path))
    finally:
        lock.release()


def _remove_doomed(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("SELECT 1 FROM doomed LIMIT 1").fetchone():
        purge.remove_doomed(db, FileStore(path))


def _cases(db: sqlite3.Connection, over: Mapping[str, Any], crawl_id: str | None) -> list[Case]:
    if crawl_id is None:
        found = crawls.every(db)
    else:
        one = crawls.get(db, crawl_id)
        if one is None:
            raise NotFound(
                f"there is no crawl {crawl_id}",
                hint="`trawl status` lists the crawls of a workspace",
            )
        found = [one]
    judge = plugins.judge()
    return [_case(judge, crawl, laid_over(crawl.policy, over)) for crawl in found]


def _cases_before(db: sqlite3.Connection, before: Mapping[str, Any]) -> list[Case]:
    judge = plugins.judge()
    known = [crawl for crawl in crawls.every(db) if crawl.id in before]
    return [_case(judge, crawl, before[crawl.id]["policy"]) for crawl in known]


def _case(judge: Judge, crawl: Crawl, policy: Mapping[str, Any]) -> Case:
    try:
        return Case.of(crawl, Rules(judge, judge.policy(policy)))
    except PolicyError as error:
        raise ConfigError(f"crawl {crawl.id}: {error}") from error


def _told(db: sqlite3.Connection, cases: Sequence[Case]) -> tuple[Judged, ...]:
    found, fetches = moves.tallies(db), moves.fetches(db)
    return tuple(
        _judged(db, case, found.get(case.crawl.id, []), fetches.get(case.crawl.id, Fetch()))
        for case in cases
    )


def _judged(db: sqlite3.Connection, case: Case, found: Sequence[Tally], fetch: Fetch) -> Judged:
    crawl = case.crawl
    taken = sum(one.count for one in found if one.state == "accepted")
    lost = sum(one.count for one in found if one.before == "accepted")
    # A crawl that had finished has its target to meet again, or works to fetch or to list.
    before = tallies.accepted_count(db, crawl.id)
    after = before + taken - lost
    short = crawl.want is None or after < crawl.want
    missing = lost > taken and crawl.want is not None
    waiting = any(one.state == "pending" != one.before for one in found)
    goes_on = short and bool(missing or waiting or case.unlisted)
    goes_on = goes_on and crawl.state == "finished"
    files = bool(named_files(case.rules.judge, case.rules.policy))
    told = tuple(found)
    return Judged(crawl, told, fetch, case.unlisted, goes_on, (before, after), files)


def _about(
    over: Mapping[str, Any], crawl_id: str | None, told: Sequence[Judged]
) -> dict[str, Json]:
    """What was asked for, in the words of the command line."""
    set_ = [
        f"{name}.{option}={_text(value)}"
        for name, section in over.items()
        if name != "allow"
        for option, value in section.items()
    ]
    allowed = [f"allow={_text(over['allow'])}"] if over.get("allow") else []
    return {
        "examples": [*set_, *allowed, *([f"crawl:{crawl_id}"] if crawl_id else [])],
        "changed": sum(one.changed for one in told),
    }


def _text(value: Any) -> str:
    many = isinstance(value, (list, tuple, set, frozenset))
    return ",".join(map(str, value)) if many else str(value)


def _kept(db: sqlite3.Connection, crawl: Crawl) -> dict[str, Json]:
    """What undoing needs to know of a crawl."""
    return {
        "policy": crawl.policy,
        "state": crawl.state,
        "note": crawl.note,
        "updated_at": crawl.updated_at,
        "waiting": moves.waiting(db, crawl.id),
    }


def _write(db: sqlite3.Connection, cases: Sequence[Case], told: Sequence[Judged]) -> None:
    write(db, cases)
    for case, one in zip(cases, told, strict=True):
        rejudging.follow(db, case.crawl.id, case.rules.policy.to_json())
        if one.goes_on:
            rejudging.open_again(db, case.crawl.id, GOES_ON)
