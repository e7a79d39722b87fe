"""The engine: discover ▶ prescreen ▶ fetch ▶ inspect ▶ commit, for one crawl.

It has never heard of any site. One task lists pages, one task per work in flight carries it from
fetch to commit; everything is bounded by the number of works in flight, and the writer is one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from crawler import pages
from crawler.adapters.base import Page
from crawler.carry import Carrier, Tools
from crawler.ending import End, sum_up
from crawler.errors import FetchError, Interrupted, StorageError, TrawlError
from crawler.limits import Watch, works_at_one_host
from crawler.listing import BAD_ENTRY, Lister
from crawler.opening import Opened, Request, open_crawl
from crawler.order import Frontier
from crawler.outside import STOPPED, Outside, Seen
from crawler.reports import Observer, Report, progress_report, summary_report
from crawler.run import Summary, Tap
from crawler.stats import Stats
from crawler.streak import Streak, place_of, trouble_of
from crawler.telling import Teller
from storage import tallies, works
from storage.records import Work
from storage.states import Settled

log = logging.getLogger(__name__)

LOW_WATER = 1_000
"""Without a target, listing goes on while fewer works than this wait."""
LOAD = 500
"""Works loaded from the catalog at a time."""
GRACE = 9.0
"""Seconds that what is in flight gets after the first stop: the process is gone within ten."""
PROGRESS = 5.0
"""Seconds between progress reports."""


@dataclass
class Engine:
    """One run of one crawl."""

    request: Request
    stats: Stats = field(default_factory=Stats)
    _stops: int = 0
    _deadline: float | None = None
    _error: TrawlError | None = None
    _tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _listing: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _progress_told: float = 0.0
    _streak: Streak = field(default_factory=Streak)
    _looked_again: int = -1
    _crash: Exception | None = None
    """Something of ours, or an observer, that broke: raised when the run has ended in order."""

    def __post_init__(self) -> None:
        self.teller = Teller(self.stats, self._broke)

    # -- what a Run calls ---------------------------------------------------------------------

    @property
    def observers(self) -> list[Observer]:
        """Who hears of everything, in the event loop."""
        return self.teller.observers

    def tap(self) -> Tap:
        """Attach the one consumer that applies back-pressure."""
        self.teller.tap = self.teller.tap or Tap()
        return self.teller.tap

    def stop(self, why: str = "interrupted") -> None:
        """First call: no new work, ten seconds for what is in flight. Second: give that back."""
        self._stops += 1
        self._end_with(Interrupted(why))
        if self._stops > 1:
            self._give_back(all_of_it=True)

    def report(self, report: Report) -> None:
        """Tell every observer."""
        self.teller.report(report)

    async def run(self, tools: Tools) -> Summary:
        """Crawl until the target is met, the source is exhausted, or something ends it first.

        Raises the errors of the request itself (UnknownTag, AuthenticationFailed while
        resolving …); what ends a crawl that has begun is told in the summary.
        """
        self._tools = tools
        self._outside = Outside(tools.writer)
        async with self._outside.watched(self._noticed, self._broke):
            self._begin(await self._open())
            try:
                async with asyncio.TaskGroup() as group:
                    await self._loop(group)
            finally:
                await self._lister.close()
        end = End(
            self._error,
            crashed=self._crash is not None,
            aside=self._lister.aside,
            reached=self._frontier.reached,
            doubtful=self._streak.doubtful,
        )
        summary = await sum_up(self.request, tools, self._crawl, self.teller, end)
        self.report(summary_report(summary))
        if self._crash is not None:
            raise self._crash
        return summary

    # -- beginning and end --------------------------------------------------------------------

    async def _open(self) -> Opened:
        """Open the crawl; a stop meanwhile ends it at once, for nothing is in flight yet."""
        opening = asyncio.create_task(
            open_crawl(self.request, self._tools.writer, self._tools.http)
        )
        stopped = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((opening, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done() and self._error is not None:
                raise self._error
            return await opening
        finally:
            opening.cancel()
            stopped.cancel()

    def _begin(self, opened: Opened) -> None:
        self._crawl = opened.crawl
        self._lister = Lister(
            self.request.adapter, self._tools.http, opened.walks, self._tools.listing_waits
        )
        self._watch = Watch(self.request, self.stats, self._tools.store.root, self._tools.min_free)
        self._carrier = Carrier(self.request, self._tools, opened.crawl.id, self.stats)
        self._frontier = Frontier(
            want=self.request.want,
            concurrency=self._tools.concurrency,
            per_host=works_at_one_host(self._tools.concurrency, self._tools.http.connections),
            accepted=opened.accepted,
            pending=opened.pending,
        )
        self.stats.want = self.request.want
        self.stats.seen = opened.seen
        self.stats.accepted = opened.accepted
        self._outside.crawl_id = opened.crawl.id

    def _noticed(self, seen: Seen) -> None:
        """Another process has written to the catalog: see what is there now, or stop."""
        while self._stops < seen.stop:
            self.stop(STOPPED)
        if seen.counted:
            if seen.reopened or seen.pending > self._frontier.pending:
                self._frontier.reopened()
            self._counted(seen.accepted, seen.pending)
            self._frontier.ask(seen.asked)
            self._changed.set()

    def _end_with(self, error: TrawlError) -> None:
        """The first thing that ends the run is what it ended with."""
        if self._error is None:
            self._error = error
            self._deadline = time.monotonic() + GRACE
            self._give_back(all_of_it=False)
        self._changed.set()

    def _broke(self, error: Exception) -> None:
        """End the run in order: as the error says, or for what nobody expected, which is raised."""
        if isinstance(error, TrawlError):
            self._end_with(error)
            return
        self._crash = self._crash or error
        self._end_with(TrawlError(f"the run broke: {error!r}"))

    def _give_back(self, *, all_of_it: bool) -> None:
        """Return works to pending: all, or those that only wait for their host's turn."""
        tasks = [t for p, t in self._tasks.items() if all_of_it or p not in self._carrier.under_way]
        if self._listing is not None:
            tasks.append(self._listing)
        for task in tasks:
            if task is not asyncio.current_task():  # which ends by itself
                task.cancel()

    # -- the loop -----------------------------------------------------------------------------

    async def _loop(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._changed.clear()
            try:
                self._look_at_limits()
                if self._error is None:
                    await self._advance(group)
            except TrawlError as error:
                self._end_with(error)
            except Exception as error:
                self._broke(error)
            if self._done() and not await self._more_after_all():
                return
            self._tell_progress()
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._deadline = None
                self._give_back(all_of_it=True)
            elif self._error is not None:
                self._give_back(all_of_it=False)  # what failed meanwhile waits for its next turn
            try:
                # The clock matters too: limits, free space, the grace of a stop.
                async with asyncio.timeout(0.5):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _look_at_limits(self) -> None:
        # What met the target may have used up a limit with it: that is no limit reached.
        if self._error is not None or self._frontier.reached:
            return
        if over := self._watch.over(self._largest_in_flight):
            self._end_with(over)

    async def _advance(self, group: asyncio.TaskGroup) -> None:
        frontier = self._frontier
        if not self._outside.told and (seen := await self._outside.look()) is not None:
            self._noticed(seen)
        while frontier.needs_loading:
            loaded = await self._tools.writer.do(
                lambda db: works.unsettled(db, self._crawl.id, frontier.loaded, LOAD)
            )
            frontier.add(loaded)
            if len(loaded) < LOAD:
                frontier.all_loaded()
        while (work := frontier.next()) is not None:
            self._tasks[work.position] = group.create_task(self._carry(work))
        self.stats.in_flight = frontier.in_flight
        if self._listing is None and not self._lister.ended and frontier.needs_listing(LOW_WATER):
            self._listing = group.create_task(self._list_page())

    async def _more_after_all(self) -> bool:
        """Ask the catalog before ending: for what others wrote last, and for works unknown here."""
        if self._error is not None:
            return False
        moved = self.stats.states.total()
        try:
            if (seen := await self._outside.look()) is not None:
                self._noticed(seen)
            if not self._done():
                return True
            if self._error is not None or self._frontier.reached:
                return False
            _, pending = await self._tools.writer.do(lambda db: tallies.counts(db, self._crawl.id))
        except StorageError as error:
            self._end_with(error)
            return False
        if not pending or self._looked_again == moved:
            return False
        self._looked_again = moved
        self._frontier.pending = pending
        self._frontier.reopened()
        return True

    def _tell_progress(self) -> None:
        now = time.monotonic()
        if now - self._progress_told >= PROGRESS:
            self._progress_told = now
            self.report(progress_report(self._crawl.id, self.stats))

    def _done(self) -> bool:
        # A task that is cancelled before its first step never runs, so it clears nothing up.
        if any(not task.done() for task in (*self._tasks.values(), self._listing) if task):
            return False
        if self._error is not None or self._frontier.reached:
            return True
        return (
            self._frontier.idle
            and (self._lister.ended or not self._frontier.needs_listing(LOW_WATER))
            and not self._frontier.needs_loading
        )

    def _largest_in_flight(self) -> int:
        """Bytes: as claimed, where nothing is claimed as large as the largest that came so far."""
        flying = (work.candidate.bytes or self._carrier.largest for work in self._frontier.flying)
        return min(max(flying, default=0), self._tools.max_file_bytes)

    async def _list_page(self) -> None:
        """List and commit one page of the walk in hand. Its trouble costs its partition at most."""
        try:
            try:
                partition, page = await self._lister.next()
                done = await self._commit(partition, page)
            except Exception as error:
                await self._lister.failed(error)
            else:
                self._lister.committed(page)
                await self._listed(done, page)
        except TrawlError as error:
            self._end_with(error)
        except Exception as error:
            self._broke(error)
        finally:
            self._listing = None
            self._changed.set()

    async def _commit(self, partition: int, page: Page | None) -> pages.Committed:
        tools, rules = self._tools, self.request.rules
        return await pages.commit(tools.writer, self._crawl.id, rules, partition, page)

    async def _listed(self, done: pages.Committed, page: Page | None) -> None:
        """Count and tell what a committed page changed."""
        settled = done.settled
        self._counted(done.accepted, done.pending)
        if any(s.before is not None and s.ruling.state == "pending" for s in settled):
            self._frontier.reopened()
        self.stats.seen += sum(change.before is None for change in settled)
        by_id = {candidate.site_id: candidate for candidate in page.candidates} if page else {}
        self._recall({s.candidate_id for s in settled if s.ruling.state != "pending"})
        for change in settled:
            if change.ruling.state != "pending":
                # A bad entry is told as it is recorded: nothing of it can be relied on.
                bad = change.ruling.reason == BAD_ENTRY
                candidate = None if bad else by_id.get(change.site_id)
                await self.teller.settled(change, candidate, self._tools.reader, self._crawl.id)

    def _recall(self, decided: set[int]) -> None:
        """Give up the bytes of works in flight that a page has just decided."""
        for work in self._frontier.flying:
            if work.candidate_id in decided and work.position in self._carrier.under_way:
                self._tasks[work.position].cancel()

    async def _carry(self, work: Work) -> None:
        """Bring one work to its verdict, or give it back. Its trouble costs only itself."""
        free = self._frontier.is_free(work)
        settled: list[Settled] | None = []
        try:
            settled = await self._settle(work, held_only=free)
            self._carrier.under_way.add(work.position)  # what is committed is told, too
            await self._told(work, settled or ())
            await self._carrier.keep_budget()
        except TrawlError as error:
            self._end_with(error)  # a work that was not settled goes back to pending
        except Exception as error:
            self._broke(error)
        finally:
            del self._tasks[work.position]
            self._carrier.under_way.discard(work.position)
            if settled is None:
                self._frontier.returned(work)
            else:
                accepted = bool(settled) and settled[0].ruling.state == "accepted"
                self._frontier.landed(work, accepted=accepted)
            self.stats.in_flight = self._frontier.in_flight
            self._changed.set()

    async def _settle(self, work: Work, *, held_only: bool) -> list[Settled] | None:
        try:
            settled = await self._carrier.settle(work, held_only=held_only)
        except TrawlError:
            raise
        except Exception as error:
            log.exception("work %s:%s failed", work.candidate.site, work.candidate.site_id)
            self._in_a_row(type(error).__name__, work)
            crash = FetchError("crashed", repr(error), transient=True)
            return await self._carrier.fail(work, crash)
        if settled:
            ruling = settled[0].ruling
            # A host that fails one work after the other is down, or blocks us: stop before it costs
            # them all.
            failed = ruling.reason if ruling.state == "failed" else None
            self._in_a_row(trouble_of(failed, work.candidate), work)
        return settled

    def _in_a_row(self, trouble: str | None, work: Work) -> None:
        if error := self._streak.after(trouble, work.candidate_id, place_of(work.candidate)):
            self._end_with(error)

    async def _told(self, work: Work, settled: Sequence[Settled]) -> None:
        """Count and report what a commit changed; hand new pictures to the consumer."""
        # Counted before anything is awaited: commits are told in the order they were made.
        for change in settled:
            self._frontier.moved(change.before, change.ruling.state)
        self.stats.accepted = self._frontier.accepted
        crawl_id = self._crawl.id
        if any(change.ruling.reason == "blocked_content" for change in settled):
            # Other works may have gone with it.
            self._counted(*await self._tools.writer.do(lambda db: tallies.counts(db, crawl_id)))
        for change in settled:
            own = change.candidate_id == work.candidate_id
            candidate = work.candidate if own else None
            await self.teller.settled(change, candidate, self._tools.reader, crawl_id)

    def _counted(self, accepted: int, pending: int) -> None:
        self._frontier.accepted = self.stats.accepted = accepted
        self._frontier.pending = pending
