"""The work behind ``trawl stop``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from crawler.cli.options import find_workspace
from crawler.cli.output import as_json as to_json
from crawler.cli.output import write
from crawler.errors import StorageError, UsageError
from storage import crawls, stopping
from storage.database import write_once
from storage.lock import engine_running
from storage.reader import Reader
from storage.records import CrawlStatus
from storage.workspace import CATALOG, require_catalog

PATIENCE = 20.0
"""Seconds after which a run that was asked has ended (files on their way get ten of them), unless
something is wrong with it."""
PATIENCE_NOW = 15.0
AGAIN = 2.0
"""Seconds between two requests: one that met a run while it began may have been cleared away."""


def stop(wanted: str | None, given: str | None, *, now: bool, as_json: bool) -> None:
    """Ask the run to stop and wait until it has; nothing running is no error.

    Raises UsageError where another crawl runs, and StorageError where the run goes on all the same.
    """
    path = find_workspace(given)
    require_catalog(path)
    if not engine_running(path):
        if as_json:
            write(to_json({"v": 1, "type": "stop", "crawl": None, "state": None}, indent=2))
        else:
            write(f"nothing is running in {path}")
        return
    running = _running(path)
    if wanted and (running is None or not running.startswith(wanted)):
        what = "nothing of it is known yet" if running is None else f"crawl {running} is"
        raise UsageError(f"crawl {wanted} is not the one that runs: {what}")
    if not as_json:
        how = "gives up what is on its way" if now else "files on their way may finish (10 s)"
        click.echo(
            f"asked {'the run' if running is None else f'crawl {running}'} to stop; {how}", err=True
        )
    _ask_until_it_ends(path, 2 if now else 1, PATIENCE_NOW if now else PATIENCE)
    write_once(path / CATALOG, stopping.take)
    status = _status(path, running)
    if as_json:
        write(
            to_json(
                {
                    "v": 1,
                    "type": "stop",
                    "crawl": running,
                    "state": None if status is None else status.crawl.state,
                    "accepted": None if status is None else status.accepted,
                    "want": None if status is None else status.crawl.want,
                    "pending": None if status is None else status.pending,
                },
                indent=2,
            )
        )
    else:
        write(_told(status))


def _running(path: Path) -> str | None:
    """The crawl that runs; None while the run has not opened it yet."""
    with Reader(path) as reader:
        return next((c.id for c in crawls.every(reader.db) if c.state == "running"), None)


def _ask_until_it_ends(path: Path, level: int, patience: float) -> None:
    deadline, again = time.monotonic() + patience, 0.0
    while engine_running(path):
        if time.monotonic() > deadline:
            raise StorageError(
                f"the run has not ended in {patience:g} s",
                hint="`trawl stop --now` gives up what is on its way; engine.lock in the workspace"
                " says which process it is",
            )
        if time.monotonic() > again:
            again = time.monotonic() + AGAIN
            write_once(path / CATALOG, lambda db: stopping.ask(db, level))
        time.sleep(0.1)


def _status(path: Path, crawl_id: str | None) -> CrawlStatus | None:
    with Reader(path) as reader:
        return next((s for s in reader.crawls() if crawl_id in (None, s.crawl.id)), None)


def _told(status: CrawlStatus | None) -> str:
    if status is None:
        return "the run has ended before there was a crawl"
    crawl = status.crawl
    count = f"{status.accepted} of {crawl.want}" if crawl.want else str(status.accepted)
    told = f"crawl {crawl.id} is {crawl.state}: {count} accepted, {status.pending} pending"
    return told if crawl.state == "finished" else f"{told}\ngo on with: trawl resume {crawl.id}"
