"""``trawl sheet``: many pictures on one, to look over a set."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import (
    COUNT,
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
@click.option("--limit", type=COUNT, help="At most so many works.")
@click.option("--sort", help="A field, such as pixels; with a minus in front the largest first.")
@click.option(
    "--list", "as_list", is_flag=True, help="Print the number of each picture, its work and reason."
)
@option_option
@workspace_option
@trust_option
@debug_option
def command(
    out: Path,
    words: tuple[str, ...],
    limit: int | None,
    sort: str | None,
    as_list: bool,
    assignments: tuple[tuple[str, str], ...],
    workspace: str | None,
    trust_workspace: bool,
) -> None:
    """Draw the pictures that match WORDS (none: the whole set) small into OUT.

    `trawl sheet upscaled.jpg reason:upscaled` shows what was rejected and why. Under each picture
    stands how other commands call it; --list prints it beside the number in its corner.
    """
    import asyncio

    from crawler.cli.exporting import layout_options, remarks
    from crawler.cli.looking import draw, numbered
    from crawler.cli.output import plain, write

    options = layout_options("sheet", dict(assignments))
    asked = [*words, f"sort:{sort}"] if sort else list(words)
    drawn = asyncio.run(
        draw(find_workspace(workspace), out, options, asked, limit, trust_workspace)
    )
    if as_list:
        click.echo(str(out), err=True)
        write(numbered(drawn.shown))
    else:
        write(str(out))
    for remark in remarks(plain(drawn.report)):
        click.echo(remark, err=True)
