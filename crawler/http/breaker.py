"""The circuit breaker of one host: while it fails, one request at a time asks if it is back."""

from __future__ import annotations

import asyncio
import math
import time

from crawler.http.guard import shown_host
from crawler.http.retry import Trouble
from crawler.site import Net


class Probe:
    """The right to ask a failing host; whoever holds it answers for it or gives it back."""


class Breaker:
    """Closed, it lets all requests pass; open, one at a time; given up, none any more.

    ``breaker_after`` outages in a row open it. The first probe goes after ``cooldown_first``
    seconds, each further one after twice as long, up to ``breaker_longest``. Any answer closes it;
    ``breaker_patience`` failed probes in a row give the host up. Times are monotonic seconds.
    """

    def __init__(self, host: str, net: Net) -> None:
        self._host = shown_host(host)
        self._net = net
        self._failures = 0
        self._failed_probes = 0
        self._open = False
        self._opened_at = -math.inf
        self._probe: Probe | None = None
        self._probe_at = 0.0
        self._given_up = ""
        self._moved = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether requests are held back."""
        return self._open

    @property
    def is_given_up(self) -> bool:
        """Whether no request passes any more."""
        return bool(self._given_up)

    def check(self) -> None:
        """Raise FetchError ``host_down`` where the host has been given up."""
        if self._given_up:
            raise Trouble(
                "host_down",
                f"{self._host} is given up for this run: {self._failed_probes} probes in a row"
                f" failed, the last with: {self._given_up}",
                transient=True,
                tries=1,
            )

    def held(self, now: float) -> float:
        """Seconds until the next request may pass; infinite while a probe is out."""
        if not self._open:
            return 0.0
        return math.inf if self._probe is not None else self._probe_at - now

    async def moved(self, seconds: float) -> None:
        """Wait so long, or until something happened that ``held`` and ``check`` tell of.

        One task at a time may wait here.
        """
        self._moved.clear()
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await self._moved.wait()
        except TimeoutError:
            return

    def enter(self) -> Probe | None:
        """A request passes; what it gets while the host is failing is the one probe."""
        if not self._open:
            return None
        self._probe = Probe()
        return self._probe

    def give_back(self, probe: Probe | None) -> None:
        """The probe ended without saying anything of the host: the next one may go at once."""
        if probe is not None and probe is self._probe:
            self._probe = None
            self._moved.set()

    def answered(self) -> bool:
        """The host gave an answer. Returns whether that closed the breaker."""
        if self._given_up:
            return False
        was_open, self._open = self._open, False
        self._failures = self._failed_probes = 0
        self._probe = None
        self._moved.set()
        return was_open

    def failed(self, trouble: Trouble, asked_at: float, probe: Probe | None) -> float | None:
        """An outage. Returns the seconds until the next probe where that is news.

        A failed probe is free: it costs the work whose request it was none of its tries.
        """
        if self._open and probe is not None and probe is self._probe:
            trouble.free = trouble.at_once = True
            self._probe = None
            self._failed_probes += 1
            if self._failed_probes >= self._net.breaker_patience:
                self._given_up = trouble.message
        # What was under way when it opened is part of that failure, however late it comes.
        elif self._open or asked_at < self._opened_at:
            return None
        else:
            self._failures += 1
            if self._failures < self._net.breaker_after:
                return None
            self._open = True
            self._opened_at = time.monotonic()
        self._moved.set()
        if self._given_up:
            return None
        steps = min(self._failed_probes, 30)
        seconds = min(self._net.cooldown_first * 2.0**steps, self._net.breaker_longest)
        self._probe_at = time.monotonic() + seconds
        return seconds
