"""The retry budget of one host: second tries never become a storm of their own."""

from __future__ import annotations

from collections import deque

WINDOW = 60.0
"""Seconds over which requests and second tries are counted."""


class Budget:
    """Over a sliding minute, second tries are at most ``share`` of the requests plus ``floor``.

    One second try a minute is always left, or a host that is asked for little could wait for ever.
    Times are monotonic seconds.
    """

    def __init__(self, share: float, floor: float) -> None:
        self._share = share
        self._floor = floor
        self._requests: deque[float] = deque()
        self._second: deque[float] = deque()

    def request(self, now: float) -> None:
        """A request goes out, a first or a second try."""
        self._forget(now)
        self._requests.append(now)

    def note(self, now: float) -> None:
        """A second try that waits for nothing here: the host itself said when it may come."""
        self._second.append(now)

    def take(self, now: float) -> float:
        """Take a second try and return 0, or return the seconds until one comes free at the latest.

        New requests may free one earlier.
        """
        self._forget(now)
        allowed = max(1.0, self._share * len(self._requests) + self._floor)
        if len(self._second) + 1 <= allowed:
            self._second.append(now)
            return 0.0
        return max(self._second[0] + WINDOW - now, 0.001)

    def is_new(self, now: float) -> bool:
        """Whether a new budget would allow what this one does (but for less than a second try)."""
        self._forget(now)
        return not self._second and self._share * len(self._requests) < 1.0

    def _forget(self, now: float) -> None:
        for times in (self._requests, self._second):
            while times and times[0] <= now - WINDOW:
                times.popleft()
