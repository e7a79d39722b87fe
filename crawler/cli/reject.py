"""``trawl reject``: a person's word that works do not belong to the set."""

from __future__ import annotations

import click

from crawler.cli.options import debug_option, json_option, workspace_option


@click.command("reject", short_help="Leave works out whatever the rules say.")
@click.argument("refs", metavar="REF...", nargs=-1, required=True)
@click.option("--copy", is_flag=True, help="Only this work, not the others that are its picture.")
@click.option("--note", metavar="TEXT", help="Why, in your words; `trawl undo --list` shows it.")
@workspace_option
@json_option
@debug_option
def command(
    refs: tuple[str, ...], copy: bool, note: str | None, workspace: str | None, as_json: bool
) -> int:
    """Leave the works named REF out of the sets of all crawls, now and later.

    With them go all works that are the same picture, also those met later. REF is site:id, an id or
    the URL of a page that only one work has, the start of a sha256, or a stored or exported file; a
    dash reads them from standard input, as `trawl query --format refs` writes them. No file is
    deleted.
    """
    from crawler.cli.decisions import decide

    return decide("reject", refs, workspace, as_json=as_json, copy=copy, note=note)
