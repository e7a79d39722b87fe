"""The work behind ``trawl run``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import crawler
from crawler import plugins
from crawler.cli.crawling import follow
from crawler.cli.destination import require_writable
from crawler.cli.exporting import report_text
from crawler.cli.mixture import document, dry_run_document, dry_run_texts, text, why_again
from crawler.cli.options import find_workspace
from crawler.cli.output import as_json, plain, printable, write
from crawler.cli.request import Show, require_contact
from crawler.cli.signals import by_signal, interruptible
from crawler.errors import Interrupted, UsageError
from crawler.recipe.gathering import Gathered, Gathering, Limits, Turn
from crawler.recipe.plan import Export, Recipe
from crawler.recipe.reading import read
from crawler.run import Run, Summary
from crawler.settings import Settings, load
from crawler.workspace import Workspace, check_export
from storage.records import ExportReport

GO_ON = "the same command goes on where this one stopped"


async def mix(given: Mapping[str, Any]) -> None:
    """Run or estimate a recipe and print its end. Raises what gives the exit code.

    Raises before the first request where the recipe is wrong or the folder cannot be written. A
    limit or a source that ended it early is laid out all the same; after a signal nothing is.
    """
    path: Path = given["recipe"]
    recipe = _laid_out_at(read(path), given["out"])
    workspace = find_workspace(given["workspace"])
    settings = _settings(workspace, recipe, given)
    if (export := recipe.export) is not None and not given["dry_run"]:
        if not export.out.absolute().name:
            raise UsageError(f"--out is to name a folder, not {export.out}")
        require_writable(export.out)
        require_writable(_sheet(export).parent)
        check_export(export.layout, export.out, export.options)
        check_export("sheet", _sheet(export), {})
    limits = Limits(given["max_bytes"], given["max_time"], given["strict"])
    async with crawler.open(workspace, settings=settings) as ws:
        gathering = Gathering(ws, recipe, limits)
        if given["dry_run"]:
            dry = await gathering.dry_run()
            write(
                as_json(dry_run_document(path, recipe, dry), indent=2)
                if given["as_json"]
                else dry_run_texts(recipe, dry)
            )
            return
        following = _Following(recipe, Show(quiet=given["quiet"]))
        try:
            gathered = await gathering.run(following)
        except Interrupted as early:  # before there was a crawl
            early.hint = GO_ON
            raise
        report = None if following.signal else _export(ws, gathered)
    if given["as_json"]:
        sheet = _sheet(recipe.export) if recipe.export and report else None
        write(as_json({**document(path, gathered), **_exported(report, sheet)}, indent=2))
    else:
        write(text(gathered))
        if report is not None and recipe.export is not None:
            write(f"\n{report_text(plain(report))}\ncontact sheet: {_sheet(recipe.export)}")
        elif recipe.export is None and gathered.images:
            write("\nto lay it out: the same command with --out FOLDER")
    if error := gathered.error:
        if following.signal is not None:
            what = "stopped; everything finished so far is kept"
            error = by_signal(what, GO_ON, following.caught)
        raise error


class _Following:
    """Follows the crawl of one source after the other, and says whose turn it is."""

    def __init__(self, recipe: Recipe, show: Show) -> None:
        self._recipe = recipe
        self._show = show
        self.caught: list[int] = []

    @property
    def signal(self) -> int | None:
        """The signal that ended the run, if one did."""
        return self.caught[0] if self.caught else None

    async def __call__(self, turn: Turn, run: Run) -> Summary:
        source, want = turn.source, run.request.want or 0
        if not self._show.quiet:
            sources = self._recipe.sources
            number = f"{sources.index(source) + 1} of {len(sources)}"
            query = " ".join(source.words)
            what = f"source {source.name} ({number}): {source.source} {query}"
            again = f" ({why_again(turn, want)})" if 0 < turn.has < want else ""
            click.echo(printable(f"{what}, {want} wanted{again}"), err=True)
        finished = await follow(run, self._show)
        if finished.signal is not None:
            self.caught.append(finished.signal)
        for warning in finished.summary.warnings:
            click.echo(printable(f"warning: {source.name}: {warning}"), err=True)
        return finished.summary


def _settings(workspace: Path, recipe: Recipe, given: Mapping[str, Any]) -> Settings:
    trust, rate = given["trust_workspace"], given["rate"]
    settings = load(workspace, trust_workspace=trust)
    sites = {}
    for source in recipe.sources:
        adapter = plugins.load(plugins.ADAPTERS, settings.adapter(source.source))
        sites[source.source] = settings.site(source.source, adapter.default_site)
    if rate is not None:
        flags = {f"sites.{name}.rate": rate for name, site in sites.items() if site.base_url}
        settings = load(workspace, flags=flags, trust_workspace=trust)
    for site in sites.values():
        require_contact(settings, site)
    return settings


def _laid_out_at(recipe: Recipe, out: Path | None) -> Recipe:
    if out is None:
        return recipe
    export = recipe.export or Export(out, "kohya")
    return replace(recipe, export=replace(export, out=out))


def _sheet(export: Export) -> Path:
    """Beside the folder, where no trainer takes it for a picture."""
    out = export.out.absolute()
    return out.with_name(out.name + ".sheet.jpg")


def _export(ws: Workspace, gathered: Gathered) -> ExportReport | None:
    export, images = gathered.recipe.export, gathered.images
    if export is None or not images:
        return None
    # Its query names what is trained; a folder's is a path.
    named = (s.crawl.id for s in gathered.sources if s.crawl and s.crawl.spec.origin)
    with interruptible(
        f"stopped while {export.out} was written; every picture is kept",
        "the same command goes on, and brings the folder up to date",
    ):
        report = ws.lay_out(export.layout, export.out, export.options, images, next(named, None))
        ws.lay_out("sheet", _sheet(export), {}, images)
    return report


def _exported(report: ExportReport | None, sheet: Path | None) -> dict[str, Any]:
    return {"export": plain(report), "sheet": None if sheet is None else str(sheet)}
