"""``trawl query``: works of the catalog by words, or by SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crawler.cli.options import COUNT, WordsCommand, debug_option, find_workspace, workspace_option
from crawler.cli.output import write

if TYPE_CHECKING:
    from storage.reader import Reader

_ON_A_SCREEN = 100


@click.command("query", cls=WordsCommand, short_help="Works of the catalog by words, or by SQL.")
@click.argument("words", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "ndjson", "csv", "paths", "refs"]),
    default="table",
    show_default=True,
    help="How to print them; refs: what other commands call them, one a line.",
)
@click.option(
    "--open", "as_open", is_flag=True, help="Show the picture, or a sheet of several, in a viewer."
)
@click.option("-0", "nul", is_flag=True, help="With paths or refs: end them with NUL (xargs -0).")
@click.option("--count", "as_count", is_flag=True, help="Print only how many there are.")
@click.option("--limit", type=COUNT, help="At most so many; a table: 100.")
@click.option("--sort", help="A field, such as pixels; with a minus in front the largest first.")
@click.option("--sql", metavar="SELECT", help="One SQL statement that reads, in place of words.")
@workspace_option
@debug_option
def command(
    words: tuple[str, ...],
    form: str,
    as_open: bool,
    nul: bool,
    as_count: bool,
    limit: int | None,
    sort: str | None,
    sql: str | None,
    workspace: str | None,
) -> None:
    """List the works that match all WORDS; without words, every work.

    A word is a tag (* stands for anything), FIELD:VALUE such as state:accepted rating:g,s
    reason:upscaled posted:2024-01..2024-06, or a comparison such as width>=1200 or sharpness<0.3;
    a minus before it negates, sort:-pixels orders. docs/reference/query.md has all fields.
    """
    from crawler.cli.queried import print_images, print_table, unknown_tags
    from crawler.errors import UsageError
    from storage.reader import Reader

    path = find_workspace(workspace)
    if nul and form == "table":
        form = "paths"
    if sql is not None:
        if words or sort or as_open or as_count:
            raise UsageError("--sql stands alone: the statement itself filters, sorts and counts")
        from storage.query import raw as raw_sql

        print_table(raw_sql.select(path, sql, limit=limit), form, path, nul=nul)
        return
    with Reader(path) as reader:
        for line in unknown_tags(reader, words):
            click.echo(line, err=True)
        if as_open:
            from crawler.cli.looking import open_pictures

            write(str(open_pictures(reader.workspace, reader.query(words, sort=sort, limit=limit))))
        elif as_count:
            count = reader.count(words)
            write(str(count if limit is None else min(count, limit)))
        elif form != "table":
            print_images(reader.query(words, sort=sort, limit=limit), form, nul=nul)
        else:
            _print_first(reader, words, sort, limit)


def _print_first(
    reader: Reader, words: tuple[str, ...], sort: str | None, limit: int | None
) -> None:
    """A table of the first works, and how many more there are."""
    from crawler.cli.queried import print_images

    if limit is not None:
        print_images(reader.query(words, sort=sort, limit=limit), "table")
        return
    page = reader.first(words, sort=sort, count=_ON_A_SCREEN)
    print_images(page.images, "table")
    if page.more:
        more = f"{page.more:,}" if page.exact else f"more than {page.more:,}"
        click.echo(f"and {more} more (--limit, or --format csv)", err=True)
