"""The event log handed to consumers: in order, bounded, and again until it is acknowledged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType

from crawler.errors import UsageError
from storage import consumers
from storage import stream as events
from storage.answers import Answers
from storage.consumers import MAX_ATTEMPTS, Nack, Retry
from storage.database import write_once
from storage.errors import ConsumerBusy
from storage.lock import ConsumerLock
from storage.reader import Reader
from storage.records import AcceptedImage, Event
from storage.stream import EVERYTHING, MAX_INFLIGHT, Asked
from storage.workspace import CATALOG
from storage.writer import Work

log = logging.getLogger(__name__)

QUICK, SLOW = 0.003, 0.015
"""Seconds between two looks for news: while there was some a moment ago, and later."""
MOMENT = 1.0
"""Seconds without news after which looks are slow, and in which a reader that ends has ended."""
PATIENCE = 30.0
"""Seconds without an answer after which a reader that waits for some says so."""
PAGE = 500


@dataclass(frozen=True)
class StreamEvent:
    """An event handed to a consumer, which answers: ``ack`` when its work is done, else ``nack``.

    One that is not answered comes again when the consumer is read the next time.
    """

    event: Event
    image: AcceptedImage | None
    """The picture as it is now; None for events without one, and for withdrawn pictures."""
    attempts: int
    """Which try this is, from 1; those count that ended in ``nack``."""
    _feed: Feed

    async def ack(self, work: Work[object] | None = None) -> None:
        """This event is dealt with, and does not come again; in any order.

        ``work`` is a function of the catalog's connection that is done in the same transaction: an
        effect in the catalog, and the knowledge that it is there. Returns when both are committed.
        Raises what ``work`` raises, NoSpace and StorageError.
        """
        await self._feed.done(self.event.seq, work)

    async def nack(self, retry_in: float = 5.0, error: str | None = None) -> bool:
        """This event could not be dealt with: it is given again in ``retry_in`` s, before new ones.

        After too many tries it is a dead letter, which is kept with its ``error``, does not come
        again and holds up nothing; then False is returned.
        """
        return await self._feed.failed(self.event.seq, retry_in, error)


class Feed:
    """A consumer's reader, or with ``consumer`` None anybody's: ``async with``, then :meth:`take`.

    Raises ConsumerBusy where another reads as this consumer, NoWorkspace, NewerCatalog, and
    NotFound for an ``after`` that has not happened.
    """

    def __init__(
        self,
        workspace: Path,
        consumer: str | None = None,
        *,
        asked: Asked = EVERYTHING,
        after: int | None = None,
        follow: bool = False,
        max_inflight: int = MAX_INFLIGHT,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        if max_inflight < 1 or max_attempts < 1:
            raise UsageError("max_inflight and max_attempts are at least 1")
        if strange := asked.kinds - set(events.KINDS):
            known = ", ".join(events.KINDS)
            raise UsageError(f"no event is called {min(strange)!r}; there are: {known}")
        if consumer is not None and not (consumer.isprintable() and consumer.strip()):
            raise UsageError("a consumer's name is a word or some")
        self._workspace = workspace
        self._consumer = consumer
        self._asked = asked
        self._seq = after or 0
        self._after = after
        self._follow = follow
        self._finishing = False
        self._bound = max_inflight
        self._max_attempts = max_attempts
        self._page: deque[Event] = deque()
        self._again: list[Retry] = []
        self._inflight: set[int] = set()
        self._freed = asyncio.Event()
        self._version: int | None = None
        self._news = time.monotonic()
        self._more = True
        self._answers: Answers | None = None
        self._lock: ConsumerLock | None = None

    async def __aenter__(self) -> Feed:
        self._reader = Reader(self._workspace)
        try:
            if self._consumer is not None:
                self._lock = await _locked(self._workspace, self._consumer)
                catalog = self._workspace / CATALOG
                join = partial(
                    consumers.join, name=self._consumer, asked=self._asked, after=self._after
                )
                self._seq = await asyncio.to_thread(write_once, catalog, join)
                self._answers = Answers(catalog, self._consumer, self._settled)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._answers is not None:
                await self._answers.close()
        finally:
            self._leave()

    def _leave(self) -> None:
        self._reader.close()
        if self._lock is not None:
            self._lock.release()

    async def rewind(self) -> None:
        """Begin again with the first event; before any was taken."""
        if self._consumer is not None:
            back = partial(consumers.rewind, name=self._consumer, after=0)
            await asyncio.to_thread(write_once, self._workspace / CATALOG, back)
        self._seq = 0

    def finish(self) -> None:
        """No answer comes any more: end where there is nothing, or no room, to hand out."""
        self._follow, self._finishing = False, True
        self._freed.set()

    @property
    def seq(self) -> int:
        """The event after which it goes on."""
        return self._seq

    def later(self) -> list[Retry]:
        """The events that failed and are not due yet, the first due first."""
        if self._consumer is None:
            return []
        now = time.time()
        return [r for r in consumers.retries(self._reader.db, self._consumer) if r.due_at > now]

    # -- handing out

    async def take(self, limit: int = 1) -> list[StreamEvent]:
        """The next events, at least one: what is due again first. Empty at the end of the log.

        Waits while too many are unanswered, and when following for what comes.
        """
        while True:
            # Answers are taken and committed meanwhile, also where there is much at hand.
            await asyncio.sleep(0)
            await self._room()
            if len(self._inflight) >= self._bound:
                return []
            if found := self._next(limit):
                self._news = time.monotonic()
                return found
            if not self._follow:
                return []
            lately = time.monotonic() - self._news < MOMENT
            await asyncio.sleep(QUICK if lately else SLOW)

    async def _room(self) -> None:
        patient = False
        while len(self._inflight) >= self._bound and not self._finishing:
            self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), None if patient else PATIENCE)
            except TimeoutError:
                patient = True
                log.warning(
                    "consumer %s waits: %d events are not answered", self._consumer, self._bound
                )

    def _next(self, limit: int) -> list[StreamEvent]:
        self._look()
        room = min(limit, self._bound - len(self._inflight))
        now = time.time()
        due = (r for r in self._again if r.due_at <= now and r.seq not in self._inflight)
        found = [
            self._handed(events.event(self._reader.db, retry.seq), retry.attempts + 1)
            for retry in islice(due, room)
        ]
        while len(found) < room and (self._page or self._turn()):
            found.append(self._handed(self._page.popleft(), 1))
        return found

    def _look(self) -> None:
        """See whether anything was committed since the last look."""
        version = self._reader.db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version, self._more = version, True
            if self._consumer is not None:
                limit = self._bound + 1
                self._again = consumers.retries(self._reader.db, self._consumer, limit)

    def _turn(self) -> bool:
        """Read the next page, where there may be more."""
        if self._more:
            page = events.read(
                self._reader.db, self._seq, PAGE, asked=self._asked, consumer=self._consumer
            )
            self._page.extend(page)
            self._more = len(page) == PAGE
            self._seq = page[-1].seq if page else self._seq
        return bool(self._page)

    def _handed(self, event: Event, attempts: int) -> StreamEvent:
        if self._consumer is not None:
            self._inflight.add(event.seq)
        return StreamEvent(event, _as_it_is(self._reader, event), attempts, self)

    # -- answers

    async def done(self, seq: int, work: Work[object] | None = None) -> None:
        """See :meth:`StreamEvent.ack`. Without a consumer nobody remembers."""
        if self._answers is not None:
            await self._answers.done(seq, work)
        elif work is not None:
            await asyncio.to_thread(write_once, self._workspace / CATALOG, work)

    async def failed(self, seq: int, retry_in: float, error: str | None) -> bool:
        """See :meth:`StreamEvent.nack`. Raises UsageError without a consumer."""
        if self._answers is None:
            raise UsageError("only what is read as a consumer can come again")
        return await self._answers.failed(Nack(seq, retry_in, error, self._max_attempts))

    def _settled(self, seq: int) -> None:
        self._inflight.discard(seq)
        self._freed.set()


async def stream(feed: Feed) -> AsyncIterator[StreamEvent]:
    """The events of a reader one by one."""
    async with feed:
        while found := await feed.take():
            for event in found:
                yield event


async def _locked(workspace: Path, consumer: str) -> ConsumerLock:
    """The lock of a consumer; one that ends at this moment, perhaps in this process, is waited for.

    Raises ConsumerBusy.
    """
    lock = ConsumerLock(workspace, consumer)
    deadline = time.monotonic() + MOMENT
    while True:
        try:
            await asyncio.to_thread(lock.acquire)
        except ConsumerBusy:
            if time.monotonic() > deadline:
                raise
        else:
            return lock


def _as_it_is(reader: Reader, event: Event) -> AcceptedImage | None:
    if event.candidate_id is None or event.kind == "retracted":
        return None
    image = reader.image(event.candidate_id, event.crawl_id)
    live = image is not None and image.state in ("accepted", "duplicate")
    return image if live and image is not None and image.sha256 == event.sha256 else None
