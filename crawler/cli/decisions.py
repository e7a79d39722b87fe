"""The work behind ``trawl accept``, ``trawl reject`` and ``trawl undo``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from crawler import deciding
from crawler.cli.options import find_workspace
from crawler.cli.output import as_json as to_json
from crawler.cli.output import printable, table, write
from crawler.cli.refs import read, shortly
from crawler.cli.refs import told as told_problems
from crawler.errors import NotFound, TrawlError, UsageError
from storage import actions
from storage.actions import Action
from storage.decisions import Decided
from storage.reader import Reader
from storage.words import Word

LISTED = 100
"""Actions that ``trawl undo --list`` shows."""
_DONE: Mapping[str, str] = MappingProxyType({"accept": "accepted", "reject": "rejected"})


def decide(
    word: Word,
    refs: Sequence[str],
    given: str | None,
    *,
    as_json: bool,
    copy: bool = False,
    note: str | None = None,
) -> int:
    """Accept or reject and say what came of it.

    The exit code is 0 where something was done, or nothing was named. Raises UsageError where
    nothing could be done, and NotFound where a ref names nothing, though the rest is done.
    """
    named = list(read(refs))
    done = deciding.decide(find_workspace(given), word, named, copy=copy, note=note)
    problems = [*done.unknown, *done.refused]
    # Of works that were named: some may be named twice, and said before.
    count = done.decided or done.already
    if as_json:
        write(to_json(_document(word, done), indent=2))
    elif named:
        write("\n".join([*_lines(word, done), f"{count} {_DONE[word]}, {len(problems)} not"]))
    else:
        write(f"nothing was named, nothing is {_DONE[word]}")
    if len(problems) == 1 and not count:
        raise _error(done, f"{shortly(problems[0][0])} {printable(problems[0][1])}")
    for line in told_problems(problems):
        click.echo(f"not {_DONE[word]}: {line}", err=True)
    if problems and (done.unknown or not count):
        raise _error(done, f"{len(problems)} of {len(named)} could not be {_DONE[word]}")
    return 0


def _error(done: Decided, message: str) -> TrawlError:
    if not done.unknown:
        return UsageError(message)
    hint = "name works as site:id, by their page, the start of a sha256, or a file"
    return NotFound(message, hint=hint)


def undo(given: str | None, *, as_json: bool) -> None:
    """Undo the last action and say what that was. Raises NotFound where none is left."""
    path = find_workspace(given)
    action = deciding.last_action(path)
    if action is None:
        raise NotFound("nothing is left to undo", hint="`trawl undo --list` shows what was done")
    document, lines = (
        _undone_judge(path, action) if action.kind == "judge" else _undone(path, action)
    )
    if as_json:
        write(to_json(document, indent=2))
    else:
        write("\n".join([f"undone: {told(action)}", *lines]))


def _undone(path: Path, action: Action) -> tuple[dict[str, Any], list[str]]:
    done = deciding.undo(path, action)
    return _document("undo", done), list(_crawls(done))


def _undone_judge(path: Path, action: Action) -> tuple[dict[str, Any], list[str]]:
    from crawler import judging

    done = asyncio.run(judging.undo_judge(path, action))
    wanted = _wanted(path)
    lines = []
    for one in done.crawls:
        moved = sum(tally.count for tally in one.moves)
        parts = [f"{works(moved)} changed their state"]
        if files := min(one.fetch.files, wanted.get(one.crawl.id, one.fetch.files)):
            parts.append(_wait(files, one.crawl.id))
        if moved:
            lines.append(f"  crawl {one.crawl.id}: {', '.join(parts)}")
    document = {
        "v": 1,
        "type": "undo",
        "action": action.id,
        "about": told(action),
        "crawls": [
            {"crawl": one.crawl.id, "moves": one.moves, "fetch": one.fetch} for one in done.crawls
        ],
    }
    return document, lines


def _wanted(path: Path) -> dict[str, int]:
    """Crawl -> works that people want, of those crawls whose target is met: no others are fetched.

    A crawl that is not here fetches what waits.
    """
    with Reader(path) as reader:
        return {
            status.crawl.id: status.awaited
            for status in reader.crawls()
            if status.crawl.want is not None and status.accepted >= status.crawl.want
        }


def list_actions(given: str | None, *, as_json: bool) -> None:
    """What people did, the newest first, and what of it was undone."""
    with Reader(find_workspace(given)) as reader:
        found = actions.recent(reader.db, LISTED)
    if as_json:
        write(to_json({"v": 1, "type": "actions", "actions": found}, indent=2))
    elif not found:
        write("nothing was accepted, rejected or judged by hand yet")
    else:
        rows = [[a.id, a.at, told(a), a.about.get("note"), a.undone_at] for a in found]
        write(table(["action", "at", "what", "note", "undone"], rows, right="action"))


def told(action: Action) -> str:
    """An action in a few words."""
    about: Mapping[str, Any] = action.about
    examples = ", ".join(map(str, about.get("examples", ())))
    works = about.get("works", 0)
    more = works - len(about.get("examples", ()))
    only = " (only this copy)" if about.get("copy") else ""
    named = f"{examples} and {more} more" if more > 0 else examples
    return printable(f"{action.kind} {named}{only}".strip())


def _lines(word: Word, done: Decided) -> Iterator[str]:
    if done.action is not None:
        yield f"{_DONE[word]}: {told(done.action).removeprefix(word).strip()}"
    if done.already:
        yield f"{done.already} {_DONE[word]} by a person before"
    yield from told_problems((work, f"is in the set already as {by}") for work, by in done.twins)
    yield from _crawls(done)


def _crawls(done: Decided) -> Iterator[str]:
    """A line for each crawl whose set changed, or has works that are to be fetched."""
    for crawl in sorted({move.crawl_id for move in done.moves} | {*done.waiting}):
        moves = [move for move in done.moves if move.crawl_id == crawl]
        now = sum(move.after[0] == "accepted" for move in moves)
        was = sum(move.before[0] == "accepted" for move in moves)
        parts = [f"{now - was:+d} in the set"] if now != was else []
        others = sum(move.before[0] != move.after[0] for move in moves) - abs(now - was)
        if not parts and others > 0:
            parts.append(f"{works(others)} changed their state")
        if waiting := done.waiting.get(crawl):
            parts.append(_wait(waiting, crawl))
        if parts:
            yield f"  crawl {crawl}: {', '.join(parts)}"


def _document(kind: str, done: Decided) -> dict[str, Any]:
    problems = [(ref, why, "unknown") for ref, why in done.unknown]
    problems += [(ref, why, "refused") for ref, why in done.refused]
    return {
        "v": 1,
        "type": kind,
        "action": None if done.action is None else done.action.id,
        "about": None if done.action is None else told(done.action),
        "decided": done.decided,
        "already": done.already,
        "moves": [
            {
                "crawl": move.crawl_id,
                "work": f"{move.site}:{move.site_id}",
                "before": {"state": move.before[0], "reason": move.before[1]},
                "after": {"state": move.after[0], "reason": move.after[1]},
            }
            for move in done.moves
        ],
        "waiting": dict(done.waiting),
        "duplicates": [{"work": work, "of": by} for work, by in done.twins],
        "problems": [{"ref": ref, "why": why, "kind": kind} for ref, why, kind in problems],
    }


def works(count: int) -> str:
    """``1 work``, ``2 works``."""
    return "1 work" if count == 1 else f"{count} works"


def _wait(count: int, crawl: str) -> str:
    wait = "1 waits for its file" if count == 1 else f"{count} wait for their files"
    return f"{wait}: trawl resume {crawl}"
