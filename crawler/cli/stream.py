"""``trawl stream``: the event log as lines or as a folder, for programs that work on the set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crawler.cli.options import (
    COUNT,
    NAMES,
    debug_option,
    find_workspace,
    option_option,
    trust_option,
    workspace_option,
)


@click.command("stream", short_help="Events of the set as NDJSON, or as a folder that follows it.")
@click.option("--consumer", help="A named reader: it goes on after the last acknowledged event.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    help="Only events after this seq; with --consumer where a new one begins.",
)
@click.option("--follow", is_flag=True, help="Wait for more.")
@click.option("--ack-stdin", is_flag=True, help="Take answers to events from standard input.")
@click.option(
    "--max-inflight",
    type=COUNT,
    help="Lines without an answer before the next one waits.  [default: 1000]",
)
@click.option(
    "--kind",
    "kinds",
    type=NAMES,
    help="Only these: accepted, superseded, retracted, retagged, crawl_finished.",
)
@click.option("--crawl", help="Only what happens to the set of this crawl.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep this folder as the set is, instead of printing. What was taken away from it stays"
    " away until `trawl consumers rewind NAME --to-start` has what is missing written again.",
)
@option_option
@workspace_option
@trust_option
@debug_option
def command(**given: Any) -> None:
    """Print what happened to the set, one JSON object a line, in the order it happened.

    With --consumer an event counts as done when its line was written. With --ack-stdin it does when
    it is answered, a line an answer, in any order:

    \b
      SEQ                  done
      nack SEQ [SECONDS]   failed: give it again, in so many seconds (5)

    What has no answer comes again in the next run, what failed 5 times is put aside: `trawl
    consumers`. A consumer is read by one process at a time.

    With --folder, pictures appear there by one rename, each with its caption before it, and go when
    they are withdrawn. Each is given once; --option takes the options of captions (trigger=…), and
    copy=yes.
    """
    import asyncio

    from crawler.cli import streaming
    from crawler.cli.signals import interruptible
    from crawler.settings import load
    from storage.workspace import require_catalog

    _check(given)
    path = find_workspace(given["workspace"])
    require_catalog(path)
    settings = load(path, trust_workspace=given["trust_workspace"])
    hint = "the same command goes on where this one stopped" if given["consumer"] else ""
    with interruptible("stopped reading the stream", hint):
        if given["folder"] is None:
            asyncio.run(streaming.lines(path, settings, given))
        else:
            asyncio.run(streaming.folder(path, settings, given))


def _check(given: dict[str, Any]) -> None:
    from crawler.errors import UsageError

    if given["consumer"] is None:
        for name in ("ack_stdin", "folder", "max_inflight"):
            if given[name]:
                raise UsageError(f"--{name.replace('_', '-')} needs a --consumer")
    if given["folder"] is None and given["assignments"]:
        raise UsageError("--option is for the captions of a --folder")
    for name in ("ack_stdin", "after", "kinds", "max_inflight"):
        if given["folder"] is not None and given[name] is not None and given[name] is not False:
            what = name.rstrip("s").replace("_", "-")
            raise UsageError(f"--{what} is for lines, and --folder prints none")
