"""The work behind ``trawl stream``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import crawler
from crawler.cli.output import as_json, plain
from crawler.cli.printing import print_lines, teller
from crawler.following import Followed, keep_folder
from crawler.settings import Settings
from crawler.streaming import Feed
from storage.consumers import Retry

if TYPE_CHECKING:
    from crawler.streaming import StreamEvent

BATCH = 64
"""Lines printed at once at most."""
GLANCE = 0.5
"""Seconds between two looks whether anybody still reads us."""


async def lines(workspace: Path, settings: Settings, given: Mapping[str, Any]) -> None:
    """Print events as they come; acknowledge them for a consumer."""
    consumer = given["consumer"]
    how = {"max_inflight": given["max_inflight"]} if given["max_inflight"] is not None else {}
    async with crawler.open(workspace, settings=settings) as ws:
        feed = ws.feed(
            consumer,
            kinds=given["kinds"] or (),
            crawl=given["crawl"],
            after=given["after"],
            follow=given["follow"],
            **how,
        )
        async with feed:
            answers = _Answers(feed, from_stdin=given["ack_stdin"])
            watching = asyncio.create_task(_until_nobody_reads(feed))
            try:
                await _print_all(
                    feed, answers, acked=consumer is not None and not given["ack_stdin"]
                )
            finally:
                watching.cancel()
                await answers.committed()
            _tell_what_waits(consumer, feed.later())


async def _print_all(feed: Feed, answers: _Answers, *, acked: bool) -> None:
    """Print what there is, and what becomes due while answers are awaited."""

    def written(number: int) -> None:
        if acked:
            answers.begin(events[number].ack())

    while True:
        answers.look()
        if events := await feed.take(BATCH):
            answers.expect(events)
            await print_lines([as_json(_line(event)) for event in events], written)
        elif answers.awaited():
            await answers.changed(until=min((r.due_at for r in feed.later()), default=None))
        else:
            return


def _tell_what_waits(consumer: str, later: Sequence[Retry]) -> None:
    if not later:
        return
    first, *_, last = sorted(_local(retry.due_at) for retry in (*later, later[-1]))
    if len(later) == 1:
        said = f"1 event that failed waits until {first}"
    else:
        said = f"{len(later)} events that failed wait, the first until {first}"
        said += f", the last until {last}" if last != first else ""
    click.echo(f"consumer {consumer}: {said}", err=True)


def _local(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S}"


async def folder(workspace: Path, settings: Settings, given: Mapping[str, Any]) -> None:
    """Keep a folder as the set is, and say at the end what was done."""
    done = Followed()
    out: Path = given["folder"]
    try:
        async with crawler.open(workspace, settings=settings) as ws:
            await keep_folder(
                ws,
                out,
                given["consumer"],
                follow=given["follow"],
                crawl=given["crawl"],
                options=dict(given["assignments"]),
                done=done,
            )
    finally:
        left_out = f", {done.skipped} left out" if done.skipped else ""
        click.echo(f"{out}: {done.written} written, {done.removed} removed{left_out}", err=True)


def _line(streamed: StreamEvent) -> dict[str, Any]:
    event, image = streamed.event, streamed.image
    return {
        "v": 1,
        "type": event.kind,
        "seq": event.seq,
        "at": event.at,
        "crawl": event.crawl_id,
        "site": event.site,
        "site_id": event.site_id,
        "sha256": event.sha256,
        "path": image and image.path and str(image.path),
        "width": image and image.width,
        "height": image and image.height,
        "payload": plain(event.payload),
        "attempt": streamed.attempts,
        "format": image and image.format,
        "bytes": image and image.bytes,
        "page_url": image and image.page_url,
        "source_url": image and image.source_url,
        "tags": image and plain(image.tags),
        "rating": image and image.rating,
        "caption": image and image.caption,
    }


class _Answers:
    """Answers that are on their way, and those read from standard input."""

    def __init__(self, feed: Feed, *, from_stdin: bool) -> None:
        self._feed = feed
        self._from_stdin = from_stdin
        self._open: dict[int, StreamEvent] = {}
        self._begun: set[asyncio.Task[Any]] = set()
        self._trouble: BaseException | None = None
        self._changed = asyncio.Event()
        self._ended = not from_stdin
        if from_stdin:
            _read_stdin(self._take, self._end)

    def expect(self, events: Iterable[StreamEvent]) -> None:
        """From here on these may be answered."""
        if self._from_stdin:
            self._open |= {event.event.seq: event for event in events}

    def begin(self, answer: Coroutine[Any, Any, Any]) -> None:
        """Have an answer committed, together with those beside it."""
        task = asyncio.create_task(answer)
        self._begun.add(task)
        task.add_done_callback(self._finished)

    def look(self) -> None:
        """Begin to watch for :meth:`changed`. Raises what an answer could not be committed for."""
        self._changed.clear()
        if self._trouble is not None:
            raise self._trouble

    def awaited(self) -> bool:
        """Whether an answer is on its way, or may still come."""
        return bool(self._begun or (self._open and not self._ended))

    async def changed(self, until: float | None) -> None:
        """Wait until an answer was committed since the :meth:`look`, or a time has come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if until is None else max(0, until - time.time())):
                await self._changed.wait()

    async def committed(self) -> None:
        """Wait for the answers that are on their way."""
        await asyncio.gather(*self._begun, return_exceptions=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._begun.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._trouble = self._trouble or error
            self._feed.finish()
        self._changed.set()

    def _take(self, line: str) -> None:
        match line.split():
            case []:
                return
            case [seq] if (event := self._answered(seq)) is not None:
                self.begin(event.ack())
            case ["nack", seq] if (event := self._answered(seq)) is not None:
                self.begin(event.nack())
            case ["nack", seq, wait] if _is_wait(wait) and (event := self._answered(seq)):
                self.begin(event.nack(float(wait)))
            case _:
                click.echo(f"no answer to an open event: {line.strip()[:80]!r}", err=True)

    def _answered(self, seq: str) -> StreamEvent | None:
        return self._open.pop(int(seq), None) if seq.isdecimal() and len(seq) < 20 else None

    def _end(self) -> None:
        self._ended = True
        self._feed.finish()
        self._changed.set()


def _is_wait(text: str) -> bool:
    """Whether a text is a number of seconds, with or without a point."""
    whole, _, part = text.partition(".")
    return whole.isdecimal() and len(whole) < 10 and (part.isdecimal() or not part)


def _read_stdin(take: Callable[[str], None], end: Callable[[], None]) -> None:
    """Have every line of standard input taken in the loop, and the end of it told there."""
    tell = teller()

    def read() -> None:
        rest = b""
        # Not by its buffer: a thread that waits in that is in the way when the process ends.
        while data := os.read(sys.stdin.fileno(), 1 << 16):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                tell(take, line.decode("ascii", "replace"))
        if rest:
            tell(take, rest.decode("ascii", "replace"))
        tell(end)

    threading.Thread(target=read, daemon=True, name="answers").start()


async def _until_nobody_reads(feed: Feed) -> None:
    """End a reader whose output goes nowhere: it would hold its consumer until the next event."""
    if not hasattr(select, "poll"):  # Windows
        return
    output = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(output).st_mode):
        return
    poll = select.poll()
    poll.register(output, 0)
    while True:
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            feed.finish()
            return
        await asyncio.sleep(GLANCE)
