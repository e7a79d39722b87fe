"""``trawl resume``: go on with crawls that have not ended."""

from __future__ import annotations

from typing import Any

import click

from crawler.cli.options import run_options, workspace_option


@click.command("resume", short_help="Go on with a crawl that was stopped.")
@click.argument("crawl", required=False)
@click.option("--all", "every", is_flag=True, help="Every crawl that has not ended, one by one.")
@workspace_option
@run_options
def command(crawl: str | None, every: bool, **given: Any) -> None:
    """Go on with CRAWL (an id from `trawl status`), else with the one that ran last.

    Its query, target and policy are those it was started with.
    """
    import asyncio

    from crawler.cli.resuming import resume

    asyncio.run(resume(crawl, every, given))
