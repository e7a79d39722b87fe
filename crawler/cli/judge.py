"""``trawl judge``: what another policy would change, and doing it."""

from __future__ import annotations

from typing import Any

import click

from crawler.cli.options import debug_option, json_option, policy_options, workspace_option


@click.command("judge", short_help="See what other thresholds would change, and change it.")
@click.option("--crawl", help="Only this crawl (an id from `trawl status`).")
@policy_options
@click.option("--apply", "applied", is_flag=True, help="Do it; `trawl undo` takes it back.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@workspace_option
@json_option
@debug_option
def command(**given: Any) -> None:
    """Judge every work again, by the policy of its crawl with these options laid over it.

    Nothing is fetched: works are judged by what was claimed and measured of them. Without --apply
    nothing is changed either. What a person accepted or rejected stays so.
    """
    import asyncio

    from crawler.cli.judging import judge

    asyncio.run(judge(given))
