"""Trouble that passes: every obtainable file arrives, and nothing faulty is ever accepted."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from crawler.demo.faults import (
    Action,
    Corrupt,
    EmptyPage,
    Fault,
    Faults,
    Html,
    Reset,
    Status,
    Truncate,
)
from crawler.demo.ledger import Entry, Ledger
from crawler.demo.posts import Post, World
from crawler.demo.world import REIMU
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, serving, wait_for
from tests.scenarios.outcome import Outcome, assert_sound, outcome
from tests.scenarios.worlds import file_of, reimu_posts

OWN_TROUBLE = {"replaced", "error_once", "truncated_once"}
"""Kinds whose files have a fault already."""
CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--want", "30")

FILE_TROUBLE: dict[str, Action] = {
    "500": Status(500),
    "502 as a web page": Status(502, html=True),
    "503": Status(503),
    "429 with Retry-After": Status(429, retry_after=2),
    "429 with a date": Status(429, retry_after=3, dated=True),
    "503 with Retry-After": Status(503, retry_after=2),
    "cut short": Truncate(0.6),
    "cut short with its own length": Truncate(0.6, honest=True),
    "reset before the first byte": Reset(0.0),
    "reset in the middle": Reset(0.5),
    "a web page with status 200": Html(),
    "some bytes wrong": Corrupt(40),
}
LIST_TROUBLE: dict[str, Action] = {
    "500": Status(500),
    "503": Status(503),
    "429 with Retry-After": Status(429, retry_after=2),
    "429 from the web server, with nothing said": Status(429, html=True),
    "cut JSON": Truncate(0.7),
    "cut JSON with its own length": Truncate(0.7, honest=True),
    "reset": Reset(0.0),
    "a web page with status 200": Html(),
    "an empty page": EmptyPage(),
}


@pytest.fixture(scope="module")
def clean(world: World, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What the crawl comes to without any trouble."""
    home = tmp_path_factory.mktemp("clean")
    with serving(world) as site:
        Trawl(home, address(site))(*CRAWL)
    return outcome(home / "set")


def some_accepted(world: World, clean: Outcome, number: int) -> list[Post]:
    posts = {str(post.id): post for post in reimu_posts(world)}
    chosen = [posts[site_id] for site_id in clean.accepted]
    found = [post for post in chosen if post.kind not in OWN_TROUBLE and not post.copies][:number]
    assert len(found) == number
    return found


def crawl(
    world: World, serve: Serve, home: Path, faults: list[Fault]
) -> tuple[Outcome, list[Entry]]:
    """Crawl through these faults; none of them may have been left out, no wait cut short."""
    site = serve(world, faults=Faults(faults))
    Trawl(home, address(site), {"TRAWL_NET__COOLDOWN_FIRST": "0.3"})(*CRAWL)
    dated = any(isinstance(fault.do, Status) and fault.do.dated for fault in faults)
    assert early(site.ledger, coarse=1.0 if dated else 0.0) == []
    played = [entry for entry in site.ledger if entry.fault is not None]
    assert len(played) >= len(faults)
    assert_sound(home / "set")
    return outcome(home / "set"), list(site.ledger)


def early(ledger: Ledger, coarse: float = 0.0) -> list[Entry]:
    """Requests to a host that had told us to stay away, but for those sent before we could know.

    ``coarse`` is how much shorter a wait may be than was meant: a date has no fractions.
    """
    return [
        entry
        for told in ledger
        if told.retry_after is not None
        for entry in ledger.requests(host=told.host)
        if told.end + 0.1 < entry.start < told.end + told.retry_after - coarse
    ]


def assert_same(found: Outcome, clean: Outcome) -> None:
    assert found.until_last_accepted() == clean.until_last_accepted()
    assert [w.sha256 for w in found.works] == [w.sha256 for w in clean.works]


