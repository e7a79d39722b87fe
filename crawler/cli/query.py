"""``trawl query``: works of the catalog by words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

import click

from crawler.cli.options import COUNT, WordsCommand, debug_option, find_workspace, workspace_option
from crawler.cli.output import as_json, csv_line, table, write, write_path

if TYPE_CHECKING:
    from storage.records import AcceptedImage

_COLUMNS = (
    "site", "site_id", "state", "reason", "width", "height", "bytes", "format", "sha256", "rating",
    "page_url", "path",
)  # fmt: skip
_ON_A_SCREEN = 100


@click.command("query", cls=WordsCommand, short_help="Works of the catalog by words.")
@click.argument("words", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "ndjson", "csv", "paths"]),
    default="table",
    show_default=True,
    help="How to print them.",
)
@click.option("-0", "nul", is_flag=True, help="With paths: end names with NUL, for xargs -0.")
@click.option("--limit", type=COUNT, help="At most so many; a table: 100.")
@click.option("--sort", help="A field, such as pixels; with a minus in front the largest first.")
@workspace_option
@debug_option
def command(
    words: tuple[str, ...],
    form: str,
    nul: bool,
    limit: int | None,
    sort: str | None,
    workspace: str | None,
) -> None:
    """List the works that match all WORDS; without words, every work.

    A word is a tag, FIELD:VALUE such as state:accepted, reason:upscaled, site:danbooru, or a
    comparison such as width>=1024 side:768..2000; a minus before it negates.
    """
    from storage.reader import Reader

    if nul:
        form = "paths"
    with Reader(find_workspace(workspace)) as reader:
        if form != "table":
            _WRITERS[form](reader.query(words, sort=sort, limit=limit), b"\0" if nul else b"\n")
            return
        shown = list(islice(reader.query(words, sort=sort, limit=limit), limit or _ON_A_SCREEN))
        more = 0 if limit or len(shown) < _ON_A_SCREEN else reader.count(words) - len(shown)
    write(_table(shown))
    if more > 0:
        click.echo(f"and {more} more (--limit, or --format csv)", err=True)


def _table(images: Iterable[AcceptedImage]) -> str:
    rows = [
        [
            f"{image.site}:{image.site_id}",
            image.state,
            image.reason,
            f"{image.width}x{image.height}" if image.width else None,
            image.format,
            (image.sha256 or "")[:12],
        ]
        for image in images
    ]
    return table(["work", "state", "reason", "size", "format", "sha256"], rows, right="size")


def _json(images: Iterable[AcceptedImage], _end: bytes) -> None:
    write(as_json(list(images), indent=2))


def _ndjson(images: Iterable[AcceptedImage], _end: bytes) -> None:
    for image in images:
        write(as_json(image))


def _csv(images: Iterable[AcceptedImage], _end: bytes) -> None:
    write(csv_line(_COLUMNS))
    for image in images:
        write(csv_line([getattr(image, column) for column in _COLUMNS]))


def _paths(images: Iterable[AcceptedImage], end: bytes) -> None:
    for image in images:
        if image.path is not None:
            write_path(image.path, end)


_WRITERS: dict[str, Callable[[Iterable[AcceptedImage], bytes], None]] = {
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
    "paths": _paths,
}
