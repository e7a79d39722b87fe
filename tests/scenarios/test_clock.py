"""A wall clock that is wrong, or jumps, delays nothing, reorders nothing and loses nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from crawler.demo.faults import Fault, Faults, Status
from crawler.demo.posts import World
from crawler.demo.world import REIMU
from tests.scenarios.clock import set_by, wrong_by
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, kill, serving, wait_for
from tests.scenarios.outcome import assert_sound, events, outcome, rows, sha256, stored_files
from tests.scenarios.worlds import file_of, reimu_posts

CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--want", "25", "-q")
HOUR = 3600
CAP = {"TRAWL_NET__MAX_WAIT": "5s"}
"""A run that thought it had to wait longer would end with exit 8."""


@pytest.fixture(scope="module")
def undisturbed(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, str, str, str]]:
    home = tmp_path_factory.mktemp("undisturbed")
    with serving(world) as site:
        Trawl(home, address(site))(*CRAWL)
    return outcome(home / "set").table


def assert_in_order(workspace: Path) -> None:
    """Works and events are in the order of their numbers, whatever their times say."""
    ids = [int(work.site_id) for work in outcome(workspace).works]
    assert ids == sorted(ids, reverse=True)
    seqs = [event.seq for event in events(workspace)]
    assert seqs == sorted(seqs)


@pytest.mark.parametrize("offset", ["+10y", "-10y"])
def test_a_clock_that_is_ten_years_wrong_changes_nothing(
    world: World,
    serve: Serve,
    tmp_path: Path,
    undisturbed: list[tuple[str, str, str, str]],
    offset: str,
) -> None:
    # The host says for how long in both ways: as seconds, and as a date by its own clock.
    first = reimu_posts(world)[0]
    busy = [
        Fault(Status(429, retry_after=1), "/posts.json", nth=1),
        Fault(Status(503, retry_after=1, dated=True), file_of(first), nth=1),
    ]
    site = serve(world, faults=Faults(busy))
    trawl = Trawl(tmp_path, address(site), {**CAP, **wrong_by(offset)})
    trawl(*CRAWL)
    assert [entry.status for entry in site.ledger].count(429) == 1
    assert [entry.status for entry in site.ledger].count(503) == 1
    assert outcome(tmp_path / "set").table == undisturbed
    assert_in_order(tmp_path / "set")
    assert_sound(tmp_path / "set")
    Trawl(tmp_path, trawl.site)(*CRAWL)  # and with the right clock again
    assert outcome(tmp_path / "set").table == undisturbed
    assert_sound(tmp_path / "set")


def test_a_clock_that_is_turned_back_by_an_hour_amid_a_crawl_stalls_and_hides_nothing(
    world: World, serve: Serve, tmp_path: Path, undisturbed: list[tuple[str, str, str, str]]
) -> None:
    hand = tmp_path / "hand"
    hand.write_text("+0\n")
    site = serve(world, faults=Faults(latency=0.1))
    trawl = Trawl(tmp_path, address(site), {**CAP, **set_by(hand)})
    process = trawl.start(*CRAWL)
    wait_for(lambda: len(site.ledger.originals()) >= 5, "five files")
    hand.write_text("-1h\n")
    asked = len(site.ledger.originals())
    wait_for(lambda: len(site.ledger.originals()) >= asked + 8, "eight more")
    kill(process)  # before it could note a clean end
    clean_at = rows(tmp_path / "set", "SELECT value FROM meta WHERE key = 'clean_at'")[0][0]
    assert float(clean_at) == 0.0
    left = _orphan(tmp_path / "set", time.time() - HOUR)
    Trawl(tmp_path, trawl.site)(*CRAWL)
    assert not left.exists()
    assert outcome(tmp_path / "set").table == undisturbed
    assert_in_order(tmp_path / "set")
    assert_sound(tmp_path / "set")


def test_a_clock_that_was_ahead_is_set_right_without_a_file_being_lost(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = address(serve(world))
    few = ("crawl", "danbooru", REIMU, "-w", "set", "--want")
    Trawl(tmp_path, site, wrong_by("+1h"))(*few, "5")
    Trawl(tmp_path, site)(*few, "8")
    kept = set(stored_files(tmp_path / "set"))
    left = _orphan(tmp_path / "set", time.time())
    Trawl(tmp_path, site)(*few, "8")
    assert not left.exists()
    assert set(stored_files(tmp_path / "set")) == kept
    assert len(outcome(tmp_path / "set").accepted) == 8
    assert_sound(tmp_path / "set")


def _orphan(workspace: Path, made_at: float) -> Path:
    """A file without a row, in a folder that was changed at that moment."""
    data = b"arrived whole, never committed"
    name = sha256(data)
    path = workspace / "files" / name[:2] / name[2:4] / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path.parent, (made_at, made_at))
    return path
