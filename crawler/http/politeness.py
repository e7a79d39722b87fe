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
from crawler.http.guard import shown_host
from crawler.http.retry import Trouble, overtaken
from crawler.site import Net
from crawler.stats import Stats

LOOK_EVERY = 0.1
"""Seconds between looks into the durable store, where other processes leave cool-downs."""
ASK_EVERY = 0.25
"""Seconds between looks whether the budget has a second try: others' requests free them."""
FORGET_EVERY = 256
"""New hosts after which those are forgotten of whom nothing has to be known."""


class Cooldowns(Protocol):
    """Cool-downs that outlive the process, by ``host:port``. Called from worker threads."""

    def get(self, host: str) -> tuple[float, str] | None:
        """Seconds left and the reason, or None where the host may be asked."""
        ...

    def put(self, host: str, seconds: float, reason: str) -> None:
        """Keep away from the host for so long from now; never shortens what is there."""
        ...


@dataclass(slots=True)
class _Host:
    key: str
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
    users: int = 0
    """Tasks that hold a slot, or wait for one or for a second try."""

    @property
    def shown(self) -> str:
        return shown_host(self.key)

    def is_new(self, now: float) -> bool:
        """Whether a host that was never asked would be treated like this one."""
        return (
            not self.users
            and not self.strikes
            and max(self.cool_until, self.next_at) <= now
            and not (self.breaker.is_open or self.breaker.is_given_up)
            and self.budget.is_new(now)
        )


