"""Who says "later" is not asked earlier: by any worker, any run, in whatever form it is said."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from crawler.demo.faults import Action, Fault, Faults, Status
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU, big_world
from crawler.http.session import Session
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.scenarios.audit import assert_nobody_early, assert_sent_once, audit
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import CONTACT, Trawl, address, wait_for
from tests.scenarios.faulty import CRAWL, crawl_with
from tests.scenarios.outcome import outcome, sha256

TEN_YEARS = 315_360_000.0

LATER: dict[str, Action] = {
    "429 with seconds": Status(429, retry_after=1.0),
    "429 with a date": Status(429, retry_after=1.0, dated=True),
    "503 with seconds": Status(503, retry_after=1.0),
}
NOTHING_SAID: dict[str, Action] = {
    "no time": Status(429),
    "garbage": Status(429, retry_after="soon"),
    "a negative time": Status(429, retry_after="-5"),
    "a time that is over": Status(429, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"),
    "digits of another script": Status(429, retry_after="1e3"),
}


@pytest.mark.parametrize("where", ["/original/*", "/posts.json"])
def test_each_form_of_later_is_obeyed(serve: Serve, tmp_path: Path, where: str) -> None:
    """Files are asked by several workers at once: what one of them hears holds for all."""
    world = big_world(12)
    faults = [Fault(do, where, nth=n) for n, do in enumerate(LATER.values(), start=1)]
    if where == "/original/*":
        files = [f"/original/{post.media.path}" for post in world.posts[::4]]
        faults = [Fault(do, file, nth=1) for do, file in zip(LATER.values(), files, strict=True)]
    site = serve(world, faults=Faults(faults))
    Trawl(tmp_path, address(site))(*CRAWL)
    assert len([entry for entry in site.ledger if entry.retry_after]) == len(LATER)
    audit(tmp_path / "set", site, {post.id for post in world.posts})


def test_a_refusal_that_names_no_time_is_given_some(tmp_path: Path) -> None:
    faults = {name: [Fault(do, nth=1)] for name, do in NOTHING_SAID.items()}
    crawled = crawl_with(tmp_path, faults, TRAWL_NET__COOLDOWN_FIRST="0.3")
    refused = [entry for entry in crawled.site.ledger if entry.status == 429]
    assert len(refused) == len(NOTHING_SAID)
    for refusal in refused:
        soon = (refusal.end + 0.1, refusal.end + 0.25)
        assert not [e for e in crawled.site.ledger.originals() if soon[0] < e.start < soon[1]]


def test_a_host_that_wants_us_away_for_long_ends_the_run_resumably(
    serve: Serve, tmp_path: Path
) -> None:
    later = Status(429, retry_after=TEN_YEARS)
    site = serve(big_world(12), faults=Faults([Fault(later, "/original/*")]))
    trawl = Trawl(tmp_path, address(site))
    first = trawl(*CRAWL, code=8)
    assert "E_RATE_LIMITED" in first.err
    asked = len(site.ledger.originals())
    again = trawl(*CRAWL, code=8)
    assert "E_RATE_LIMITED" in again.err
    assert len(site.ledger.originals()) == asked
    assert {work.state for work in outcome(tmp_path / "set").works} == {"pending"}


def test_the_wait_a_host_asked_for_outlives_the_process(serve: Serve, tmp_path: Path) -> None:
    """The run that was told is stopped; the next one must not ask before the time is over."""
    world = big_world(12)
    later = Status(429, retry_after=5.0)
    site = serve(world, faults=Faults([Fault(later, "/original/*", nth=1)]))
    trawl = Trawl(tmp_path, address(site))
    process = trawl.start(*CRAWL)
    wait_for(lambda: any(e.retry_after for e in site.ledger), "the 429")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert trawl.finish(process).code == 130
    trawl("crawl", "danbooru", REIMU, "-w", "another", "--want", "2")
    assert_nobody_early(site.ledger)
    assert len(outcome(tmp_path / "another").accepted) == 2


HOSTS, FILES, TIMES = 30, 7, 5
"""Every file of every host is refused so many times."""


async def test_a_thousand_refusals_and_nobody_comes_early(tmp_path: Path) -> None:
    """Thirty hosts at once, each with seven workers that all hear it and all have to wait."""
    world = big_world(FILES)
    forms = [
        Status(429, retry_after=1.0),
        Status(503, retry_after=1.0),
        Status(429, retry_after=1.0, dated=True),
        Status(429, retry_after=1.0, html=True),
        Status(429, retry_after=2.0),
    ]
    faults = [Fault(do, "/original/*", nth=n) for n, do in enumerate(forms[:TIMES], start=1)]
    async with AsyncExitStack() as stack:
        # With some latency all workers of a host are on their way when the first one hears of it.
        plan = Faults(faults, latency=(0.02, 0.08))
        sites = [
            await stack.enter_async_context(DemoSite(world, faults=plan)) for _ in range(HOSTS)
        ]
        allowed = {site.cdn_url.removeprefix("http://") for site in sites}
        net = Net(
            contact=CONTACT,
            allow_hosts=frozenset(allowed),
            connections=HOSTS * FILES,
            retry_floor=1e6,
        )
        session = await stack.enter_async_context(Session(net, Stats()))
        http = session.site(Site("test", "test", "", rate=1000, connections=FILES))
        jobs = [
            (Rung(f"{site.cdn_url}/original/{post.media.path}", md5=post.media.md5), number)
            for number, (site, post) in enumerate((s, p) for s in sites for p in world.posts)
        ]
        got = await asyncio.gather(*(http.fetch(rung, tmp_path / str(n)) for rung, n in jobs))
    assert len(got) == HOSTS * FILES
    truth = {sha256(post.media.read()) for post in world.posts}
    assert {fetched.sha256 for fetched in got} == truth
    refused = sum(entry.retry_after is not None for site in sites for entry in site.ledger)
    assert refused == HOSTS * FILES * TIMES >= 1000
    for site in sites:
        # All of them share one loop with us, which may take a while to come round.
        assert_nobody_early(site.ledger, on_the_way=0.6)
        assert_sent_once([site.ledger])
