"""``trawl show``: everything the catalog knows of one work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from crawler.cli.options import debug_option, find_workspace, json_option, workspace_option
from crawler.cli.output import as_json as to_json
from crawler.cli.output import plain, printable, write
from crawler.cli.report import outcome


@click.command("show", short_help="Everything known of one work.")
@click.argument("ref")
@workspace_option
@json_option
@debug_option
def command(ref: str, workspace: str | None, as_json: bool) -> None:
    """Show one work: its source, its files, its verdicts and what was measured.

    REF is the start of a sha256, or site:id.
    """
    from storage.reader import Reader

    with Reader(find_workspace(workspace)) as reader:
        found = plain(reader.show(ref))
    if not as_json:
        for work in found["works"]:
            if _lost(work):
                work["meaning"] = outcome(work["reason"])
    write(to_json(found, indent=2) if as_json else "\n".join(_lines(found)))


def _lost(work: dict[str, Any]) -> bool:
    # Reasons of rejected works are the filters' own words.
    return work["state"] in ("failed", "unavailable")


def _lines(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, inner in value.items():
        if inner in (None, "", [], {}):
            continue
        if isinstance(inner, dict):
            yield f"{indent}{key}:"
            yield from _lines(inner, indent + "  ")
        elif isinstance(inner, list) and any(isinstance(item, dict) for item in inner):
            for number, item in enumerate(inner, 1):
                yield f"{indent}{key} {number}:"
                yield from _lines(item, indent + "  ")
        else:
            text = " ".join(map(str, inner)) if isinstance(inner, list) else str(inner)
            yield f"{indent}{printable(str(key))}: {printable(text)}"
