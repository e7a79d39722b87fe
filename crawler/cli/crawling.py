"""Runs a crawl for a person: progress, signals, the end table and the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

import crawler
from crawler import plugins
from crawler.cli.next_steps import after_crawl
from crawler.cli.output import OutputClosed, as_json, plain, write
from crawler.cli.progress import progress
from crawler.cli.report import dry_run_text, reasons_table, totals
from crawler.cli.request import Request, Show
from crawler.cli.signals import by_signal, stopping
from crawler.errors import Interrupted, TrawlError
from crawler.reports import summary_report

if TYPE_CHECKING:
    from crawler.run import Run, Summary
    from crawler.workspace import Workspace


@dataclass(frozen=True)
class Finished:
    """A run that ended by itself or was ended."""

    summary: Summary
    signal: int | None
    """The signal that ended it."""

    @property
    def failure(self) -> TrawlError | None:
        """The error that gives the exit code, if any."""
        if self.signal is None:
            return self.summary.error
        what = "stopped; everything finished so far is kept"
        return by_signal(what, Interrupted.hint, [self.signal])


async def crawl(request: Request) -> None:
    """Run or estimate one crawl and print its end. Raises what gives the exit code."""
    async with crawler.open(request.workspace, settings=request.settings) as ws:
        if request.dry_run:
            await _dry_run(ws, request)
            return
        finished = await follow(start(ws, request), request.show)
        tell(finished.summary, request.show)
        suggest(ws, finished, request.show)
    if error := finished.failure:
        raise error


def start(ws: Workspace, request: Request) -> Run:
    """The run the request asks for, not yet started."""
    return ws.crawl(
        request.source,
        *request.words,
        want=request.want,
        policy=request.policy,
        options=request.options,
        fresh=request.fresh,
        max_bytes=request.max_bytes,
        max_time=request.max_time,
        strict=request.strict,
    )


async def follow(run: Run, show: Show) -> Finished:
    """Await a run with its progress shown; the first signal lets files on their way finish.

    With ``--ndjson`` every event is a line of standard output as it happens. Raises OutputClosed,
    after the run has stopped, where nobody reads them any more.
    """
    reader_gone: list[OutputClosed] = []
    seen_summary = False

    def observe(event: Mapping[str, Any]) -> None:
        nonlocal seen_summary
        seen_summary |= event["type"] == "summary"
        if reader_gone:
            return
        try:
            write(as_json(event))
        except OutputClosed as gone:
            reader_gone.append(gone)
            run.stop()

    if show.ndjson:
        run.observe(observe)
    async with progress(run.stats, quiet=show.quiet) as say:
        with stopping(run, say) as caught:
            try:
                summary = await run
            except Interrupted as error:  # before there was a crawl to sum up
                error.exit_code = 128 + caught[0] if caught else error.exit_code
                raise
    if reader_gone:
        raise reader_gone[0]
    if show.ndjson and not seen_summary:
        write(as_json(summary_report(summary)))
    return Finished(summary, caught[0] if caught else None)


def tell(summary: Summary, show: Show) -> None:
    """Print what a run ended with; with ``--ndjson`` standard output has had it already."""
    for warning in summary.warnings:
        click.echo(f"warning: {warning}", err=True)
    if show.as_json:
        write(as_json(summary_report(summary), indent=2))
    elif not show.ndjson:
        reasons = plugins.judge().reasons()
        write(reasons_table(summary.rows, reasons, finished=summary.state == "finished"))
        write("\n" + totals(summary))
    elif not show.quiet:
        click.echo(totals(summary), err=True)


def suggest(ws: Workspace, finished: Finished, show: Show, *, tiered: bool = False) -> None:
    """Print what may follow a crawl that has pictures and was not interrupted, for a person."""
    summary = finished.summary
    interrupted = isinstance(finished.failure, Interrupted)
    if not interrupted and summary.accepted and not (show.as_json or show.ndjson):
        write("\n" + "\n".join(after_crawl(summary.crawl_id, ws.path, tiered=tiered)))


async def _dry_run(ws: Workspace, request: Request) -> None:
    dry = await ws.dry_run(
        request.source,
        *request.words,
        want=request.want,
        policy=request.policy,
        options=request.options,
    )
    if request.show.as_json or request.show.ndjson:
        document = {"v": 1, "type": "dry_run", **plain(dry)}
        write(as_json(document, indent=None if request.show.ndjson else 2))
    else:
        write(dry_run_text(dry))
