"""Manners per host: spacing, connections at once, cool-downs, breaker and retry budget.

All workers of a session share them. The breaker and the budget are rooms of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from crawler.errors import RateLimited
from crawler.http.breaker import Breaker, Probe
from crawler.http.budget import Budget
from crawler.http.retry import Trouble
from crawler.site import Net
from crawler.stats import Stats

LOOK_EVERY = 0.1
"""Seconds between looks into the durable store, where other processes leave cool-downs."""
ASK_EVERY = 0.25
"""Seconds between looks whether the budget has a second try: others' requests free them."""


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
    breaker: Breaker
    budget: Budget
    pace: asyncio.Lock = field(default_factory=asyncio.Lock)
    second: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_at: float = 0.0
    cool_until: float = 0.0
    reason: str = ""
    strikes: int = 0
    looked: float | None = None


class Politeness:
    """One per session. Times are monotonic seconds; ``host`` is ``host:port``."""

    def __init__(
        self,
        net: Net,
        stats: Stats,
        cooldowns: Cooldowns | None = None,
        notify: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._net = net
        self._stats = stats
        self._store = cooldowns
        self._notify = notify
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def slot(self, host: str, rate: float, connections: int) -> AsyncIterator[None]:
        """Hold one of the host's connections, from the moment its next request may be sent.

        Requests start at least ``1 / rate`` seconds apart. Raises RateLimited where the host is
        cooling down for longer than we wait by ourselves, and FetchError ``host_down`` where it has
        been given up. Trouble that leaves the block is what the breaker learns from.
        """
        state = self._hosts.get(host)
        if state is None:
            state = self._hosts[host] = self._new(host, connections)
        state.breaker.check()
        # The slot comes first: turns taken before it would be used up in a burst when slow
        # requests end. Nobody is kept from work by it, since the whole host waits.
        async with state.slots:
            async with state.pace:
                probe = await self._turn(host, state, 1.0 / rate)
            asked_at = time.monotonic()
            try:
                yield
            except Trouble as trouble:
                trouble.host = host
                if trouble.outage:
                    self._failed(host, state, trouble, asked_at, probe)
                raise
            finally:
                state.breaker.give_back(probe)

    def _new(self, host: str, connections: int) -> _Host:
        return _Host(
            asyncio.Semaphore(connections),
            Breaker(host, self._net),
            Budget(self._net.retry_share, self._net.retry_floor),
        )

    async def _turn(self, host: str, state: _Host, spacing: float) -> Probe | None:
        while True:
            await self._look(host, state)
            state.breaker.check()
            now = time.monotonic()
            cooling = state.cool_until - now
            if cooling > self._net.max_wait:
                raise self._too_long(host, state, cooling)
            if cooling <= 0 and not state.breaker.is_open:
                self._stats.waiting.pop(host, None)
            wait = max(cooling, state.next_at - now, state.breaker.held(now))
            if wait <= 0:
                state.next_at = now + spacing
                state.budget.request(now)
                return state.breaker.enter()
            await state.breaker.moved(wait)

    async def second_try(self, trouble: Trouble) -> None:
        """Return when a request that failed so may be tried again, as far as the budget goes.

        Nothing is held meanwhile. What a cool-down or the breaker holds waits there and not here.
        Raises FetchError ``host_down``.
        """
        state = self._hosts.get(trouble.host or "")
        if state is None or trouble.local or trouble.free:
            return
        if trouble.at_once:
            state.budget.note(time.monotonic())
            return
        async with state.second:
            while wait := state.budget.take(time.monotonic()):
                state.breaker.check()
                await asyncio.sleep(min(wait, ASK_EVERY))

    async def _look(self, host: str, state: _Host) -> None:
        """Learn of cool-downs from earlier runs and from other processes."""
        now = time.monotonic()
        if self._store is None or (state.looked is not None and now - state.looked < LOOK_EVERY):
            return
        found = await asyncio.to_thread(self._store.get, host)
        state.looked = now  # only now: who is cancelled above has seen nothing
        if found is not None:
            self._begin(host, state, *found)

    async def refused(
        self, host: str, seconds: float | None, reason: str, *, asked_at: float
    ) -> None:
        """The host told us to slow down: no worker asks it again before the time is over.

        ``seconds`` is its Retry-After; without one the wait doubles with each refusal in a row, and
        so does it for a host that refuses again after the time it asked for itself.
        ``asked_at`` is when the refused request was sent: many refusals of one burst count once.
        """
        state = self._hosts[host]
        state.breaker.answered()
        if asked_at >= state.cool_until:
            state.strikes += 1
        doubled = self._net.cooldown_first * 2.0 ** min(max(state.strikes - 1, 0), 30)
        doubled = min(doubled, self._net.max_wait)
        if seconds is None or (state.strikes > 1 and seconds < doubled):
            seconds = doubled
        self._begin(host, state, seconds, reason)
        if self._store is not None:
            await asyncio.to_thread(self._store.put, host, seconds, reason)

    def served(self, host: str) -> None:
        """The host answered: neither its refusals nor its failures are in a row any more."""
        state = self._hosts[host]
        state.strikes = 0
        if state.breaker.answered():
            self._stats.waiting.pop(host, None)

    def _failed(
        self, host: str, state: _Host, trouble: Trouble, asked_at: float, probe: Probe | None
    ) -> None:
        seconds = state.breaker.failed(trouble, asked_at, probe)
        if seconds is not None:
            self._tell(host, trouble.message, seconds)
        elif state.breaker.is_given_up:
            self._stats.waiting.pop(host, None)

    def _begin(self, host: str, state: _Host, seconds: float, reason: str) -> None:
        until = time.monotonic() + seconds
        if seconds <= 0 or until <= state.cool_until + 0.001:
            return
        longer = until - max(state.cool_until, time.monotonic())
        state.cool_until = until
        state.reason = reason
        # What a worker hears of a cool-down that already runs is not news.
        self._tell(host, reason, seconds, news=longer > min(1.0, seconds / 2))

    def _tell(self, host: str, reason: str, seconds: float, *, news: bool = True) -> None:
        self._stats.waiting[host] = (reason, time.monotonic() + seconds)
        if self._notify is not None and news:
            self._notify({"type": "waiting", "host": host, "reason": reason, "seconds": seconds})

    @staticmethod
    def _too_long(host: str, state: _Host, seconds: float) -> RateLimited:
        until = datetime.fromtimestamp(time.time() + seconds).astimezone()
        return RateLimited(
            f"{host} asks not to be asked again before {until:%Y-%m-%d %H:%M %Z} ({state.reason})",
            hint="run the same command after that time: it goes on where it stopped",
        )