class Politeness:
    """One per session. Times are monotonic seconds; ``host`` is ``host:port``.

    ``room`` is how many sockets the transport opens over all hosts (without it, what the settings
    say): who has a turn never waits for one. ``Stats.waiting`` and ``notify`` name a host as
    messages do.
    """

    def __init__(
        self,
        net: Net,
        stats: Stats,
        cooldowns: Cooldowns | None = None,
        notify: Callable[[dict[str, Any]], None] | None = None,
        *,
        room: int | None = None,
    ) -> None:
        self._net = net
        self._stats = stats
        self._store = cooldowns
        self._notify = notify
        self._hosts: dict[str, _Host] = {}
        self._forget_at = FORGET_EVERY
        self._room = asyncio.Semaphore(net.connections if room is None else room)

    @asynccontextmanager
    async def slot(self, host: str, rate: float, connections: int) -> AsyncIterator[None]:
        """Hold one of the host's connections, from the moment its next request may be sent.

        Requests start at least ``1 / rate`` seconds apart. Raises RateLimited where the host is
        cooling down for longer than we wait by ourselves, and FetchError ``host_down`` where it has
        been given up. Trouble that leaves the block is what the breaker learns from.

        One request of a host at a time, the next in its line, waits for the turn. When it could
        go, it waits for room among the sockets of all hosts, and then looks again: the host may
        have told others to stay away meanwhile. In that case it gives the room back before it
        waits on. Only a request that goes now uses up a turn and, of a failing host, the probe.
        """
        state = self._hosts.get(host) or self._new(host, connections)
        state.users += 1
        try:
            state.breaker.check()
            # The slot comes first: turns taken before it would be used up in a burst when slow
            # requests end. Nobody is kept from work by it, since the whole host waits.
            async with state.slots:
                async with state.pace:
                    probe = await self._turn(state, 1.0 / rate)
                asked_at = time.monotonic()
                try:
                    yield
                except Trouble as trouble:
                    trouble.host = host
                    if trouble.outage:
                        self._failed(state, trouble, asked_at, probe)
                    raise
                finally:
                    self._room.release()
                    state.breaker.give_back(probe)
        finally:
            state.users -= 1

    def check(self, host: str) -> None:
        """Raise FetchError ``rate_limited`` where a request that had its turn may go no more.

        To be called by who holds a slot, once there is a connection: opening it can take long.
        """
        if self._hosts[host].cool_until > time.monotonic():
            raise overtaken()

    def _new(self, host: str, connections: int) -> _Host:
        if len(self._hosts) >= self._forget_at:
            self._forget()
        state = self._hosts[host] = _Host(
            host,
            asyncio.Semaphore(connections),
            Breaker(host, self._net),
            Budget(self._net.retry_share, self._net.retry_floor),
        )
        return state

    def _forget(self) -> None:
        now = time.monotonic()
        for host in [host for host, state in self._hosts.items() if state.is_new(now)]:
            self._stats.waiting.pop(self._hosts.pop(host).shown, None)
        self._forget_at = len(self._hosts) + FORGET_EVERY

    async def _turn(self, state: _Host, spacing: float) -> Probe | None:
        """Return when the next request may be sent, with room for it taken."""
        room = False
        try:
            while True:
                await self._look(state)
                state.breaker.check()
                now = time.monotonic()
                cooling = state.cool_until - now
                if cooling > self._net.max_wait:
                    raise self._too_long(state, cooling)
                if cooling <= 0 and not state.breaker.is_open:
                    self._stats.waiting.pop(state.shown, None)
                wait = max(cooling, state.next_at - now, state.breaker.held(now))
                if wait > 0:
                    if room:
                        self._room.release()
                        room = False
                    await state.breaker.moved(wait)
                elif room:
                    state.next_at = now + spacing
                    state.budget.request(now)
                    room = False  # it is the caller's now
                    return state.breaker.enter()
                else:
                    await self._room.acquire()
                    room = True
        finally:
            if room:
                self._room.release()

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
        state.users += 1
        try:
            async with state.second:
                while wait := state.budget.take(time.monotonic()):
                    state.breaker.check()
                    await asyncio.sleep(min(wait, ASK_EVERY))
        finally:
            state.users -= 1

    async def _look(self, state: _Host) -> None:
        """Learn of cool-downs from earlier runs and from other processes."""
        now = time.monotonic()
        if self._store is None or (state.looked is not None and now - state.looked < LOOK_EVERY):
            return
        found = await asyncio.to_thread(self._store.get, state.key)
        state.looked = now  # only now: who is cancelled above has seen nothing
        if found is not None:
            self._begin(state, *found)

    async def refused(
        self, host: str, seconds: float | None, reason: str, *, asked_at: float
    ) -> None:
        """The host told us to slow down: no worker asks it again before the time is over.

        ``seconds`` is its Retry-After; without one, or where it is 0, the wait doubles with each
        refusal in a row.
        ``asked_at`` is when the refused request was sent: many refusals of one burst count once.
        """
        state = self._hosts[host]
        state.breaker.answered()
        if asked_at >= state.cool_until:
            state.strikes += 1
        if not seconds:
            doubled = self._net.cooldown_first * 2.0 ** min(max(state.strikes - 1, 0), 30)
            seconds = min(doubled, self._net.max_wait)
        self._begin(state, seconds, reason)
        if self._store is not None:
            await asyncio.to_thread(self._store.put, host, seconds, reason)

    def served(self, host: str) -> None:
        """The host answered: neither its refusals nor its failures are in a row any more."""
        state = self._hosts[host]
        state.strikes = 0
        if state.breaker.answered():
            self._stats.waiting.pop(state.shown, None)

    def _failed(self, state: _Host, trouble: Trouble, asked_at: float, probe: Probe | None) -> None:
        seconds = state.breaker.failed(trouble, asked_at, probe)
        if seconds is not None:
            self._tell(state, trouble.message, seconds)
        elif state.breaker.is_given_up:
            self._stats.waiting.pop(state.shown, None)

    def _begin(self, state: _Host, seconds: float, reason: str) -> None:
        until = time.monotonic() + seconds
        if seconds <= 0 or until <= state.cool_until + 0.001:
            return
        longer = until - max(state.cool_until, time.monotonic())
        state.cool_until = until
        state.reason = reason
        # What a worker hears of a cool-down that already runs is not news.
        self._tell(state, reason, seconds, news=longer > min(1.0, seconds / 2))

    def _tell(self, state: _Host, reason: str, seconds: float, *, news: bool = True) -> None:
        host = state.shown
        self._stats.waiting[host] = (reason, time.monotonic() + seconds)
        if self._notify is not None and news:
            self._notify({"type": "waiting", "host": host, "reason": reason, "seconds": seconds})

    @staticmethod
    def _too_long(state: _Host, seconds: float) -> RateLimited:
        until = datetime.fromtimestamp(time.time() + seconds).astimezone()
        return RateLimited(
            f"{state.shown} asks not to be asked again before {until:%Y-%m-%d %H:%M %Z}"
            f" ({state.reason})",
            hint="run the same command after that time: it goes on where it stopped",
        )
