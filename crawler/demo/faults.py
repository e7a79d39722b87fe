"""What goes wrong on purpose: a declared, seeded plan of faults.

    Faults([Fault(match="/original/*", nth=1, do=Status(500))], latency=(0.0, 0.1), seed=7)

A fault is chosen by what is asked and how often that was asked before, never by the clock, so the
same requests meet the same faults whatever the order in which different things are asked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from crawler.demo.bombs import bomb

FOR_EVER = 1_000_000_000
"""``Fault.times`` of what goes on from its ``nth`` request."""


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
    """Sent elsewhere, with a body of ``body`` bytes that nobody needs."""

    location: str
    code: int = 302
    body: int = 0


@dataclass(frozen=True, slots=True)
class Hops:
    """Redirected within the host ``count`` times, then served; None: to itself for ever."""

    count: int | None = None


@dataclass(frozen=True, slots=True)
class Drip:
    """So many bytes at a time: of the body or, with ``head``, of the status line and headers."""

    bytes: int = 1
    every: float = 0.1
    head: bool = False


@dataclass(frozen=True, slots=True)
class CloseDelimited:
    """No length is told: the body ends with the connection, after a share of it, in an orderly
    way or with a reset."""

    share: float = 1.0
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Overlong:
    """The length that is told is a share of the body; the whole body and ``extra`` are sent."""

    share: float = 1.0
    extra: bytes = field(default=bytes(1000), repr=False)


@dataclass(frozen=True, slots=True)
class Headers:
    """The right body with other or further headers; the value None takes a header away."""

    headers: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Bomb:
    """A small compressed body that unpacks to ``size`` zeros, told as Content-Encoding."""

    encoding: Literal["gzip", "deflate", "br", "zstd"] = "gzip"
    size: int = 2**25
    data: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Packed here and once: a server that packs while it answers keeps others waiting.
        object.__setattr__(self, "data", bomb(self.encoding, self.size))


@dataclass(frozen=True, slots=True)
class Informational:
    """So many interim answers (100 Continue, 103 Early Hints) before the right one; None: it never
    comes."""

    code: int = 103
    count: int | None = 1000


@dataclass(frozen=True, slots=True)
class Version:
    """The file has become another one: with an ETag of its own, or with that of the first."""

    data: bytes = field(repr=False)
    same_etag: bool = False


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """A request for a part is answered with the whole."""


@dataclass(frozen=True, slots=True)
class FalseRange:
    """A 206 that is not what was asked for.

    Its bytes begin ``shift`` later, which Content-Range tells only if it ``admits`` it; ``total``
    is added to the length of the whole; ``etag`` replaces the validator. Whole answers stay as
    they are.
    """

    shift: int = 0
    admits: bool = False
    total: int = 0
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Spoil:
    """Posts in a JSON answer with other fields: ``posts`` is raw JSON by id and key.

    ``twice`` leaves the right value before the other one.
    """

    posts: Mapping[int, Mapping[str, str]]
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Padded:
    """The right JSON, with blanks up to so many bytes."""

    size: int = 17_000_000


Action: TypeAlias = (
    Status
    | Truncate
    | Reset
    | Delay
    | Stall
    | Html
    | EmptyPage
    | Corrupt
    | Body
    | Redirect
    | Hops
    | Drip
    | CloseDelimited
    | Overlong
    | Headers
    | Bomb
    | Informational
    | Version
    | IgnoreRange
    | FalseRange
    | Spoil
    | Padded
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    ``match`` is a glob on the path, ``query`` one on the decoded query string, ``post`` the id of
    the post whose page or file is asked for. ``ranged`` asks for requests with a Range, or without.
    ``nth`` counts the requests of one URL from 1 (None: all of them), ``times`` is how many in a
    row from there. ``chance`` leaves the rest alone.
    """

    do: Action
    match: str = "*"
    query: str = "*"
    post: int | None = None
    ranged: bool | None = None
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

    def next(
        self, path: str, query: str, post: int | None, *, ranged: bool = False
    ) -> tuple[float, Action | None]:
        """Count one request. Returns the seconds to wait and what goes wrong, if anything."""
        self.asked[path, query] += 1
        occurrence = self.asked[path, query]
        wait = self._latency(path, query, occurrence)
        for number, fault in enumerate(self.plan.faults):
            if (
                fnmatchcase(path, fault.match)
                and fnmatchcase(query, fault.query)
                and (fault.post is None or fault.post == post)
                and (fault.ranged is None or fault.ranged == ranged)
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
