"""``trawl undo``: take back what a person did last."""

from __future__ import annotations

import click

from crawler.cli.options import debug_option, json_option, workspace_option


@click.command("undo", short_help="Take back the last accept, reject or judge.")
@click.option("--list", "listed", is_flag=True, help="Only list what was done, newest first.")
@workspace_option
@json_option
@debug_option
def command(listed: bool, workspace: str | None, as_json: bool) -> None:
    """Take back the last accept, reject or applied judge; again goes further back, without limit.

    Works return to what their crawl's policy, or an earlier word, says of them.
    """
    from crawler.cli.decisions import list_actions, undo

    (list_actions if listed else undo)(workspace, as_json=as_json)
