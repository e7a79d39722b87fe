"""SIGKILL at seeded instants, again and again: the finished crawl is that of an undisturbed run."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from crawler.demo.ledger import Entry, Ledger
from crawler.demo.posts import World
from crawler.demo.world import REIMU
from tests.scenarios.driver import DemoProcess, Trawl, address, kill, serving
from tests.scenarios.outcome import (
    accepted_by_events,
    assert_sound,
    outcome,
    sha256,
    stored_files,
)

KILLS = 40
LISTING = 3
"""Of these the first ones land while the crawl is listed."""
STARTING = 4
"""So many land while a run starts; all others after its first request for a file."""
IN_FLIGHT = 6
"""Works that may be on their way at once."""
LATENCY = 25
"""Milliseconds before every answer: enough that most of a run is waiting for files."""
CRAWL = (
    *("crawl", "danbooru", REIMU, "-w", "set", "--all", "-q"),
    *("--rating", "g,s,q,e", "--min-side", "700", "--min-pixels", "0.5M"),
)
SETTINGS = {
    "TRAWL_LIMITS__CONCURRENCY": str(IN_FLIGHT),
    "TRAWL_SITES__DANBOORU__CONNECTIONS": str(IN_FLIGHT),
}


@dataclass(frozen=True)
class Kill:
    """One kill: what its run had asked for by then."""

    after: float
    """Seconds since the run was started."""
    listings: int
    originals: int

    @property
    def moment(self) -> str:
        if self.originals:
            return "between its first request for a file and its end"
        return "while listing" if self.listings else "while starting"


class Follower:
    """Reads what a server appends to its ledger."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.at = file.stat().st_size

    def grown(self) -> str:
        with self._file.open("rb") as file:
            file.seek(self.at)
            return file.read().decode()


def kill_somewhere(trawl: Trawl, ledger: Path, rng: random.Random, when: str) -> Kill | None:
    """Start a run and kill it; None where it ended by itself."""
    follower, began = Follower(ledger), time.monotonic()
    process = trawl.start(*CRAWL)
    try:
        # The ledger tells of requests when they have ended: others are under way by then.
        if when == "starting":
            _sleep(process, rng.uniform(0.05, 0.9))
        elif when == "listing":
            _wait(process, follower, '"path"', 1)
            _sleep(process, rng.uniform(0.005, 0.045))
        else:
            _wait(process, follower, '"/original/', rng.choice((1, 1, 1, 2, 5, 8, 13)))
            _sleep(process, rng.uniform(0.0, 0.06))
        if process.poll() is not None:
            return None
        after = time.monotonic() - began
    finally:
        kill(process)
    time.sleep(0.01)  # until the server has noticed, too
    told = follower.grown()
    return Kill(after, told.count('"/posts.json"'), told.count('"/original/'))


def _wait(process: subprocess.Popen[str], follower: Follower, what: str, times: int) -> None:
    while process.poll() is None and follower.grown().count(what) < times:
        time.sleep(0.001)


def _sleep(process: subprocess.Popen[str], seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)


@pytest.fixture(scope="module")
def undisturbed(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[tuple[str, str, str, str]], Ledger]:
    home = tmp_path_factory.mktemp("undisturbed")
    with serving(world) as site:
        Trawl(home, address(site), SETTINGS)(*CRAWL)
    assert_sound(home / "set")
    return outcome(home / "set").table, site.ledger


@pytest.mark.timeout(300)
def test_forty_kills_lose_repeat_and_damage_nothing(
    undisturbed: tuple[list[tuple[str, str, str, str]], Ledger],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, quiet = undisturbed
    rng = random.Random(20)
    later = ["starting"] * STARTING + ["fetching"] * (KILLS - LISTING - STARTING)
    rng.shuffle(later)
    ledger_file = tmp_path / "ledger.jsonl"
    ledger_file.touch()
    kills: list[Kill] = []
    with DemoProcess(ledger_file, ("--latency", str(LATENCY))) as demo:
        trawl = Trawl(tmp_path, demo.address, SETTINGS)
        for when in ["listing"] * LISTING + later:
            landed = kill_somewhere(trawl, ledger_file, rng, when)
            if landed is None:
                break
            kills.append(landed)
        fetched = [w for w in outcome(tmp_path / "set").works if w.sha256]
        trawl(*CRAWL)
        asked = demo.ledger
    with capsys.disabled():
        _print_histogram(kills, asked)
        print(f"  {len(fetched)} pictures were kept from the runs that were killed")

    assert len(kills) == KILLS, "the crawl was over before the last kill"
    amid = [k for k in kills if k.originals]
    assert len(amid) >= 30
    assert any(k.listings and not k.originals for k in kills)
    assert len(fetched) >= len(table) // 3, "the last run did nearly all the work"

    assert outcome(tmp_path / "set").table == table
    assert_sound(tmp_path / "set")
    assert len(accepted_by_events(tmp_path / "set")) == sum(row[1] == "accepted" for row in table)

    repeated = _beyond(asked.requests("/original/*"), quiet.requests("/original/*"))
    assert set(repeated) <= {entry.path for entry in quiet.originals()}
    assert repeated.total() <= len(amid) * IN_FLIGHT
    listed = _beyond(asked.requests("/posts.json"), quiet.requests("/posts.json"))
    assert listed.total() <= len([k for k in kills if k.listings])


def _beyond(asked: list[Entry], needed: list[Entry]) -> Counter[str]:
    """How much more often each URL was answered well than in the undisturbed run."""
    often, once = (
        Counter(e.path + e.query for e in entries if e.fault is None) for entries in (asked, needed)
    )
    return often - once


def _print_histogram(kills: list[Kill], asked: Ledger) -> None:
    moments = Counter(kill.moment for kill in kills)
    files = Counter(kill.originals for kill in kills)
    print(f"\n{len(kills)} kills on {os.cpu_count()} cores, {len(asked)} requests in all")
    for moment, count in moments.most_common():
        print(f"  {count:3} {moment}")
    for number, count in sorted(files.items()):
        print(f"  {number:3} files asked for by then: {'#' * count}")


def test_what_a_kill_left_without_a_row_is_removed_at_the_next_start(
    world: World, tmp_path: Path
) -> None:
    """Between the rename of a file and its commit there is an instant; here it is made to last."""
    workspace = tmp_path / "set"
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        few = ("crawl", "danbooru", REIMU, "-w", "set", "--want", "3")
        trawl(*few)
        known = set(stored_files(workspace))
        data = b"arrived whole, never committed"
        orphan = workspace / "files" / sha256(data)[:2] / sha256(data)[2:4] / f"{sha256(data)}.jpg"
        orphan.parent.mkdir(parents=True)
        orphan.write_bytes(data)
        (workspace / "files" / "tmp" / "half").write_bytes(data[:5])
        trawl(*few)
    assert set(stored_files(workspace)) == known
    assert_sound(workspace)
