"""``trawl status``: every crawl of a workspace and how far it is."""

from __future__ import annotations

import click

from crawler.cli.options import (
    DURATION,
    debug_option,
    find_workspace,
    json_option,
    workspace_option,
)

WATCH_SECONDS = "2"
LEAST_SECONDS = 0.1


@click.command("status", short_help="Crawls, how far they are, and why works were left out.")
@click.argument("crawl", required=False)
@click.option("--explain", is_flag=True, help="Say what every reason means (takes a moment).")
@click.option(
    "--watch",
    type=DURATION,
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Look again every {WATCH_SECONDS} seconds (or so many), until Ctrl-C.",
)
@workspace_option
@json_option
@debug_option
def command(
    crawl: str | None,
    explain: bool,
    watch: float | None,
    workspace: str | None,
    as_json: bool,
) -> None:
    """Show every crawl of the workspace, and the table of reasons of CRAWL or of the last one.

    Also who crawls at this moment, which hosts asked us to wait and until when, how far consumers
    of the stream lag behind, and what is on disk.
    """
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import printable, write
    from crawler.cli.overview import document, look, text
    from storage.reader import Reader

    explanations = None
    if explain:
        from crawler import plugins

        explanations = plugins.judge().reasons()

    with Reader(find_workspace(workspace)) as reader:

        def told() -> str:
            seen = look(reader, crawl)
            for warning in seen.warnings:
                click.echo(printable(f"warning: {warning}"), err=True)
            if as_json:
                return to_json(document(seen), indent=None if watch else 2)
            return text(seen, explanations)

        if watch is None:
            write(told())
        else:
            from crawler.cli.watching import watch as watch_it

            watch_it(reader, told, max(watch, LEAST_SECONDS), live=not as_json)
