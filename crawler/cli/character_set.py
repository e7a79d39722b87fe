"""The work behind ``trawl character`` and the end of ``trawl demo``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import crawler
from crawler.cli.crawling import crawl, follow, start, tell
from crawler.cli.destination import require_writable
from crawler.cli.exporting import caption_options, report_text
from crawler.cli.next_steps import after_export, export_command
from crawler.cli.output import as_json, plain, write
from crawler.cli.request import Request, request_of
from crawler.cli.signals import interruptible
from crawler.errors import Interrupted, UsageError
from crawler.reports import summary_report
from crawler.workspace import check_export


@dataclass(frozen=True)
class CharacterSet:
    """A crawl and the folder it is to become."""

    request: Request
    out: Path
    layout: str
    options: Mapping[str, Any]
    """Of the layout."""

    @property
    def sheet(self) -> Path:
        """The contact sheet stands beside the folder, where no trainer takes it for a picture."""
        return self.out.absolute().with_name(self.out.absolute().name + ".sheet.jpg")


def character_set(
    given: Mapping[str, Any],
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> CharacterSet:
    """What the parameters of ``trawl character`` ask for. Raises UsageError and ConfigError."""
    request = request_of(
        given["source"],
        [given["tag"]],
        given,
        options={"tiers": ",".join(given["tiers"])},
        flags=flags,
        environ=environ,
    )
    layout, trigger = given["layout"], given["trigger"]
    options = caption_options(layout, trigger, given["repeats"])
    return CharacterSet(request, given["out"], layout, options)


async def gather(wanted: CharacterSet) -> None:
    """Crawl, export, draw the sheet, and print all three. Raises what gives the exit code.

    Raises before the first request where the folder cannot be written, or is not ours. A limit or
    a source ended early is exported all the same; after a signal nothing is.
    """
    request = wanted.request
    if request.dry_run:
        await crawl(request)
        return
    if not wanted.out.absolute().name:
        raise UsageError(f"--out is to name a folder, not {wanted.out}")
    require_writable(wanted.out)
    require_writable(wanted.sheet.parent)
    check_export(wanted.layout, wanted.out, dict(wanted.options))
    async with crawler.open(request.workspace, settings=request.settings) as ws:
        try:
            finished = await follow(start(ws, request), request.show)
        except Interrupted as early:  # before there was a crawl
            early.hint = f"the same command goes on, and writes {wanted.out}"
            raise
        summary = finished.summary
        if not request.show.as_json:
            tell(summary, request.show)  # first: it holds, whatever becomes of the folder
        report, steps = None, []
        if finished.signal is None and summary.accepted:
            with interruptible(
                f"stopped while {wanted.out} was written; every picture is kept",
                "the same command goes on, and brings the folder up to date",
            ):
                report = ws.export(
                    wanted.layout, wanted.out, dict(wanted.options), crawl=summary.crawl_id
                )
                ws.export("sheet", wanted.sheet, {}, crawl=summary.crawl_id)
                seen = any(image.path for image in ws.images(["state:rejected"]))
                steps = after_export(ws.path, rejected_to_see=seen)
    if request.show.as_json:
        document = {
            **summary_report(summary),
            "export": plain(report),
            "sheet": str(wanted.sheet) if report else None,
        }
        write(as_json(document, indent=2))
    elif report is not None:
        lines = ["", report_text(plain(report)), f"contact sheet: {wanted.sheet}", ""]
        _result("\n".join(lines + steps), request)
    if error := finished.failure:
        if finished.signal is not None:
            error.hint = _how_to_go_on(wanted, summary.crawl_id)
        raise error


def _how_to_go_on(wanted: CharacterSet, crawl_id: str) -> str:
    at = wanted.request.workspace
    command = export_command(str(wanted.out), wanted.layout, crawl_id, at, wanted.options)
    return (
        f"the same command goes on, and writes {wanted.out};"
        f" with what there is now (or after `trawl resume`): {command}"
    )


def _result(text: str, request: Request) -> None:
    # Of --ndjson every line of standard output is an object, so this goes to the person's side.
    if request.show.ndjson:
        click.echo(text, err=True)
    else:
        write(text)
