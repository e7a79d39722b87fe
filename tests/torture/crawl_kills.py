"""Kills one crawl again and again, and looks at what every kill left behind."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import psutil

from crawler.demo.ledger import Entry, Ledger
from crawler.demo.world import REIMU
from tests.scenarios.driver import DemoProcess, Trawl, kill
from tests.scenarios.outcome import assert_sound, outcome
from tests.torture.serve import MODULE
from tests.torture.snapshot import EMPTY, Snapshot, snapshot

IN_FLIGHT = 6
"""Works that may be on their way at once."""
LATENCY = ("15", "90")
"""Milliseconds before every answer: enough that most of a run is waiting for files."""
SETTINGS = {
    "TRAWL_LIMITS__CONCURRENCY": str(IN_FLIGHT),
    "TRAWL_LIMITS__MIN_FREE": "0",
    "TRAWL_SITES__DANBOORU__CONNECTIONS": str(IN_FLIGHT),
}
CRAWL = (
    *("crawl", "danbooru", REIMU, "-w", "set", "--all", "-q"),
    *("--rating", "g,s,q,e", "--min-side", "200", "--min-pixels", "0.04M"),
)
Table: TypeAlias = list[tuple[str, str, str, str]]
Aim: TypeAlias = Literal["listing", "starting", "fetching", "ending"]


def served(ledger: Path, more: int) -> DemoProcess:
    """The world that is crawled: every kind of post, and ``more`` plain ones."""
    ledger.touch()
    return DemoProcess(ledger, ("--count", str(more), "--latency", *LATENCY), MODULE)


def undisturbed(home: Path, more: int) -> tuple[Table, Ledger]:
    """What the crawl comes to when nobody hurts it, and what it asks for."""
    home.mkdir(exist_ok=True)
    with served(home / "ledger.jsonl", more) as site:
        Trawl(home, site.address, SETTINGS, timeout=900)(*CRAWL)
        asked = site.ledger
    assert_sound(home / "set")
    return outcome(home / "set").table, asked


class Follower:
    """Reads what a server appends to its ledger from now on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = file.stat().st_size
        self._text = ""

    @property
    def text(self) -> str:
        """Everything so far."""
        with self._file.open("rb") as file:
            file.seek(self._at + len(self._text))
            self._text += file.read().decode("ascii")
        return self._text

    def paths(self) -> list[str]:
        """The paths of whole lines so far."""
        whole = self.text.rpartition("\n")[0]
        return [json.loads(line)["path"] for line in whole.splitlines()]

    def originals(self) -> list[str]:
        """The paths of the original files so far."""
        return [path for path in self.paths() if path.startswith("/original/")]


@dataclass(frozen=True)
class Kill:
    """One kill, and what it left behind."""

    aim: Aim
    began: float
    """Monotonic seconds when its run was started."""
    left: Snapshot
    survivors: Sequence[str]
    """Processes of the run that outlived it."""


@dataclass(frozen=True)
class Run:
    """What a run that was killed had asked for."""

    kill: Kill
    listings: int
    originals: Sequence[str]
    needless: Sequence[str]
    """Files that were asked for although their works had been settled by an earlier run."""

    @property
    def moment(self) -> str:
        """When the kill landed."""
        if self.originals:
            return "between its first request for a file and its end"
        if self.listings:
            return "while listing"
        return "while starting, or when all was settled"


def runs(kills: Sequence[Kill], asked: Ledger, let_go: float) -> list[Run]:
    """What each run that was killed asked for; the next began at ``let_go``.

    Server and runs share one clock: that of the machine.
    """
    found = []
    left = EMPTY
    ends = [*(one.began for one in kills[1:]), let_go]
    for one, end in zip(kills, ends, strict=True):
        paths = [entry.path for entry in asked if one.began <= entry.start < end]
        originals = [path for path in paths if path.startswith("/original/")]
        needless = [path for path in originals if left.settled(md5_of(path))]
        found.append(Run(one, paths.count("/posts.json"), originals, needless))
        left = one.left
    return found


