"""One crawl in progress, as programs and the command line see it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from crawler.errors import Interrupted, TrawlError
from crawler.reports import Observer
from crawler.stats import Stats
from storage.records import AcceptedImage, Row

if TYPE_CHECKING:
    from crawler.chain import Chain
    from crawler.engine import Engine
    from crawler.opening import Request
    from crawler.workspace import Workspace


@dataclass(frozen=True)
class Summary:
    """How a run ended."""

    crawl_id: str
    state: Literal["finished", "stopped", "failed"]
    accepted: int
    want: int | None
    rows: tuple[Row, ...]
    """The table of reasons of the whole crawl, earlier runs included."""
    stats: Stats
    warnings: tuple[str, ...] = ()
    error: TrawlError | None = None
    """What ended it before its target, with its exit code; None where all is well."""


class Run:
    """A crawl: ``await`` it to its end, or iterate over what it accepts while it goes on.

    ``async with run:`` starts it and, on leaving early, stops it gracefully.
    """

    def __init__(self, engine: Engine, workspace: Workspace) -> None:
        self._engine = engine
        self._workspace = workspace
        self._task: asyncio.Task[Summary] | None = None

    @property
    def stats(self) -> Stats:
        """Live counts."""
        return self._engine.stats

    @property
    def request(self) -> Request:
        """What it was asked for."""
        return self._engine.request

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` with every report (the objects of ``--ndjson``), in the event loop."""
        self._engine.observers.append(observer)

    def stop(self) -> None:
        """First call: take no new work and finish what is in flight. Second: give that back too."""
        self._engine.stop()

    async def accepted(self) -> AsyncIterator[AcceptedImage]:
        """What the crawl accepts, as it is committed.

        Only this iterator applies back-pressure: while it is not asked, the crawl waits for it.
        """
        tap = self._engine.tap()
        task = self._start()
        task.add_done_callback(lambda _: tap.shut())
        try:
            while (image := await tap.get()) is not None:
                yield image
        finally:
            tap.leave()
        await task

    def through(self, stage: str, /, **options: Any) -> Chain:
        """Derive pictures from what is accepted; see :class:`crawler.chain.Chain`."""
        from crawler.chain import Chain

        return Chain(self._workspace, self).through(stage, **options)

    def export(self, layout: str, out: Any, /, **options: Any) -> Chain:
        """Lay what is accepted out for a trainer when the crawl has ended."""
        from crawler.chain import Chain

        return Chain(self._workspace, self).export(layout, out, **options)

    def _start(self) -> asyncio.Task[Summary]:
        if self._task is None:
            self._task = asyncio.create_task(self._workspace._execute(self._engine), name="crawl")
        return self._task

    def __await__(self) -> Generator[Any, None, Summary]:
        return self._start().__await__()

    async def __aenter__(self) -> Run:
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        task = self._start()
        self._engine.tap().leave()  # an iterator that was left but not closed holds up nothing
        if kind is not None or not task.done():
            self.stop()
        if kind is not None:
            self.stop()
            await asyncio.gather(task, return_exceptions=True)
        else:
            with contextlib.suppress(Interrupted):  # stopped while opening: by us
                await task


class Tap:
    """A bounded queue between the engine and one consumer."""

    def __init__(self, size: int = 32) -> None:
        self._room = asyncio.Semaphore(size)
        self._images: asyncio.Queue[AcceptedImage | None] = asyncio.Queue()
        self._left = False

    async def put(self, image: AcceptedImage) -> None:
        """Wait for room; returns at once where nobody listens any more."""
        await self._room.acquire()
        if self._left:
            self._room.release()  # and let the next one through as well
        else:
            self._images.put_nowait(image)

    def shut(self) -> None:
        """The crawl has ended: nothing more will come."""
        self._images.put_nowait(None)

    async def get(self) -> AcceptedImage | None:
        """The next picture; None when the crawl has ended."""
        image = await self._images.get()
        if image is not None:
            self._room.release()
        return image

    def leave(self) -> None:
        """Nobody listens any more: whoever waits for room goes on."""
        self._left = True
        self._room.release()
