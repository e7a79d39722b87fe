"""``trawl crawl``: gather from one source."""

from __future__ import annotations

from typing import Any

import click

from crawler.cli.options import crawl_options


@click.command("crawl", short_help="Gather pictures from one source.")
@click.argument("source")
@click.argument("query", nargs=-1, required=True)
@crawl_options(want=None)
def command(source: str, query: tuple[str, ...], **given: Any) -> None:
    """Gather the pictures that SOURCE has for QUERY.

    The same command again goes on where the last one stopped. `trawl sources` lists the sources.
    """
    import asyncio

    from crawler.cli.crawling import crawl
    from crawler.cli.request import request_of

    asyncio.run(crawl(request_of(source, query, given)))
