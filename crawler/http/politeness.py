"""Manners per host: spacing of requests, connections at once, and cool-downs all workers obey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from crawler.errors import RateLimited
from crawler.stats import Stats

LOOK_EVERY = 1.0
"""Seconds between looks into the durable store, where other processes leave cool-downs."""


class Cooldowns(Protocol):
    """Cool-downs that outlive the process, by ``host:port``. Called from worker threads."""

    def get(self, host: str) -> tuple[float, str] | None:
        """Seconds left and the reason, or None where the host may be asked."""
        ...

    def put(self, host: str, seconds: float, reason: str) -> None:
        """Keep away from the host for so long from now; never shortens what is there."""
        ...


@dataclass
class _Host:
    slots: asyncio.Semaphore
    pace: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_at: float = 0.0
    cool_until: float = 0.0
    reason: str = ""
    strikes: int = 0
    looked: float | None = None


class Politeness:
    """One per session. Times are monotonic seconds; ``host`` is ``host:port``."""

    def __init__(
        self,
        stats: Stats,
        *,
        max_wait: float,
        first_cooldown: float = 2.0,
        cooldowns: Cooldowns | None = None,
        notify: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._stats = stats
        self._max_wait = max_wait
        self._first = first_cooldown
        self._store = cooldowns
        self._notify = notify
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def slot(self, host: str, rate: float, connections: int) -> AsyncIterator[None]:
        """Hold one of the host's connections, from the moment its next request may be sent.

        Requests start at least ``1 / rate`` seconds apart. Raises RateLimited where the host is
        cooling down for longer than we wait by ourselves.
        """
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = _Host(asyncio.Semaphore(connections))
        # The slot comes first: turns taken before it would be used up in a burst when slow
        # requests end. Nobody is kept from work by it, since the whole host waits.
        async with state.slots:
            async with state.pace:
                await self._turn(host, state, 1.0 / rate)
            yield

    async def _turn(self, host: str, state: _Host, spacing: float) -> None:
        while True:
            await self._look(host, state)
            now = time.monotonic()
            cooling = state.cool_until - now
            if cooling > self._max_wait:
                raise self._too_long(host, state, cooling)
            if cooling <= 0:
                self._stats.waiting.pop(host, None)
                if state.next_at <= now:
                    state.next_at = now + spacing
                    return
            await asyncio.sleep(max(cooling, state.next_at - now))

    async def _look(self, host: str, state: _Host) -> None:
        """Learn of cool-downs from earlier runs and from other processes."""
        now = time.monotonic()
        if self._store is None or (state.looked is not None and now - state.looked < LOOK_EVERY):
            return
        state.looked = now
        found = await asyncio.to_thread(self._store.get, host)
        if found is not None:
            self._begin(host, state, *found)

    async def refused(
        self, host: str, seconds: float | None, reason: str, *, asked_at: float
    ) -> None:
        """The host told us to slow down: no worker asks it again before the time is over.

        ``seconds`` is its Retry-After; without one the wait doubles with each refusal in a row.
        ``asked_at`` is when the refused request was sent: many refusals of one burst count once.
        """
        state = self._hosts[host]
        if asked_at >= state.cool_until:
            state.strikes += 1
        if seconds is None:
            seconds = min(self._first * 2 ** min(max(state.strikes - 1, 0), 30), self._max_wait)
        self._begin(host, state, seconds, reason)
        if self._store is not None:
            await asyncio.to_thread(self._store.put, host, seconds, reason)

    def served(self, host: str) -> None:
        """The host answered: its refusals are no longer in a row."""
        self._hosts[host].strikes = 0

    def _begin(self, host: str, state: _Host, seconds: float, reason: str) -> None:
        until = time.monotonic() + seconds
        if seconds <= 0 or until <= state.cool_until + 0.001:
            return
        longer = until - max(state.cool_until, time.monotonic())
        state.cool_until = until
        state.reason = reason
        self._stats.waiting[host] = (reason, until)
        # What a worker hears of a cool-down that already runs is not news.
        if self._notify is not None and longer > min(1.0, seconds / 2):
            self._notify({"type": "waiting", "host": host, "reason": reason, "seconds": seconds})

    @staticmethod
    def _too_long(host: str, state: _Host, seconds: float) -> RateLimited:
        until = datetime.fromtimestamp(time.time() + seconds).astimezone()
        return RateLimited(
            f"{host} asks not to be asked again before {until:%Y-%m-%d %H:%M %Z} ({state.reason})",
            hint="run the same command after that time: it goes on where it stopped",
        )
