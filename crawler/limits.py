"""What ends a run before its target, or spoils its end: limits, room on the disk, strictness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crawler.errors import BadAnswer, ItemsFailed, LimitReached, NoSpace
from crawler.opening import Request
from crawler.stats import Stats
from storage.files import free_bytes
from storage.records import Row

SOURCE_TROUBLE = 20
"""Equal troubles in a row that stop the source."""


@dataclass
class Streak:
    """Counts works in a row that failed with the same trouble."""

    trouble: str | None = None
    length: int = 0

    def after(self, trouble: str | None) -> BadAnswer | None:
        """Note how the next work ended (None: well); returns what stops the run, if any."""
        same = trouble is not None and trouble == self.trouble
        self.trouble, self.length = trouble, self.length + 1 if same else 1
        if trouble is None or self.length < SOURCE_TROUBLE:
            return None
        return BadAnswer(f"{SOURCE_TROUBLE} works in a row failed with {trouble}")


def limit_reached(request: Request, stats: Stats) -> LimitReached | None:
    """The limit of the request that is used up, if any."""
    if request.max_bytes is not None and stats.bytes_fetched >= request.max_bytes:
        return LimitReached(f"--max-bytes {request.max_bytes} is used up")
    if request.max_time is not None and stats.elapsed >= request.max_time:
        return LimitReached(f"--max-time {request.max_time:g} s has passed")
    return None


def too_little_room(folder: Path, min_free: int) -> NoSpace | None:
    """Whether less than ``min_free`` bytes are free on the disk of a folder."""
    free = free_bytes(folder)
    if free >= min_free:
        return None
    return NoSpace(f"only {free / 1e9:.2f} GB are free; {min_free / 1e9:.2f} stay")


def items_failed(request: Request, rows: Sequence[Row]) -> ItemsFailed | None:
    """What ``--strict`` makes of a table of reasons."""
    failed = sum(row.count for row in rows if row.state == "failed")
    if not (request.strict and failed):
        return None
    return ItemsFailed(
        f"{failed} works failed for good", hint="`trawl query state:failed` lists them"
    )
