"""The work behind ``trawl judge``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from crawler import judging
from crawler.cli.options import find_workspace, policy_of
from crawler.cli.output import as_json, plain, printable, size, table, write
from crawler.cli.request import checked
from crawler.judgement import Progress, quiet
from crawler.judging import Judged, Outcome

MANY = 5_000
"""Works judged one by one that take so long that a person wants to see it."""
PAUSE = 10.0
"""Seconds between two lines of progress, where it is no terminal."""


async def judge(given: Mapping[str, Any]) -> None:
    """Judge again, or show what that would change. Raises UsageError and what judging raises."""
    path, over = find_workspace(given["workspace"]), policy_of(given)
    checked(over)
    act = judging.apply if given["applied"] else judging.preview
    with _progress(given["quiet"]) as progress:
        outcome = await act(path, over, crawl=given["crawl"], progress=progress)
    if given["as_json"]:
        write(as_json(document(outcome), indent=2))
    else:
        write(text(outcome))


def document(outcome: Outcome) -> dict[str, Any]:
    """What was found as JSON: crawls with their moves, and what is to be fetched."""
    return {
        "v": 1,
        "type": "judge",
        "applied": outcome.applied,
        "action": outcome.action,
        "crawls": [
            {
                "crawl": one.crawl.id,
                "site": one.crawl.spec.site,
                "query": one.crawl.spec.query,
                "changed": one.changed,
                "moves": plain(one.moves),
                "fetch": plain(one.fetch),
                "measured_again": one.measured,
                "unlisted": one.unlisted,
                "goes_on": one.goes_on,
                "accepted": {"before": one.accepted[0], "after": one.accepted[1]},
            }
            for one in outcome.crawls
        ],
    }


def text(outcome: Outcome) -> str:
    """What was found, for a person."""
    done = outcome.applied
    lines: list[str] = []
    for one in outcome.crawls:
        lines += [*_crawl(one, done), ""]
    changed = sum(one.changed for one in outcome.crawls)
    if done and outcome.action is None:
        lines.append("the thresholds were these already")
    elif done:
        lines.append(f"{_works(changed)} changed; take it back with: trawl undo")
        lines += [
            f"go on with: trawl resume {one.crawl.id}"
            + (" --trust-workspace" if one.names_files else "")
            for one in outcome.crawls
            if one.goes_on
        ]
    elif not outcome.crawls:
        lines.append("no crawl was started in this workspace yet")
    elif changed or any(one.unlisted for one in outcome.crawls):
        lines.append("nothing was changed; do it with: --apply")
    else:
        lines.append("nothing would change")
    return "\n".join(lines)


def _works(count: int) -> str:
    return "1 work" if count == 1 else f"{count or 'no'} works"


def _crawl(one: Judged, done: bool) -> Iterator[str]:
    spec = one.crawl.spec
    yield printable(f"{one.crawl.id} {spec.site} {spec.query}:")
    if not one.moves:
        yield "no work changes"
    else:
        rows = [
            [
                move.before,
                move.reason_before,
                "→",
                move.state,
                move.reason,
                move.count,
                move.example,
            ]
            for move in one.moves
        ]
        headings = ["from", "reason", "", "to", "for", "count", "example"]
        yield table(headings, rows, right="count")
        want = f" of {one.crawl.want} wanted" if one.crawl.want is not None else ""
        yield f"accepted: {one.accepted[0]} → {one.accepted[1]}{want}"
    if files := one.fetch.files:
        unsized = f" and {one.fetch.unsized} of unknown size" if one.fetch.unsized else ""
        have = "have" if done else "would have"
        known = size(one.fetch.bytes)
        yield f"{files} files {have} to be fetched: {known} as claimed{unsized}"
    if one.measured:
        have = "have" if done else "would have"
        yield f"{one.measured} pictures that are here {have} to be measured again"
    if one.unlisted:
        then = "none is needed, for its target is met" if one.met else "the next run lists them"
        yield f"the site was asked for less than this: works may exist that were not listed; {then}"


@contextmanager
def _progress(silent: bool) -> Iterator[Progress]:
    """What shows how far a long judgement is, on standard error."""
    if silent:
        yield quiet
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield progress
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("judging", visible=False)

        def progress(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, visible=of >= MANY)

        yield progress


def _lines() -> Progress:
    told = time.monotonic()

    def progress(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told > PAUSE:
            told = time.monotonic()
            click.echo(f"{done} of {of} works judged", err=True)

    return progress
