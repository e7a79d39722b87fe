"""The work behind ``trawl stream``."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import crawler
from crawler.cli.output import as_json, plain, write
from crawler.settings import Settings

if TYPE_CHECKING:
    from crawler.workspace import StreamEvent


async def stream(
    workspace: Path,
    settings: Settings,
    consumer: str | None,
    after: int | None,
    follow: bool,
    ack_stdin: bool,
) -> None:
    """Print events as they come; acknowledge them for ``consumer``."""
    async with crawler.open(workspace, settings=settings) as ws:
        acks = _Acks() if ack_stdin else None
        async for event in ws.stream(consumer=consumer, after=after, follow=follow):
            if acks is not None:
                acks.printed(event)
            write(as_json(_line(event)))
            if consumer is not None and acks is None:
                await event.ack()
            elif acks is not None:
                await acks.settle()
        if acks is not None:
            await acks.rest()


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
    }


class _Acks:
    """Seqs read from standard input, matched to the events that were printed."""

    def __init__(self) -> None:
        self._open: dict[int, StreamEvent] = {}
        self._read: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended = False
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in sys.stdin:
                loop.call_soon_threadsafe(self._read.put_nowait, line)
            loop.call_soon_threadsafe(self._read.put_nowait, None)

        # A daemon, for nothing can interrupt a read of standard input at the end.
        threading.Thread(target=read, daemon=True, name="acks").start()

    def printed(self, event: StreamEvent) -> None:
        self._open[event.event.seq] = event

    async def settle(self) -> None:
        """Acknowledge what has come back so far."""
        while not self._read.empty():
            await self._take(await self._read.get())

    async def rest(self) -> None:
        """Acknowledge until every printed event came back or standard input has ended."""
        while self._open and not self._ended:
            await self._take(await self._read.get())

    async def _take(self, line: str | None) -> None:
        if line is None:
            self._ended = True
            return
        seq = int(line) if line.strip().isdecimal() else -1
        if seq not in self._open:
            if line.strip():
                click.echo(f"no open event has the seq {line.strip()!r}", err=True)
            return
        await self._open[seq].ack()
        # An acknowledged seq stands for everything before it.
        for done in [known for known in self._open if known <= seq]:
            del self._open[done]
