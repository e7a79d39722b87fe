"""``trawl run``: a recipe of several sources, tiers and quotas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crawler.cli.options import (
    DURATION,
    SIZE,
    debug_option,
    json_option,
    trust_option,
    workspace_option,
)


@click.command("run", short_help="One set of several sources, tiers and quotas: a recipe.")
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the trainer, in place of the recipe's.",
)
@workspace_option
@click.option("--dry-run", is_flag=True, help="Only say what each source would list and fetch.")
@click.option("--max-bytes", type=SIZE, help="Stop after the whole run downloaded this much (20G).")
@click.option("--max-time", type=DURATION, help="Stop the whole run after this long (2h).")
@click.option("--strict", is_flag=True, help="Exit 6 where a work failed for good.")
@click.option("--rate", type=float, help="Requests per second and host.")
@json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@trust_option
@debug_option
def command(**given: Any) -> None:
    """Gather the set that RECIPE, a TOML file, describes.

    Its sources are crawled one after the other until their pictures fill the set under its quotas;
    then it is laid out. The same command again goes on where the last one stopped, and changes
    nothing where all is done. docs/recipes/character.toml is one to begin with.
    """
    import asyncio

    from crawler.cli.mixing import mix

    asyncio.run(mix(given))
