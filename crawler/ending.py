"""The end of a run: what the catalog notes of it, and what a person should know besides."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crawler.carry import Tools
from crawler.errors import (
    BadAnswer,
    LimitReached,
    NoSpace,
    SourceError,
    StorageError,
    TrawlError,
)
from crawler.limits import items_failed
from crawler.listing import Aside
from crawler.opening import Request
from crawler.run import Summary
from crawler.telling import Teller
from crawler.verdicts import Rules
from storage import crawls, purge, stream, works
from storage.disk import in_our_words
from storage.reasons import reasons
from storage.records import Crawl, Row

EndState = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class End:
    """How the loop of a run came to its end."""

    error: TrawlError | None
    """What ended it, if anything did before its target."""
    crashed: bool
    """Whether that was something nobody expected."""
    aside: Sequence[Aside]
    reached: bool
    doubtful: Sequence[int]
    """Works that failed for what may be the source's trouble."""


async def sum_up(request: Request, tools: Tools, crawl: Crawl, teller: Teller, end: End) -> Summary:
    """Note how a run ended, and say so; a disk that is full then is its error."""
    error, warnings = ended_with(end.error, crawl.spec.site, end.aside, reached=end.reached)
    state = _state(error, end)
    rows, trouble = await note_end(tools, crawl.id, state, error, end.doubtful)
    error = error or trouble
    for line in (*warnings, *broken_filters(request.rules)):
        teller.warn(line)
    return Summary(
        crawl_id=crawl.id,
        state=_state(error, end),
        accepted=sum(row.count for row in rows if row.state == "accepted"),
        want=request.want,
        rows=tuple(rows),
        stats=teller.stats,
        warnings=tuple(teller.warnings),
        error=error or items_failed(request, rows),
    )


def _state(error: TrawlError | None, end: End) -> EndState:
    if isinstance(error, SourceError) or end.crashed:
        return "failed"
    return "stopped" if error else "finished"


async def note_end(
    tools: Tools,
    crawl_id: str,
    state: EndState,
    error: Exception | None,
    doubtful: Sequence[int] = (),
) -> tuple[list[Row], TrawlError | None]:
    """Note how a run ended; returns the table of reasons, and what kept it from being noted.

    ``doubtful`` works failed for what may be the source's trouble: the next run tries them again.
    """

    def note(db: sqlite3.Connection) -> list[Row]:
        crawls.update(db, crawl_id, state=state, note=str(error) if error else None)
        works.doubt(db, doubtful)
        purge.drop_rejected(db, tools.rejected_budget)
        rows = reasons(db, crawl_id)
        if state == "finished" and not stream.told_finished(db, crawl_id):
            counts = {f"{r.state}:{r.reason}" if r.reason else r.state: r.count for r in rows}
            stream.append(db, "crawl_finished", crawl_id=crawl_id, payload=counts)
        return rows

    try:
        return await tools.writer.do(note), None
    except StorageError as trouble:  # a full disk: what was committed before still counts
        with in_our_words(tools.store.workspace):
            return tools.reader.rows(crawl_id), trouble


def ended_with(
    error: TrawlError | None, site: str, aside: Sequence[Aside], *, reached: bool
) -> tuple[TrawlError | None, list[str]]:
    """What a run ended with, and what a person should know of the parts that were set aside.

    These end a run short of its target with an error. One that met its target after all, with what
    was on its way, was not ended by a limit.
    """
    if reached and isinstance(error, LimitReached | NoSpace):
        error = None
    warnings = []
    for part in aside:
        if error is None and not reached:
            hint = "the same command tries that page again and goes on from there"
            error = BadAnswer(f"{site}: {part}", hint=hint)
        else:
            warnings.append(str(part))
    return error, warnings


def broken_filters(rules: Rules) -> list[str]:
    """One line for each filter that failed, and each way in which it did."""
    return [
        f"the filter {name} failed ({why}); its works are tried again by the next run"
        for name, why in sorted(rules.broken)
    ]
