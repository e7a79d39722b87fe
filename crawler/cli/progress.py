"""Progress on standard error: live on a terminal, else a plain line every ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import click

from crawler.cli.output import printable
from crawler.stats import Stats

_LIVE_SECONDS = 0.25
_PLAIN_SECONDS = 10.0
_WINDOW = 30.0
"""Seconds over which speeds are taken: long enough to be calm, short enough to be true."""


@dataclass
class Meter:
    """Makes the progress line out of a run's Stats."""

    stats: Stats
    _samples: deque[tuple[float, int, int, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._sample(self.stats.started)

    def line(self, now: float) -> str:
        """The line at monotonic time ``now``."""
        stats = self.stats
        accepted = stats.accepted
        self._sample(now)
        while now - self._samples[0][0] > _WINDOW and len(self._samples) > 2:
            self._samples.popleft()
        then, files, fetched, had = self._samples[0]
        span = now - then
        parts = [
            f"{accepted}/{stats.want} accepted" if stats.want else f"{accepted} accepted",
            f"{stats.seen} seen",
        ]
        if span > 0:
            parts.append(f"{(stats.file_requests - files) / span:.1f} files/s")
            parts.append(f"{(stats.bytes_fetched - fetched) / span / 1e6:.1f} MB/s")
            if stats.want and accepted > had:
                left = max(stats.want - accepted, 0) * span / (accepted - had)
                parts.append(f"about {duration(left)} left")
        return " · ".join(parts) + "".join(self._waits(now))

    def _sample(self, now: float) -> None:
        stats = self.stats
        self._samples.append((now, stats.file_requests, stats.bytes_fetched, stats.accepted))

    def _waits(self, now: float) -> list[str]:
        waits = []
        for host, (why, until) in sorted(self.stats.waiting.items()):
            if until > now:
                clock = datetime.now() + timedelta(seconds=until - now)
                waits.append(printable(f"; {host} waits until {clock:%H:%M:%S} ({why})"))
        return waits


def duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


Say = Callable[[str], None]


@asynccontextmanager
async def progress(stats: Stats, *, quiet: bool) -> AsyncIterator[Say]:
    """Show progress while the block runs; yields what says one line above it."""
    meter = Meter(stats)
    if quiet:
        yield _say
        return
    if sys.stderr.isatty():
        with _live() as (say, show):
            async with _every(_LIVE_SECONDS, lambda: show(meter.line(time.monotonic()))):
                yield say
        return
    seconds = float(os.environ.get("TRAWL_TEST_PROGRESS_SECONDS", _PLAIN_SECONDS))
    async with _every(seconds, lambda: _say(meter.line(time.monotonic()))):
        yield _say


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextlib.contextmanager
def _live() -> Iterator[tuple[Say, Say]]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def say(line: str) -> None:
            console.print(Text(line))

        def show(line: str) -> None:
            live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

        yield say, show


@asynccontextmanager
async def _every(seconds: float, act: Callable[[], None]) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            act()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        # A progress line that could not be written (closed stderr) is raised here, not lost.
        with contextlib.suppress(asyncio.CancelledError):
            await task
