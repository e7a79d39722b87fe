"""The work behind ``trawl resume``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import crawler
from crawler import plugins
from crawler.cli.crawling import Finished, follow, suggest, tell
from crawler.cli.options import find_workspace
from crawler.cli.output import printable
from crawler.cli.request import require_contact, show_of
from crawler.errors import Interrupted, TrawlError, UsageError
from crawler.settings import Settings, load
from storage.reader import Reader
from storage.records import Crawl


async def resume(wanted: str | None, every: bool, given: Mapping[str, Any]) -> None:
    """Resume the crawl asked for, or all; with several, the first error gives the exit code.

    One of all that cannot be resumed (its plug-in is gone) does not hold the others back.
    """
    workspace = find_workspace(given["workspace"])
    errors: list[TrawlError] = []
    for crawl in chosen(workspace, wanted, every):
        try:
            finished = await _resume(workspace, crawl, given)
        except Interrupted:
            raise
        except TrawlError as error:
            if not every:
                raise
            what = f"{crawl.spec.site} {crawl.spec.query}"
            why = printable(f"crawl {crawl.id} ({what}) cannot be resumed: {error.message}")
            click.echo(f"warning: {why}", err=True)
            errors.append(error)
            continue
        if failure := finished.failure:
            errors.append(failure)
            if finished.signal is not None or isinstance(failure, Interrupted):
                break
    if errors:
        raise errors[-1] if errors[-1].code == "E_INTERRUPTED" else errors[0]


async def _resume(workspace: Path, crawl: Crawl, given: Mapping[str, Any]) -> Finished:
    show = show_of(given)
    async with crawler.open(workspace, settings=_settings(workspace, crawl, given)) as ws:
        run = ws.resume(
            crawl.id,
            max_bytes=given["max_bytes"],
            max_time=given["max_time"],
            strict=given["strict"],
        )
        finished = await follow(run, show)
        tell(finished.summary, show)
        suggest(ws, finished, show, tiered=len(crawl.spec.options.get("tiers") or ()) > 1)
    return finished


def chosen(workspace: Path, wanted: str | None, every: bool) -> list[Crawl]:
    """The crawl whose id starts so, else the one that ran last of those not ended, or all these.

    One that has ended is not, while it owes works that people accepted or want tried again.
    Raises UsageError where there is none, or more than one is called so.
    """
    if wanted and every:
        raise UsageError("a crawl and --all exclude each other")
    with Reader(workspace) as reader:
        statuses = reader.crawls()
    crawls = [status.crawl for status in statuses]
    if wanted:
        found = [crawl for crawl in crawls if crawl.id.startswith(wanted)]
        exact = [crawl for crawl in found if crawl.id == wanted]
        if len(exact or found) != 1:
            problem = "several crawls have" if found else "no crawl has"
            raise UsageError(
                f"{problem} an id that starts with {wanted!r}", hint="`trawl status` lists them"
            )
        return exact or found
    open_ones = [s.crawl for s in statuses if s.crawl.state != "finished" or s.awaited]
    if not open_ones:
        raise UsageError("no crawl is waiting to be resumed", hint="`trawl status` lists them all")
    return open_ones if every else open_ones[:1]


def _settings(workspace: Path, crawl: Crawl, given: Mapping[str, Any]) -> Settings:
    site = crawl.spec.site
    flags = {} if given["rate"] is None else {f"sites.{site}.rate": given["rate"]}
    settings = load(workspace, flags=flags, trust_workspace=given["trust_workspace"])
    adapter = plugins.load(plugins.ADAPTERS, settings.adapter(site))
    require_contact(settings, settings.site(site, adapter.default_site))
    return settings
