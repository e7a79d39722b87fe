"""``trawl accept``: a person's word that works belong to the set."""

from __future__ import annotations

import click

from crawler.cli.options import debug_option, json_option, workspace_option


@click.command("accept", short_help="Take works whatever the rules say.")
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.option("--note", metavar="TEXT", help="Why, in your words; `trawl undo --list` shows it.")
@workspace_option
@json_option
@debug_option
def command(refs: tuple[str, ...], note: str | None, workspace: str | None, as_json: bool) -> int:
    """Take the works named REF into the sets of all crawls that met them, now and later.

    REF is site:id, an id or the URL of a page that only one work has, the start of a sha256, or a
    stored or exported file; a dash reads them from standard input, as `trawl query --format refs`
    writes them. What is not on disk is fetched by the next run, also beyond its target. Blocked,
    hidden and failed works cannot be accepted.
    """
    from crawler.cli.decisions import decide

    return decide("accept", refs, workspace, as_json=as_json, note=note)
