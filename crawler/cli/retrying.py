"""The work behind ``trawl retry``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from crawler.cli.options import find_workspace
from crawler.cli.output import as_json, write
from crawler.cli.report import outcome
from crawler.cli.resuming import chosen, resume
from crawler.errors import UsageError
from storage import crawls, retrying, tallies
from storage.database import write_once
from storage.lock import EngineLock
from storage.reader import Reader
from storage.workspace import CATALOG


async def retry(wanted: str | None, reasons: Sequence[str], given: Mapping[str, Any]) -> None:
    """Make failed works pending again and resume their crawl; say so where there is none.

    Raises UsageError for a reason that no work can fail for, WorkspaceLocked while a run goes on,
    and what resuming raises.
    """
    workspace = find_workspace(given["workspace"])
    crawl_id, failed = _crawl(workspace, wanted, reasons)
    unknown = [name for name in reasons if name not in failed and outcome(name) is None]
    if unknown:
        there = ", ".join(f"{name} ({count})" for name, count in failed.items()) or "no failed work"
        where = "the workspace" if crawl_id is None else f"crawl {crawl_id}"
        raise UsageError(f"no work fails for {', '.join(unknown)}; {where} has: {there}")
    names = set(failed) & set(reasons or failed)
    if crawl_id is None or not names:
        _nothing(crawl_id, reasons, given)
        return
    with EngineLock(workspace):  # a run that goes on would have to be told
        count = write_once(
            workspace / CATALOG, lambda db: retrying.retry(db, crawl_id, sorted(names))
        )
    if not given["quiet"]:
        click.echo(
            f"crawl {crawl_id}: {count} failed works are {_what_now(workspace, crawl_id)}", err=True
        )
    await resume(crawl_id, False, given)


def _what_now(workspace: Path, crawl_id: str) -> str:
    with Reader(workspace) as reader:
        crawl, have = reader.crawl(crawl_id), tallies.accepted_count(reader.db, crawl_id)
    if crawl is None or crawl.want is None or have < crawl.want:
        return "tried again"
    return (
        f"pending again, but its target of {crawl.want} is met: what is accepted by"
        " `trawl accept` is fetched all the same"
    )


def _crawl(
    workspace: Path, wanted: str | None, reasons: Collection[str]
) -> tuple[str | None, dict[str, int]]:
    """The crawl that is meant, and its failed works by reason: else the last that has such."""
    if wanted:
        (crawl,) = chosen(workspace, wanted, False)
        with Reader(workspace) as reader:
            return crawl.id, retrying.failed(reader.db, crawl.id)
    with Reader(workspace) as reader:
        found = [(c.id, retrying.failed(reader.db, c.id)) for c in crawls.every(reader.db)]
    for crawl_id, failed in found:
        if set(failed) & set(reasons or failed):
            return crawl_id, failed
    return next(((one, failed) for one, failed in found if failed), (None, {}))


def _nothing(crawl_id: str | None, reasons: Sequence[str], given: Mapping[str, Any]) -> None:
    if given["as_json"] or given["ndjson"]:
        write(as_json({"v": 1, "type": "retry", "crawl": crawl_id, "works": 0}))
        return
    why = f" for {' or '.join(reasons)}" if reasons else ""
    where = "" if crawl_id is None else f" of crawl {crawl_id}"
    write(f"no work{where} has failed{why}: nothing to try again")
