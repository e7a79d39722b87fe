"""``trawl sheet``: many pictures on one, to look over a set."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import (
    WordsCommand,
    debug_option,
    find_workspace,
    option_option,
    trust_option,
    workspace_option,
)


@click.command("sheet", cls=WordsCommand, short_help="A contact sheet: many pictures on one.")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("words", nargs=-1)
@option_option
@workspace_option
@trust_option
@debug_option
def command(
    out: Path,
    words: tuple[str, ...],
    assignments: tuple[tuple[str, str], ...],
    workspace: str | None,
    trust_workspace: bool,
) -> None:
    """Draw the pictures that match WORDS (none: the whole set) small into OUT.

    `trawl sheet upscaled.jpg reason:upscaled` shows what was rejected and why.
    """
    import asyncio

    from crawler.cli.exporting import export, layout_options, remarks
    from crawler.cli.output import plain, write

    options = layout_options("sheet", dict(assignments))
    workspace_found = find_workspace(workspace)
    report = asyncio.run(
        export(workspace_found, "sheet", out, options, words=words, trust_workspace=trust_workspace)
    )
    write(str(out))
    for remark in remarks(plain(report)):
        click.echo(remark, err=True)
