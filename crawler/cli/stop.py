"""``trawl stop``: ask the run of this workspace to stop."""

from __future__ import annotations

import click

from crawler.cli.options import debug_option, json_option, workspace_option


@click.command("stop", short_help="Stop the run that goes on in this workspace.")
@click.argument("crawl", required=False)
@click.option("--now", is_flag=True, help="Give up what is on its way: the next run fetches it.")
@workspace_option
@json_option
@debug_option
def command(crawl: str | None, now: bool, workspace: str | None, as_json: bool) -> None:
    """Stop the run of this workspace, wherever it was started, as Ctrl-C there would.

    Files on their way may finish (10 s); everything finished is kept, and `trawl resume` goes on.
    With CRAWL it is stopped only where that is the crawl that runs.
    """
    from crawler.cli.stopping import stop

    stop(crawl, workspace, now=now, as_json=as_json)