def test_a_bit_of_every_trouble_with_files_costs_no_file(
    world: World, serve: Serve, tmp_path: Path, clean: Outcome
) -> None:
    actions = [do for do in FILE_TROUBLE.values() if not waits(do)]
    posts = some_accepted(world, clean, len(actions))
    faults = [
        Fault(do, match=file_of(post), nth=1) for post, do in zip(posts, actions, strict=True)
    ]
    found, _ = crawl(world, serve, tmp_path, faults)
    assert_same(found, clean)


def waits(do: Action) -> bool:
    return isinstance(do, Status) and do.retry_after is not None


@pytest.mark.parametrize("name", [name for name, do in FILE_TROUBLE.items() if waits(do)])
def test_an_image_host_that_says_later_is_not_asked_earlier(
    world: World, serve: Serve, tmp_path: Path, clean: Outcome, name: str
) -> None:
    (post,) = some_accepted(world, clean, 1)
    fault = Fault(FILE_TROUBLE[name], match=file_of(post), nth=1)
    found, ledger = crawl(world, serve, tmp_path, [fault])
    assert_same(found, clean)
    assert [entry.retry_after is not None for entry in ledger].count(True) == 1


@pytest.mark.parametrize("name", LIST_TROUBLE)
def test_trouble_with_a_page_of_the_listing_loses_nothing(
    world: World, serve: Serve, tmp_path: Path, clean: Outcome, name: str
) -> None:
    found, _ = crawl(world, serve, tmp_path, [Fault(LIST_TROUBLE[name], "/posts.json", nth=1)])
    assert_same(found, clean)


def test_every_file_and_every_page_may_fail_once(
    world: World, serve: Serve, tmp_path: Path, clean: Outcome
) -> None:
    faults = [Fault(Status(500), "/posts.json", nth=1), Fault(Reset(0.3), "/original/*", nth=1)]
    found, _ = crawl(world, serve, tmp_path, faults)
    assert_same(found, clean)


def test_the_wait_a_host_asked_for_outlives_the_process(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    """The run that was told is stopped; the next one must not ask before the time is over."""
    site = serve(world, faults=Faults([Fault(Status(429, retry_after=4), "/original/*", nth=1)]))
    trawl = Trawl(tmp_path, address(site))
    process = trawl.start(*CRAWL)
    wait_for(lambda: any(e.retry_after for e in site.ledger), "the 429")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert trawl.finish(process).code == 130
    Trawl(tmp_path, address(site))("crawl", "danbooru", REIMU, "-w", "another", "--want", "2")
    assert early(site.ledger) == []
    assert len(outcome(tmp_path / "another").accepted) == 2


def test_a_host_that_wants_us_away_for_long_ends_the_run_resumably(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(world, faults=Faults([Fault(Status(429, retry_after=90_000), "/original/*")]))
    trawl = Trawl(tmp_path, address(site))
    first = trawl(*CRAWL, code=8)
    assert "E_RATE_LIMITED" in first.err
    asked = len(site.ledger.originals())
    again = trawl(*CRAWL, code=8)
    assert "E_RATE_LIMITED" in again.err
    assert len(site.ledger.originals()) == asked
    assert {work.state for work in outcome(tmp_path / "set").works} >= {"pending"}


def test_trouble_that_stays_is_told_and_the_rest_arrives(
    world: World, serve: Serve, tmp_path: Path, clean: Outcome
) -> None:
    lasting: dict[str, Action] = {
        "http_404": Status(404),
        "http_5xx": Status(500),
        "truncated": Truncate(0.5),
        "size_mismatch": Truncate(0.5, honest=True),
        "not_an_image": Html(),
        "md5_mismatch": Corrupt(40),
    }
    posts = some_accepted(world, clean, len(lasting))
    faults = [
        Fault(do, match=file_of(post)) for post, do in zip(posts, lasting.values(), strict=True)
    ]
    found, _ = crawl(world, serve, tmp_path, faults)
    endings = [found.facts[str(post.id)].ending for post in posts]
    assert endings == [("failed", reason) for reason in lasting]
    assert len(found.accepted) == 30
    lost = {str(post.id) for post in posts}
    assert set(clean.accepted) - set(found.accepted) == lost
