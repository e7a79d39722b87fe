"""``trawl consumers``: who reads the stream, how far they are, and what they gave up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from crawler.cli.options import debug_option, find_workspace, json_option, workspace_option

if TYPE_CHECKING:
    from crawler.consumers import NamedConsumer


@click.group(
    "consumers", invoke_without_command=True, short_help="Who reads the stream, and how far."
)
@workspace_option
@json_option
@debug_option
@click.pass_context
def command(ctx: click.Context, workspace: str | None, as_json: bool) -> None:
    """List the consumers of the stream: the last event up to which each is done, how many it has
    yet to do (lag), how many it gave up (dead), and when it was last heard of.
    """
    ctx.obj = workspace
    if ctx.invoked_subcommand is not None:
        return
    from crawler import consumers
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import table, write

    found = consumers.every(find_workspace(workspace))
    if as_json:
        write(to_json(found, indent=2))
        return
    if not found:
        write("nobody reads the stream yet: `trawl stream --consumer NAME`")
        return
    rows = [(c.name, c.acked_seq, c.lag, c.dead, c.updated_at) for c in found]
    write(
        table(("consumer", "acked", "lag", "dead", "last heard of"), rows, right="acked lag dead")
    )


@command.command("rewind", short_help="Have a consumer read again, or skip.")
@click.argument("name")
@click.option("--to", type=click.IntRange(min=0), help="Go on after this seq.")
@click.option(
    "--to-time",
    type=click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")),
    help="Go on with what happened since (local time).",
)
@click.option("--to-start", is_flag=True, help="Go on with the first event.")
@workspace_option
@debug_option
@click.pass_context
def rewind(
    ctx: click.Context,
    name: str,
    to: int | None,
    to_time: datetime | None,
    to_start: bool,
    workspace: str | None,
) -> None:
    """Have consumer NAME go on from somewhere else; its answers from there on are void."""
    from crawler.cli.output import write
    from crawler.errors import UsageError

    given = [where for where in (to, to_time, 0 if to_start else None) if where is not None]
    if len(given) != 1:
        raise UsageError("rewind takes one of --to SEQ, --to-time TIME and --to-start")
    after = _consumer(ctx, workspace, name).rewind(given[0])
    write(f"{name} goes on after event {after}")


@command.command("dead", short_help="What a consumer gave up.")
@click.argument("name")
@click.option("--retry", is_flag=True, help="Give them all once more.")
@workspace_option
@json_option
@debug_option
@click.pass_context
def dead(ctx: click.Context, name: str, retry: bool, workspace: str | None, as_json: bool) -> None:
    """List the events that consumer NAME gave up after too many tries, with its last words."""
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import table, write

    consumer = _consumer(ctx, workspace, name)
    if retry:
        write(f"{consumer.retry_dead()} events are given to {name} again")
        return
    letters = consumer.dead_letters()
    if as_json:
        write(to_json(letters, indent=2))
        return
    rows = [
        (d.seq, d.kind, f"{d.site}:{d.site_id}" if d.site else "", d.attempts, d.error)
        for d in letters
    ]
    write(table(("seq", "event", "work", "tries", "error"), rows, right="seq tries"))


@command.command("forget", short_help="Forget a consumer.")
@click.argument("name")
@workspace_option
@debug_option
@click.pass_context
def forget(ctx: click.Context, name: str, workspace: str | None) -> None:
    """Forget consumer NAME: a reader of that name begins with the first event."""
    from crawler.cli.output import write

    _consumer(ctx, workspace, name).forget()
    write(f"{name} is forgotten")


def _consumer(ctx: click.Context, workspace: str | None, name: str) -> NamedConsumer:
    from crawler.consumers import NamedConsumer
    from storage.workspace import require_catalog

    path = find_workspace(workspace or ctx.obj)
    require_catalog(path)
    return NamedConsumer(path, name)
