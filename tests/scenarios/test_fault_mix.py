"""Everything that can go wrong at once, by a seed; and one host's trouble that stays its own."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from crawler.demo.faults import (
    Action,
    CloseDelimited,
    Corrupt,
    Delay,
    Drip,
    Fault,
    Faults,
    Headers,
    Hops,
    Html,
    Informational,
    Overlong,
    Reset,
    Spoil,
    Stall,
    Status,
    Truncate,
    Version,
)
from crawler.demo.posts import World
from crawler.demo.world import REIMU, big_world
from storage.errors import NoWorkspace
from tests.scenarios.audit import audit
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, kill, wait_for
from tests.scenarios.faulty import CRAWL, IMPATIENT
from tests.scenarios.outcome import outcome
from tests.scenarios.worlds import file_of

WANT = ("crawl", "danbooru", REIMU, "-w", "set", "--want", "50")
SEED = 7
FILES: tuple[Action, ...] = (
    *(Status(code) for code in (408, 429, 500, 502, 503, 520)),
    *(Truncate(0.3), Truncate(0.6, honest=True), Truncate(0.0, honest=True), Truncate(0.999)),
    *(Reset(0.0), Reset(0.4), CloseDelimited(0.5), CloseDelimited(0.5, reset=True)),
    *(Overlong(0.5), Overlong(), CloseDelimited(), Corrupt(1), Corrupt(500), Html()),
    *(Version(bytes(9000)), Headers({"Content-Type": "text/html"}), Hops(), Hops(2)),
    *(Informational(103, 30), Delay(0.3), Delay(3), Stall(0.5, 3), Drip(100, 0.05)),
)
PAGES: tuple[Action, ...] = (
    *(Status(502), Truncate(0.5, honest=True), Truncate(0.5), Reset(0.5), Html()),
    *(Hops(1), Informational(), CloseDelimited(0.9), Delay(0.3), Status(429)),
)


def test_all_faults_at_once_change_nothing_of_what_is_gathered(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    """Two requests out of three meet one of forty faults; the set is the undisturbed one."""
    clean = serve(world)
    (tmp_path / "clean").mkdir()
    Trawl(tmp_path / "clean", address(clean))(*WANT)
    undisturbed = outcome(tmp_path / "clean" / "set")
    # The first fault that fits is played: each is given what the ones before it leave over.
    faults = [
        Fault(do, match, nth=1, chance=share(0.66, len(actions), number))
        for match, actions in (("/original/*", FILES), ("/*.json", PAGES))
        for number, do in enumerate(actions)
    ]
    site = serve(world, faults=Faults(faults, seed=SEED))
    Trawl(tmp_path, address(site), IMPATIENT)(*WANT)
    expected = {int(site_id) for site_id in undisturbed.accepted}
    found = audit(tmp_path / "set", site, expected)
    assert found.until_last_accepted() == undisturbed.until_last_accepted()
    assert len({entry.fault for entry in site.ledger if entry.fault}) >= 10


def share(whole: float, parts: int, number: int) -> float:
    """The chance of one of equal parts of ``whole``, where the parts before it did not happen."""
    each = whole / parts
    return each / (1 - number * each)


def test_what_other_hosts_hold_arrives_while_one_host_is_silent(
    serve: Serve, tmp_path: Path
) -> None:
    """The silent host's files are the first in the order, and keep all its connections busy."""
    world = big_world(40)
    well = serve(world)
    silent, others = world.posts[-12:], world.posts[:-12]
    moved = {post.id: {"file_url": json.dumps(f"{well.cdn_url}{file_of(post)}")} for post in others}
    faults = [Fault(Spoil(moved), "/posts*"), Fault(Delay(60), "/original/*", nth=1)]
    site = serve(world, faults=Faults(faults))
    settings = {
        "TRAWL_NET__ALLOW_HOSTS": f"{site.allow_hosts},{well.allow_hosts}",
        "TRAWL_LIMITS__CONCURRENCY": "8",  # fewer than the silent host has files
    }
    trawl = Trawl(tmp_path, address(site), settings)
    process = trawl.start(*CRAWL)
    try:
        wait_for(lambda: len(accepted(tmp_path / "set")) == len(others), "the other host's files")
        assert site.ledger.originals() == [], "the silent host has answered: nothing is shown"
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # two signals at once are one
        process.send_signal(signal.SIGINT)
        assert trawl.finish(process).code == 130
    finally:
        kill(process)
    site.course.plan = Faults(faults[:1])
    trawl(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts}, elsewhere=[well])
    assert {entry.path for entry in site.ledger.originals()} == {file_of(post) for post in silent}


def accepted(workspace: Path) -> list[str]:
    try:
        return outcome(workspace).accepted
    except NoWorkspace:  # it is only being made
        return []


def test_a_host_is_never_asked_faster_than_its_rate(serve: Serve, tmp_path: Path) -> None:
    """Through failures and repetitions, too: what comes again is a request like any other."""
    world = big_world(12)
    faults = [Fault(Status(503), "/original/*", nth=1), Fault(Reset(0.5), "/original/*", nth=2)]
    site = serve(world, faults=Faults(faults))
    settings = {"TRAWL_SITES__DANBOORU__RATE": "20"}
    Trawl(tmp_path, address(site), IMPATIENT | settings)(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts}, rate=20)
    assert len(site.ledger.originals()) == 3 * len(world.posts)
