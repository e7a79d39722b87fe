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
from storage import crawls, retrying
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
    if crawl_id is None or not (names or (not reasons and _waiting(workspace, crawl_id))):
        _nothing(workspace, crawl_id, reasons, given)
        return
    with EngineLock(workspace):  # a run that goes on would have to be told
        write_once(workspace / CATALOG, lambda db: retrying.retry(db, crawl_id, sorted(names)))
    if not given["quiet"]:
        count = _waiting(workspace, crawl_id)
        what = "1 work that failed is" if count == 1 else f"{count} works that failed are"
        click.echo(f"crawl {crawl_id}: {what} tried again", err=True)
    try:
        await resume(crawl_id, False, given)
    finally:
        if not given["quiet"] and (left := _waiting(workspace, crawl_id)):
            what = "1 work was not tried" if left == 1 else f"{left} works were not tried"
            click.echo(f"{what}: trawl resume {crawl_id} goes on", err=True)


def _waiting(workspace: Path, crawl_id: str) -> int:
    with Reader(workspace) as reader:
        return retrying.waiting(reader.db, crawl_id)


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
    waiting = ((one, failed) for one, failed in found if failed or _waiting(workspace, one))
    return next(waiting, (None, {}))


def _nothing(
    workspace: Path, crawl_id: str | None, reasons: Sequence[str], given: Mapping[str, Any]
) -> None:
    if given["as_json"] or given["ndjson"]:
        write(as_json({"v": 1, "type": "retry", "crawl": crawl_id, "works": 0}))
        return
    why = f" for {' or '.join(reasons)}" if reasons else ""
    where = "" if crawl_id is None else f" of crawl {crawl_id}"
    write(f"no work{where} has failed{why}: nothing to try again")
    if crawl_id is not None and (left := _waiting(workspace, crawl_id)):
        what = "1 work waits" if left == 1 else f"{left} works wait"
        write(f"{what} to be tried again since an earlier retry: trawl resume {crawl_id}")
