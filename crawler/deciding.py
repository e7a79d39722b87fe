"""What people decide about works of a workspace, from any process, also while a crawl runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from crawler import plugins
from crawler.errors import ConfigError, NotFound, StorageError, UsageError
from crawler.verdicts import Rules
from filters.policy import Judge, PolicyError
from storage import actions, crawls, decisions, naming, purge
from storage.actions import Action
from storage.database import write_once
from storage.decisions import Decided, Rule, RuleOf
from storage.files import FileStore
from storage.reader import Reader
from storage.words import Word
from storage.workspace import require_catalog

LARGEST = 10_000
"""Works that one action names: the catalog is written meanwhile, and a run waits ten seconds at
most before it takes that for trouble."""


def decide(
    path: Path, word: Word, refs: Iterable[str], *, copy: bool = False, note: str | None = None
) -> Decided:
    """Accept or reject what is called so (``site:id``, the start of a sha256, or a file of it).

    A person outranks a rule, for good: see :func:`storage.decisions.decide`. Raises NoWorkspace,
    StorageError, UsageError for more than :data:`LARGEST`, and ConfigError where a policy needs a
    plug-in that is gone.
    """
    require_catalog(path)
    asked = list(dict.fromkeys(refs))
    if len(asked) > LARGEST:
        raise UsageError(
            f"{len(asked)} works are named; {LARGEST} works at a time can be decided",
            hint=f"in parts: trawl query … --format refs | xargs -n {LARGEST} trawl {word}",
        )
    names = [naming.read_name(ref) for ref in asked]
    if note is not None:
        note = note.encode("utf-8", "replace").decode()  # a command line may hold what is no text
    judge = plugins.judge()  # slow to load: not while others wait for the catalog
    return _written(
        path, lambda db: decisions.decide(db, word, names, _rules(db, judge), copy=copy, note=note)
    )


def last_action(path: Path) -> Action | None:
    """What :func:`undo` would undo."""
    with Reader(path) as reader:
        return actions.last(reader.db)


def undo(path: Path, action: Action) -> Decided:
    """Undo an accept or reject, the last action that is not undone.

    Raises NotFound where somebody else has undone it, or done something after it.
    """

    judge = plugins.judge()

    def undone(db: sqlite3.Connection) -> Decided:
        last = actions.last(db)
        if last is None or last.id != action.id:
            raise NotFound("another action came between", hint="look at `trawl undo --list`")
        return decisions.undo(db, action, _rules(db, judge))

    return _written(path, undone)


def _written(path: Path, work: Callable[[sqlite3.Connection], Decided]) -> Decided:
    """One short write. What it purged is removed at once: no engine may come by for long."""
    catalog = require_catalog(path)

    def write(db: sqlite3.Connection) -> tuple[Decided, bool]:
        decided = work(db)
        return decided, db.execute("SELECT 1 FROM doomed LIMIT 1").fetchone() is not None

    decided, doomed = write_once(catalog, write)
    if doomed:
        write_once(catalog, lambda db: purge.remove_doomed(db, FileStore(path)))
    return decided


def _rules(db: sqlite3.Connection, judge: Judge) -> RuleOf:
    """The policies of crawls as the catalog has them; made when they are asked for."""

    @cache
    def rule_of(crawl_id: str) -> Rule:
        crawl = crawls.get(db, crawl_id)
        if crawl is None:
            raise StorageError(f"the catalog has works of a crawl {crawl_id}, but no such crawl")
        try:
            return Rules(judge, judge.policy(crawl.policy)).of_record
        except PolicyError as error:
            raise ConfigError(str(error)) from error

    return rule_of
