"""``trawl inspect``: what the filters say of files on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crawler.cli.options import (
    debug_option,
    json_option,
    policy_options,
    trust_option,
    workspace_option,
)


@click.command("inspect", short_help="What the filters measure and say of files.")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE…"
)
@policy_options
@click.option(
    "--explain",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Say what each filter saw, and draw it into FOLDER, a picture for each file.",
)
@click.option("--ndjson", is_flag=True, help="One JSON object a line.")
@json_option
@workspace_option
@trust_option
@debug_option
def command(
    paths: tuple[Path, ...], explain: Path | None, ndjson: bool, as_json: bool, **given: Any
) -> None:
    """Judge each FILE (of a folder: every picture in it) as a crawl would, and change nothing."""
    from crawler.cli.inspection import headline, in_words, looks
    from crawler.cli.options import find_workspace, policy_of
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import write
    from crawler.cli.request import checked
    from crawler.settings import load
    from filters.policy import laid_over

    workspace = find_workspace(given["workspace"])
    settings = load(workspace, trust_workspace=given["trust_workspace"])
    policy = checked(laid_over(settings.policy, policy_of(given)))
    found = looks(paths, policy, explain)
    if as_json:
        write(to_json(list(found), indent=2))
        return
    for look in found:
        write(to_json(look) if ndjson else headline(look))
        if explain is not None and not ndjson:
            write(in_words(look))
