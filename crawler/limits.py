"""What ends a run before its target, or spoils its end: limits, room on the disk, strictness."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crawler.errors import (
    ItemsFailed,
    LimitReached,
    NoSpace,
    StorageError,
    TrawlError,
)
from crawler.opening import Request
from crawler.stats import Stats
from storage.files import free_bytes
from storage.records import Row

LOOK_EVERY = 1.0
"""Seconds between two looks at the disk, where little is written meanwhile."""
OWN_DESCRIPTORS = 64
"""Files and sockets that a run has open besides those of its works."""


@dataclass
class Watch:
    """Looks at the limits of a run as time passes, and at the disk as time or bytes do."""

    request: Request
    stats: Stats
    folder: Path
    min_free: int
    _looked: float = float("-inf")
    _fetched: int = 0
    """Bytes fetched when the disk was looked at."""

    def over(self, largest: Callable[[], int]) -> TrawlError | None:
        """What ends the run now, if anything. ``largest``: bytes of the largest file in flight."""
        if reached := limit_reached(self.request, self.stats):
            return reached
        fetched = self.stats.bytes_fetched - self._fetched
        if time.monotonic() - self._looked < LOOK_EVERY and fetched < self.min_free // 8:
            return None
        self._looked, self._fetched = time.monotonic(), self.stats.bytes_fetched
        return too_little_room(self.folder, self.min_free, largest())


def limit_reached(request: Request, stats: Stats) -> LimitReached | None:
    """The limit of the request that is used up, if any."""
    if request.max_bytes is not None and stats.bytes_fetched >= request.max_bytes:
        return LimitReached(f"--max-bytes {request.max_bytes} is used up")
    if request.max_time is not None and stats.elapsed >= request.max_time:
        return LimitReached(f"--max-time {request.max_time:g} s has passed")
    return None


def too_little_room(folder: Path, min_free: int, largest: int = 0) -> NoSpace | None:
    """Whether less is free on the disk of a folder than ``min_free`` bytes or two of the largest
    files on their way.
    """
    try:
        free = free_bytes(folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be looked at: {error.strerror}") from error
    needed = max(min_free, 2 * largest)
    if free >= needed:
        return None
    return NoSpace(
        f"only {free / 1e9:,.3f} GB are free on the disk of {folder}, and {needed / 1e9:,.3f} GB"
        " are to stay free",
        hint="free some space, or lower limits.min_free; the same command goes on",
    )


def works_at_once(wanted: int, descriptors: int | None) -> int:
    """How many of the works ``wanted`` at once a number of file descriptors allows.

    Each may need three (a connection, the file it becomes, one to sync a folder); the rest of the
    program has its own. None: any number.
    """
    if descriptors is None:
        return wanted
    return max(1, min(wanted, (descriptors - OWN_DESCRIPTORS) // 3))


def works_at_one_host(at_once: int, connections: int) -> int:
    """How many of the works on their way may be at one host.

    Some are decoded while others arrive; a quarter is left for other hosts, should this one be
    silent.
    """
    return max(1, min(2 * connections, at_once * 3 // 4))


def items_failed(request: Request, rows: Sequence[Row]) -> ItemsFailed | None:
    """What ``--strict`` makes of a table of reasons."""
    failed = sum(row.count for row in rows if row.state == "failed")
    if not (request.strict and failed):
        return None
    return ItemsFailed(
        f"{failed} works failed for good", hint="`trawl query state:failed` lists them"
    )
