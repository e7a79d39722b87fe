"""What other processes did to the workspace while a run goes on: decisions, and asking it to stop.

They write to the catalog; the run looks whether anything was committed that was not its own, which
costs next to nothing, and only then reads what it was.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from storage import actions, stopping, tallies, works
from storage.records import Work
from storage.words import awaited
from storage.writer import Writer

LOOK = 0.25
"""Seconds between two looks."""
STOPPED = "stopped by `trawl stop`"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has found. Counts are of the moment of the look, in the order of commits."""

    stop: int = 0
    """How often the run is to be stopped: once as by Ctrl-C, twice as by a second one."""
    counted: bool = False
    """Whether there is a crawl by now, of which the rest tells."""
    accepted: int = 0
    pending: int = 0
    reopened: bool = False
    """Whether works may be pending again that were decided."""
    asked: tuple[Work, ...] = ()
    """Works that people accepted and whose bytes are still to come."""


class Outside:
    """Looks after what other processes wrote to the catalog of a run."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.crawl_id: str | None = None
        """The crawl that runs, once it is open."""
        self.told = False
        """Whether a look has told of that crawl."""
        self._known: tuple[int, str | None] | None = None
        self._acted: tuple[int, int] | None = None

    async def look(self) -> Seen | None:
        """What has changed since the last look; None for nothing. Raises StorageError."""
        seen = await self._writer.do(self._look)
        self.told = self.told or (seen is not None and seen.counted)
        return seen

    @asynccontextmanager
    async def watched(
        self, noticed: Callable[[Seen], None], failed: Callable[[Exception], None]
    ) -> AsyncIterator[None]:
        """Within, ``noticed`` hears of every change; ``failed`` of what ends the looking."""

        async def watch() -> None:
            try:
                while True:
                    await asyncio.sleep(LOOK)
                    if (seen := await self.look()) is not None:
                        noticed(seen)  # before anything is awaited: counts are told in order
            except Exception as error:
                failed(error)

        watching = asyncio.create_task(watch(), name="outside")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait((watching,))

    def _look(self, db: sqlite3.Connection) -> Seen | None:
        version = int(db.execute("PRAGMA data_version").fetchone()[0])
        known = (version, self.crawl_id)
        if known == self._known:
            return None
        self._known = known
        stop = stopping.take(db)
        if self.crawl_id is None:
            return Seen(stop)
        accepted, pending = tallies.counts(db, self.crawl_id)
        acted = actions.counts(db)
        if acted == self._acted:
            return Seen(stop, True, accepted, pending)
        self._acted = acted
        found = [works.still_pending(db, self.crawl_id, one) for one in awaited(db, self.crawl_id)]
        asked = tuple(work for work in found if work is not None)
        return Seen(stop, True, accepted, pending, reopened=True, asked=asked)
