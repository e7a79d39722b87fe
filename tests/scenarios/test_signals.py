"""Ctrl-C and SIGTERM: what is on its way may finish, what is finished is kept, and it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from crawler.demo.faults import Fault, Faults, Stall, Status
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU
from tests.crawler.shelf import paint
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import ROOT, Trawl, address, serving, wait_for
from tests.scenarios.outcome import assert_sound, outcome
from tests.scenarios.plugin import install
from tests.scenarios.worlds import file_of, reimu_posts
from tests.torture.promises import Promises
from tests.torture.signals import stop_crawl

CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--all")
LIMIT = 10.0
"""Seconds in which a stopped run is to be gone."""


def slow(world: World, serve: Serve, *faults: Fault) -> DemoSite:
    """The demo site with a fifth of a second before every answer."""
    return serve(world, faults=Faults(faults, latency=0.2))


def started(trawl: Trawl, site: DemoSite, *words: str) -> subprocess.Popen[str]:
    """A run that has several files behind it and many before it."""
    process = trawl.start(*(words or CRAWL))
    wait_for(lambda: len(site.ledger.originals()) >= 6, "six files")
    return process


@pytest.fixture(scope="module")
def undisturbed(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, str, str, str]]:
    home = tmp_path_factory.mktemp("undisturbed")
    with serving(world) as site:
        Trawl(home, address(site))(*CRAWL)
    return outcome(home / "set").table


@pytest.mark.parametrize(
    ("number", "code", "again"),
    [
        (signal.SIGINT, 130, CRAWL),
        (signal.SIGTERM, 143, ("resume", "-w", "set")),
    ],
    ids=["Ctrl-C, then the same command", "SIGTERM, then trawl resume"],
)
def test_a_signal_ends_the_run_in_time_and_it_goes_on_later(
    world: World,
    serve: Serve,
    tmp_path: Path,
    undisturbed: list[tuple[str, str, str, str]],
    number: signal.Signals,
    code: int,
    again: tuple[str, ...],
) -> None:
    site = slow(world, serve)
    trawl = Trawl(tmp_path, address(site))
    process = started(trawl, site)
    process.send_signal(number)
    done = trawl.finish(process)
    assert done.code == code
    assert done.seconds < 3
    assert "accepted" in done.out
    assert "is stopped" in done.out
    assert "E_INTERRUPTED" in done.err
    assert "trawl resume" in done.err
    assert_sound(tmp_path / "set")
    before = outcome(tmp_path / "set")
    assert 0 < len(before.accepted) < 90
    assert "stopped" in trawl("status", "-w", "set").out
    finished = trawl(*again)
    assert finished.code == 0
    assert outcome(tmp_path / "set").table == undisturbed
    assert_sound(tmp_path / "set")
    whole = [e.path for e in site.ledger.originals() if e.completed and e.status == 200]
    kept = {file_of(p) for p in reimu_posts(world) if str(p.id) in before.accepted}
    assert [path for path in kept if whole.count(path) > 1] == [], "fetched although it was kept"


def test_what_is_on_its_way_finishes_and_nothing_new_begins(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = slow(world, serve)
    trawl = Trawl(tmp_path, address(site))
    process = started(trawl, site)
    process.send_signal(signal.SIGINT)
    wall = time.time() + 0.5  # until the process has heard of it
    trawl.finish(process)
    asked = site.ledger.originals()
    before = {entry.path for entry in asked if entry.wall <= wall}
    assert {entry.path for entry in asked} == before
    facts = outcome(tmp_path / "set").facts
    # One that failed and would wait for another try is given back; the others finish.
    faulty = {"dead", "error_once", "md5_mismatch", "replaced", "truncated_once"}
    sound = [p for p in reimu_posts(world) if file_of(p) in before and p.kind not in faulty]
    begun = [facts[str(p.id)].state for p in sound]
    assert len(begun) >= 6
    assert set(begun) <= {"accepted", "rejected", "failed", "duplicate"}


def test_a_polite_crawl_that_waits_for_its_turn_ends_at_once(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    """With a rate of 1/s many works wait for their turn: they are no work on its way."""
    site = serve(world)
    trawl = Trawl(tmp_path, address(site), {"TRAWL_SITES__DANBOORU__RATE": "1"})
    process = trawl.start(*CRAWL)
    wait_for(lambda: len(site.ledger.originals()) >= 1, "the first file")
    process.send_signal(signal.SIGINT)
    asked = len(site.ledger)
    done = trawl.finish(process)
    assert done.code == 130
    assert done.seconds < 3
    assert len(site.ledger) - asked <= 1


def test_a_run_that_a_host_keeps_waiting_ends_at_once(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(world, faults=Faults([Fault(Status(429, retry_after=30), "/original/*")]))
    trawl = Trawl(tmp_path, address(site))
    process = trawl.start(*CRAWL)
    wait_for(lambda: len(site.ledger.originals()) >= 1, "the first file")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    done = trawl.finish(process)
    assert done.code == 130
    assert done.seconds < 3


def test_a_second_signal_gives_up_what_is_on_its_way(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    stuck = [p for p in reimu_posts(world) if p.kind == "highres_solo"][:2]
    faults = [Fault(Stall(0.5, 60.0), match=file_of(post)) for post in stuck]
    site = slow(world, serve, *faults)
    trawl = Trawl(tmp_path, address(site))
    process = started(trawl, site)
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    assert process.poll() is None, "what is on its way was not waited for"
    process.send_signal(signal.SIGINT)
    done = trawl.finish(process)
    assert done.code == 130
    assert done.seconds < 2
    assert "accepted" in done.out
    assert_sound(tmp_path / "set")
    facts = outcome(tmp_path / "set").facts
    assert {facts[str(post.id)].state for post in stuck} == {"pending"}


def test_a_file_that_never_ends_does_not_hold_a_stopped_run(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    stuck = next(p for p in reimu_posts(world) if p.kind == "highres_solo")
    site = slow(world, serve, Fault(Stall(0.5, 60.0), match=file_of(stuck)))
    trawl = Trawl(tmp_path, address(site))
    process = started(trawl, site)
    process.send_signal(signal.SIGTERM)
    done = trawl.finish(process)
    assert done.code == 143
    assert done.seconds <= LIMIT
    assert_sound(tmp_path / "set")
    assert outcome(tmp_path / "set").facts[str(stuck.id)].state == "pending"


@pytest.mark.parametrize("seconds", [0.3, 0.5, 0.8])
def test_a_signal_while_it_starts_ends_it_without_a_trace_of_trouble(
    world: World, serve: Serve, tmp_path: Path, seconds: float
) -> None:
    site = slow(world, serve)
    trawl = Trawl(tmp_path, address(site))
    process = trawl.start(*CRAWL)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    done = trawl.finish(process)
    # Before our own handler is there, Python itself ends on the signal.
    assert done.code in (130, -signal.SIGINT)
    assert done.seconds < 3
    if done.code == 130:
        assert "Traceback" not in done.err, done.err
    trawl("crawl", "danbooru", REIMU, "-w", "set", "--want", "3")
    assert len(outcome(tmp_path / "set").accepted) == 3
    assert_sound(tmp_path / "set")


def test_character_stopped_by_a_signal_exports_when_it_is_run_again(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = slow(world, serve)
    trawl = Trawl(tmp_path, address(site))
    words = ("character", REIMU, "--out", "reimu", "--want", "30")
    process = started(trawl, site, *words)
    process.send_signal(signal.SIGINT)
    assert trawl.finish(process).code == 130
    assert not (tmp_path / "reimu").exists()
    trawl(*words)
    assert len(list((tmp_path / "reimu").rglob("*.txt"))) == 30


@pytest.mark.timeout(300)
def test_a_crawl_stopped_again_and_again_comes_to_the_same(tmp_path: Path) -> None:
    """A sample of ``make torture``: five signals, one of them while it starts, and one twice."""
    promises = Promises("signals")
    stop_crawl(promises, tmp_path, signals=5, twice=1, seed=6, stalling=False)
    promises.end()
    assert promises.broken == []


SLOW = """
import time
from filters.base import BaseFilter

class Slow(BaseFilter):
    name = "slow"
    def measure(self, picture):
        time.sleep(60)
        return {}
"""


def test_a_filter_that_does_not_end_does_not_hold_a_stopped_run(tmp_path: Path) -> None:
    """No thread can be made to end; the process ends all the same."""
    install(tmp_path / "site", "slow_filter", SLOW, "[trawl.filters]\nslow = slow_filter:Slow\n")
    for number in range(2):
        paint(tmp_path / "shelf", str(number))
    path = os.pathsep.join((str(tmp_path / "site"), str(ROOT)))
    trawl = Trawl(tmp_path, settings={"PYTHONPATH": path})
    words = ("crawl", "folder", "shelf", "-w", "set", "--all")
    process = trawl.start(*words, "--min-side", "32", "--min-pixels", "1")
    tmp = tmp_path / "set" / "files" / "tmp"
    wait_for(lambda: any(tmp.glob("*.decoding")), "a picture that is looked at")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    done = trawl.finish(process)
    assert done.code == 143
    assert done.seconds < 5
    Trawl(tmp_path)(*words, "--min-side", "32", "--min-pixels", "1")  # without that filter
    assert_sound(tmp_path / "set")
    assert len(outcome(tmp_path / "set").accepted) == 2
