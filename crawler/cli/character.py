"""``trawl character``: one line for a character set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crawler.cli.options import COUNT, NAMES, crawl_options


@click.command("character", short_help="A training set of one character, from tag to folder.")
@click.argument("tag")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the trainer; the contact sheet is written beside it.",
)
@click.option("--layout", default="kohya", show_default=True, help="kohya or imagefolder.")
@click.option("--trigger", help="The word to train, first in every caption.")
@click.option("--repeats", type=COUNT, help="How often a trainer sees a picture.")
@click.option(
    "--tiers",
    type=NAMES,
    default="official,highres,rest",
    show_default=True,
    help="Parts of the search, the best first.",
)
@click.option("--source", default="danbooru", show_default=True, help="Where to look.")
@crawl_options(want=200)
def command(**given: Any) -> None:
    """Gather the best pictures of TAG, and lay them out in --out with captions and a contact sheet.

    The same command again goes on where the last one stopped, and brings the folder up to date.
    """
    import asyncio

    from crawler.cli.character_set import character_set, gather

    asyncio.run(gather(character_set(given)))