@dataclass
class KilledCrawl:
    """A crawl in ``home`` that is killed ``kills`` times before it may end.

    ``listing`` and ``starting`` of the kills are aimed at these moments, ``ending`` at the last
    works; all others at the time between a run's first request for a file and its end.
    """

    home: Path
    site: DemoProcess
    kills: int
    seed: int
    listing: int
    starting: int
    ending: int
    landed: list[Kill] = field(default_factory=list)
    missed: int = 0
    """Runs that ended before they were hit."""
    let_go: float = math.inf
    """Monotonic seconds when the last run was started, which may end."""
    _left: Snapshot = EMPTY

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._trawl = Trawl(self.home, self.site.address, SETTINGS, timeout=900)

    def run(self) -> None:
        """Kill and kill again, then let it finish."""
        between = self.kills - self.listing - self.starting - self.ending
        starting: list[Aim] = ["starting"] * self.starting
        fetching: list[Aim] = ["fetching"] * between
        later = starting + fetching
        self._rng.shuffle(later)
        first: list[Aim] = ["listing"] * self.listing
        last: list[Aim] = ["ending"] * self.ending
        aims = first + later + last
        for position, aim in enumerate(aims):
            rounds = max(1, self.kills - self.ending - position)
            while (landed := self._kill_once(aim, rounds)) is None:
                self.missed += 1
                aim = "starting"  # there is nothing left to fetch: only a start can be hit
            self.landed.append(landed)
            self._left = landed.left
        self.let_go = time.monotonic()
        self._trawl(*CRAWL)

    def _kill_once(self, aim: Aim, rounds: int) -> Kill | None:
        """Start a run and kill it; None where it ended by itself."""
        follower, began = Follower(self.site.ledger_file), time.monotonic()
        process = self._trawl.start(*CRAWL)
        try:
            self._aim(process, follower, aim, rounds)
            if process.poll() is not None:
                assert process.returncode == 0, process.communicate()
                return None
            family = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        finally:
            kill(process)
        _, alive = psutil.wait_procs(family, timeout=5)
        return Kill(aim, began, snapshot(self.home / "set"), [str(one) for one in alive])

    def _aim(
        self, process: subprocess.Popen[str], follower: Follower, aim: Aim, rounds: int
    ) -> None:
        rng = self._rng
        pending = self._left.pending
        # The ledger tells of requests when they have ended: others are under way by then.
        match aim:
            case "starting":
                _sleep(process, rng.uniform(0.05, 0.7))
            case "listing":
                _wait(process, follower, '"path"', rng.randint(1, 3))
                _sleep(process, rng.uniform(0.0, 0.045))
            case "fetching":
                # So that the crawl lasts for all kills, and each lands somewhere else in its run.
                share = max(4, pending // rounds)
                _wait(process, follower, '"/original/', rng.randint(1, share))
                _sleep(process, rng.uniform(0.0, 0.06))
            case "ending":
                _wait(process, follower, '"/original/', max(1, pending - rng.randint(0, 3)))
                _sleep(process, rng.uniform(0.0, 0.3))


def md5_of(path: str) -> str:
    """The md5 that the image host names a file by."""
    return path.rpartition("/")[2].partition(".")[0]


def _wait(process: subprocess.Popen[str], follower: Follower, what: str, times: int) -> None:
    while process.poll() is None and follower.text.count(what) < times:
        time.sleep(0.001)


def _sleep(process: subprocess.Popen[str], seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)


def beyond(asked: Sequence[Entry], needed: Sequence[Entry]) -> Counter[str]:
    """How much more often each URL was asked for, faults apart, than in the undisturbed crawl."""
    often, once = (
        Counter(e.path + e.query for e in entries if e.fault is None) for entries in (asked, needed)
    )
    return often - once


def print_histogram(killed: Sequence[Run], requests: int) -> None:
    """When the kills landed, and how much their runs had asked for."""
    print(f"\n{len(killed)} kills on {os.cpu_count()} cores, {requests} requests in all")
    for moment, number in Counter(run.moment for run in killed).most_common():
        print(f"  {number:4} {moment}")
    for aim, number in Counter(run.kill.aim for run in killed).most_common():
        print(f"  {number:4} aimed at {aim}")
    print("  files asked for by then:")
    for files, number in sorted(Counter(len(run.originals) for run in killed).items()):
        print(f"  {files:4} {'#' * number}")
    print("  works without a verdict by then:")
    hundreds = Counter(run.kill.left.pending // 100 for run in killed if run.kill.left.states)
    for hundred, number in sorted(hundreds.items(), reverse=True):
        print(f"  {hundred * 100:4}+ {'#' * number}")
