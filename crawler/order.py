"""In which order works are taken, so that ``want`` means the first N of the source's order."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from storage.records import Candidate, State, Work

HELD = 256
"""Works that may wait for room at their hosts; more are not taken from the queue."""


@dataclass
class Frontier:
    """The works of one crawl that have no verdict yet, in the crawl's order.

    Works are started only while accepted + in flight < want. What was started is therefore always a
    prefix of the order that holds at most ``want`` acceptable works: nothing is fetched in vain,
    and completion order cannot change which works are accepted.

    A work that is certainly the same picture as one in flight is parked until that one is settled.
    A work whose host has as many in flight as it may is held, in its place, while others go on: a
    host that is silent does not hold up the rest.
    """

    want: int | None
    concurrency: int
    per_host: int | None = None
    """Works in flight whose files are at one host at most; None for no such limit."""
    accepted: int = 0
    pending: int = 0
    """Works without a verdict, in flight ones included, loaded or not."""
    _ready: list[tuple[int, Work]] = field(default_factory=list)
    _flying: dict[int, Work] = field(default_factory=dict)
    _identities: dict[str, int] = field(default_factory=dict)
    _parked: dict[int, list[Work]] = field(default_factory=dict)
    _following: dict[int, list[Work]] = field(default_factory=dict)
    """Twins of a work that waits for its turn among the rest."""
    _free: list[Work] = field(default_factory=list)
    """Works known to be duplicates of an accepted one: they cost nothing and fill no place."""
    _asked: list[tuple[int, Work]] = field(default_factory=list)
    """Works that a person wants, whether the target is met or not."""
    _wanted: set[int] = field(default_factory=set)
    """Positions of works that a person wants, until they have their verdict."""
    _held: dict[str, deque[Work]] = field(default_factory=dict)
    """Host -> works that wait for room there; each fills its place of ``want`` meanwhile."""
    _at: Counter[str] = field(default_factory=Counter)
    """Host -> works in flight."""
    _gratis: set[int] = field(default_factory=set)
    """Positions of those of them that are in flight."""
    _here: set[int] = field(default_factory=set)
    """Positions of all works that are loaded and have no verdict yet."""
    loaded: int = 0
    """The position up to which works have been loaded from the catalog."""

    def add(self, works: Iterable[Work]) -> None:
        """Take works loaded from the catalog; those already here are not taken twice."""
        for work in works:
            self.loaded = max(self.loaded, work.position)
            if work.position not in self._here:
                self._here.add(work.position)
                heapq.heappush(self._ready, (work.position, work))

    def ask(self, works: Iterable[Work]) -> None:
        """Take works that a person accepted or wants tried again: they need no place in the target.

        What is on its way, or waits for a twin that is, is left there.
        """
        asked = {work.position: work for work in works}
        waiting = {position for position, _ in self._ready}
        waiting.update(twin.position for twins in self._following.values() for twin in twins)
        new = [one for one in asked if one not in self._here or one in waiting]
        self._ready = [one for one in self._ready if one[0] not in asked]
        heapq.heapify(self._ready)
        for leader, twins in self._following.items():
            self._following[leader] = [twin for twin in twins if twin.position not in asked]
        self._here |= asked.keys()
        self._wanted |= asked.keys()
        for position in new:
            heapq.heappush(self._asked, (position, asked[position]))

    def all_loaded(self) -> None:
        """The catalog holds nothing more: what is pending is what is here."""
        self.pending = len(self._here)

    def reopened(self) -> None:
        """Works from before ``loaded`` are pending again: load from the start."""
        self.loaded = 0

    def next(self) -> Work | None:
        """The next work to start, or None while there is none or no room."""
        if len(self._flying) >= self.concurrency:
            return None
        if self._free:
            work = self._free.pop()
            self._gratis.add(work.position)
            return self._fly(work)
        for host, held in self._held.items():
            if self._has_room(host):
                work = held.popleft()
                if not held:
                    del self._held[host]
                return self._fly(work)
        while (self._asked or (self._ready and self._room())) and self._held_count < HELD:
            work = heapq.heappop(self._asked or self._ready)[1]
            twin = self._twin(work.candidate)
            if twin is not None:
                following = self._following.pop(work.position, ())
                self._parked.setdefault(twin, []).extend((work, *following))
            elif self._has_room(host := host_of(work.candidate)):
                return self._fly(work)
            else:
                self._held.setdefault(host, deque()).append(self._claim(work))
        return None

    def moved(self, before: State | None, after: State) -> None:
        """Count a work that went from one state to another."""
        for state, sign in ((before, -1), (after, 1)):
            self.accepted += sign * (state == "accepted")
            self.pending += sign * (state in ("pending", "waiting"))

    def is_free(self, work: Work) -> bool:
        """Whether a work in flight fills no place: then it must not be fetched."""
        return work.position in self._gratis

    def returned(self, work: Work) -> None:
        """A free work is no duplicate after all (its twin turned out to be another picture)."""
        take = self.ask if work.position in self._wanted else self.add
        self.landed(work, accepted=False)
        take((work,))

    def landed(self, work: Work, *, accepted: bool) -> None:
        """A work was settled (or given back); its parked twins go on."""
        del self._flying[work.position]
        self._at -= Counter((host_of(work.candidate),))
        self._here.discard(work.position)
        self._gratis.discard(work.position)
        self._wanted.discard(work.position)
        for key in identities(work.candidate):
            if self._identities.get(key) == work.position:
                del self._identities[key]
        twins = sorted(self._parked.pop(work.position, ()), key=lambda twin: twin.position)
        if accepted:
            self._free += twins
            return
        for twin in twins:
            if twin.position in self._wanted:
                heapq.heappush(self._asked, (twin.position, twin))
        twins = [twin for twin in twins if twin.position not in self._wanted]
        if twins:
            # The first takes the place that is free now. The others stay with it: left among the
            # rest, they could be without a verdict when the target is met.
            heapq.heappush(self._ready, (twins[0].position, twins[0]))
            self._following[twins[0].position] = twins[1:]

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def flying(self) -> Sequence[Work]:
        return tuple(self._flying.values())

    @property
    def needs_loading(self) -> bool:
        """Whether the catalog holds pending works that are not here and are wanted now."""
        return not self._ready and self._room() and self.pending > len(self._here)

    def needs_listing(self, low_water: int) -> bool:
        """Whether even if every listed work were accepted there would not be enough.

        Listing ahead by this rule never asks for a page in vain.
        """
        if self.want is None:
            return self.pending < low_water
        return self.accepted + self.pending < self.want

    @property
    def reached(self) -> bool:
        """The target is met and every earlier work has its verdict."""
        if self.want is None or self.accepted < self.want:
            return False
        return not (self._flying or self._held or self._free or self._parked or self._asked)

    @property
    def idle(self) -> bool:
        """Nothing is in flight and nothing is left to start."""
        waiting = self._ready or self._free or self._parked or self._asked
        return not (self._flying or self._held or waiting)

    def _room(self) -> bool:
        started = len(self._flying) + self._held_count
        return self.want is None or self.accepted + started < self.want

    @property
    def _held_count(self) -> int:
        return sum(map(len, self._held.values()))

    def _has_room(self, host: str) -> bool:
        return not host or self.per_host is None or self._at[host] < self.per_host

    def _fly(self, work: Work) -> Work:
        self._flying[work.position] = work
        self._at[host_of(work.candidate)] += 1
        return self._claim(work)

    def _claim(self, work: Work) -> Work:
        if following := self._following.pop(work.position, ()):
            self._parked.setdefault(work.position, []).extend(following)
        for key in identities(work.candidate):
            self._identities.setdefault(key, work.position)
        return work

    def _twin(self, candidate: Candidate) -> int | None:
        for key in identities(candidate):
            if key in self._identities:
                return self._identities[key]
        return None


def host_of(candidate: Candidate) -> str:
    """Where the largest file of a work is, as ``host:port``; empty for local files."""
    for rung in candidate.ladder[:1]:
        if rung.kind == "url":
            try:
                return urlsplit(rung.location).netloc.lower()
            except ValueError:
                return ""
    return ""


def identities(candidate: Candidate) -> tuple[str, ...]:
    """What makes two works certainly one picture before the download: equal md5, equal pixels."""
    keys = []
    if candidate.md5:
        keys.append(f"md5:{candidate.md5}")
    if candidate.pixel_hash:
        keys.append(f"pixels:{candidate.pixel_hash}")
    return tuple(keys)
