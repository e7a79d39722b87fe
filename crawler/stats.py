"""One Stats object: every part of a run reports into it; the end table and progress read it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Stats:
    """Counts of one run. Times are monotonic seconds, sizes bytes."""

    want: int | None = None
    accepted: int = 0
    """Accepted by the crawl so far, earlier runs included."""
    seen: int = 0
    """Works the crawl has met so far, earlier runs included; each once."""
    states: Counter[str] = field(default_factory=Counter)
    """state -> works that reached it in this run."""
    api_requests: int = 0
    file_requests: int = 0
    retries: int = 0
    bytes_fetched: int = 0
    bytes_api: int = 0
    bytes_saved: int = 0
    """Claimed bytes of works that were known to be duplicates before the download."""
    in_flight: int = 0
    waiting: dict[str, tuple[str, float]] = field(default_factory=dict)
    """host -> (why, monotonic time when it goes on)."""
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started
