"""What goes wrong on purpose: a declared, seeded plan of faults.

    Faults([Fault(match="/original/*", nth=1, do=Status(500))], latency=(0.0, 0.1), seed=7)

A fault is chosen by what is asked and how often that was asked before, never by the clock, so the
same requests meet the same faults whatever the order in which different things are asked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Status:
    """Another status. ``retry_after`` is sent as it is; a number of seconds, or with ``dated``
    the HTTP date that many seconds from now."""

    code: int
    retry_after: str | float | None = None
    dated: bool = False
    html: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """Only a share of the body. ``honest``: the length that is told is the length that is sent."""

    share: float = 0.5
    honest: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset after a share of the body (0: before the first byte)."""

    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Delay:
    """Nothing for so many seconds, then all is well."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """A share of the body, then silence for so many seconds, then the connection closes."""

    share: float = 0.5
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Html:
    """A friendly page with status 200 in place of what was asked for."""


@dataclass(frozen=True, slots=True)
class EmptyPage:
    """An empty list in place of a page."""


@dataclass(frozen=True, slots=True)
class Corrupt:
    """The right length, some bytes wrong."""

    bytes: int = 64
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """Other bytes in place of the body, told with their own length."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Sent elsewhere."""

    location: str
    code: int = 302


Action: TypeAlias = (
    Status | Truncate | Reset | Delay | Stall | Html | EmptyPage | Corrupt | Body | Redirect
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    ``match`` is a glob on the path, ``query`` one on the decoded query string, ``post`` the id of
    the post whose page or file is asked for. ``nth`` counts the requests of one URL from 1 (None:
    all of them), ``times`` is how many in a row from there. ``chance`` leaves the rest alone.
    """

    do: Action
    match: str = "*"
    query: str = "*"
    post: int | None = None
    nth: int | None = None
    times: int = 1
    chance: float = 1.0


@dataclass(frozen=True, slots=True)
class Faults:
    """A plan: the first fault that fits a request happens to it.

    ``latency`` is seconds before every answer: one number, or (low, high) from which each request
    draws its own.
    """

    faults: Sequence[Fault] = ()
    latency: float | tuple[float, float] = 0.0
    seed: int = 0

    def also(self, more: Sequence[Fault]) -> Faults:
        """The same plan with further faults behind its own."""
        return Faults((*self.faults, *more), self.latency, self.seed)


@dataclass
class Course:
    """A plan under way: it counts what was asked."""

    plan: Faults
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def next(self, path: str, query: str, post: int | None) -> tuple[float, Action | None]:
        """Count one request. Returns the seconds to wait and what goes wrong, if anything."""
        self.asked[path, query] += 1
        occurrence = self.asked[path, query]
        wait = self._latency(path, query, occurrence)
        for number, fault in enumerate(self.plan.faults):
            if (
                fnmatchcase(path, fault.match)
                and fnmatchcase(query, fault.query)
                and (fault.post is None or fault.post == post)
                and (fault.nth is None or fault.nth <= occurrence < fault.nth + fault.times)
                and self._draw("chance", number, path, query, occurrence) < fault.chance
            ):
                return wait, fault.do
        return wait, None

    def _latency(self, path: str, query: str, occurrence: int) -> float:
        if isinstance(self.plan.latency, tuple):
            low, high = self.plan.latency
            return low + (high - low) * self._draw("latency", path, query, occurrence)
        return self.plan.latency

    def _draw(self, *what: object) -> float:
        return random.Random(f"{self.plan.seed}|{what!r}").random()
