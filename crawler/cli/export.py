"""``trawl export``: lay the set out for a trainer."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import (
    COUNT,
    WordsCommand,
    debug_option,
    find_workspace,
    json_option,
    option_option,
    trust_option,
    workspace_option,
)


@click.command("export", cls=WordsCommand, short_help="Lay the set out for a trainer.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("words", nargs=-1)
@click.option("--layout", required=True, help="kohya, imagefolder, …; `trawl sources` lists them.")
@click.option("--crawl", help="Only what this crawl accepted.")
@click.option("--trigger", help="The word to train, first in every caption.")
@click.option("--repeats", type=COUNT, help="How often a trainer sees a picture.")
@option_option
@workspace_option
@json_option
@trust_option
@debug_option
def command(
    folder: Path,
    words: tuple[str, ...],
    layout: str,
    crawl: str | None,
    trigger: str | None,
    repeats: int | None,
    assignments: tuple[tuple[str, str], ...],
    workspace: str | None,
    as_json: bool,
    trust_workspace: bool,
) -> None:
    """Bring FOLDER to hold the pictures that match WORDS (none: the whole set) in a layout.

    Run again, it changes only what changed.
    """
    import asyncio

    from crawler.cli.exporting import caption_options, export, layout_options, report_text
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import plain, write

    options = layout_options(layout, dict(assignments))
    report = asyncio.run(
        export(
            find_workspace(workspace),
            layout,
            folder,
            {**options, **caption_options(layout, trigger, repeats)},
            crawl=crawl,
            words=words,
            trust_workspace=trust_workspace,
        )
    )
    write(to_json(report, indent=2) if as_json else report_text(plain(report)))
