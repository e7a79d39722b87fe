"""``trawl retry``: try works again that failed."""

from __future__ import annotations

from typing import Any

import click

from crawler.cli.options import NAMES, run_options, workspace_option


@click.command("retry", short_help="Try works again that failed, and go on.")
@click.argument("crawl", required=False)
@click.option("--reason", "reasons", type=NAMES, help="Only for these, such as http_5xx,timeout.")
@workspace_option
@run_options
def command(crawl: str | None, reasons: tuple[str, ...] | None, **given: Any) -> None:
    """Try the works of CRAWL again that failed, and go on with it as `trawl resume` does.

    They are tried also where the target is met: those that are good are accepted beyond it. Without
    CRAWL it is the one that ran last and has such works. What earlier runs tried no longer counts:
    each work gets as many tries as a new one.
    """
    import asyncio

    from crawler.cli.retrying import retry

    asyncio.run(retry(crawl, reasons or (), given))
