"""``trawl stream``: the event log as lines, for programs that work on the set."""

from __future__ import annotations

import click

from crawler.cli.options import debug_option, find_workspace, trust_option, workspace_option


@click.command("stream", short_help="Events of the set as NDJSON, for other programs.")
@click.option("--after", type=click.IntRange(min=0), help="Only events after this seq.")
@click.option("--follow", is_flag=True, help="Wait for more.")
@click.option("--consumer", help="A named reader: it goes on after the last acknowledged event.")
@click.option("--ack-stdin", is_flag=True, help="Acknowledge the seqs read from standard input.")
@workspace_option
@trust_option
@debug_option
def command(
    after: int | None,
    follow: bool,
    consumer: str | None,
    ack_stdin: bool,
    workspace: str | None,
    trust_workspace: bool,
) -> None:
    """Print what happened to the set, one JSON object a line, in the order it happened.

    With --consumer an event counts as done when its line was written; with --ack-stdin when its
    seq came back on standard input, one a line.
    """
    import asyncio

    from crawler.cli.streaming import stream
    from crawler.errors import UsageError
    from crawler.settings import load
    from storage.workspace import require_catalog

    if ack_stdin and consumer is None:
        raise UsageError("--ack-stdin needs a --consumer to acknowledge for")
    if after is not None and consumer is not None:
        raise UsageError("--after and --consumer exclude each other")
    path = find_workspace(workspace)
    require_catalog(path)
    settings = load(path, trust_workspace=trust_workspace)
    asyncio.run(stream(path, settings, consumer, after, follow, ack_stdin))
