"""``want`` means the first N good works in the site's order, however fast each of them comes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

import crawler
from crawler.demo.faults import Fault, Faults, Status
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU
from crawler.run import Summary
from crawler.settings import load
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import CONTACT
from tests.scenarios.outcome import Outcome, assert_sound, outcome
from tests.scenarios.worlds import file_of, reimu_posts

TIERS = {"tiers": ("official", "highres", "rest")}
SETUPS = [
    # seed, longest answer in seconds, connections to one host, works in flight
    (0, 0.0, 4, 32),
    (1, 0.05, 1, 1),
    (2, 0.08, 4, 32),
    (3, 0.12, 16, 32),
    (4, 0.12, 8, 5),
    (5, 0.2, 64, 64),
    (6, 0.05, 2, 64),
]


async def crawl(
    site: DemoSite, workspace: Path, want: int, connections: int = 4, concurrency: int = 32
) -> Summary:
    flags = {
        "net.contact": CONTACT,
        "net.allow_hosts": site.allow_hosts,
        "sites.danbooru.base_url": site.base_url,
        "sites.danbooru.rate": 1000.0,
        "sites.danbooru.connections": connections,
        "limits.concurrency": concurrency,
        "net.retry_first": 0.05,
    }
    settings = load(workspace, flags=flags, environ={})
    async with crawler.open(workspace, settings=settings) as ws:
        return await ws.crawl("danbooru", REIMU, want=want, options=TIERS)


def assert_nothing_in_vain(site: DemoSite, found: Outcome, want: int) -> None:
    """Originals were asked for only of works that were needed to fill the target."""
    asked = {entry.path for entry in site.ledger.originals()}
    by_id = {str(post.id): post for post in site.world.posts}
    settled = {
        path
        for work in found.works
        if work.state in ("accepted", "rejected", "failed")
        for path in (file_of(by_id[work.site_id]), f"/original/{by_id[work.site_id].media.path}")
    }
    assert asked <= settled
    lost = sum(
        work.state == "failed"
        or (work.state == "rejected" and file_of(by_id[work.site_id]) in asked)
        for work in found.works
    )
    replaced = sum(
        by_id[w.site_id].kind == "replaced" for w in found.works if w.state == "accepted"
    )
    assert len(asked) <= want + lost + replaced


async def test_the_same_works_are_accepted_whatever_the_timing(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    want = 33
    found: list[Outcome] = []
    for seed, longest, connections, concurrency in SETUPS:
        site = serve(world, faults=Faults(latency=(0.0, longest), seed=seed))
        workspace = tmp_path / str(seed)
        summary = await crawl(site, workspace, want, connections, concurrency)
        assert (summary.state, summary.accepted) == ("finished", want)
        assert_sound(workspace)
        found.append(outcome(workspace))
        assert_nothing_in_vain(site, found[-1], want)
    first = found[0]
    assert len(first.accepted) == want
    for other in found[1:]:
        assert other.until_last_accepted() == first.until_last_accepted()
        assert [w.sha256 for w in other.works if w.state == "accepted"] == [
            w.sha256 for w in first.works if w.state == "accepted"
        ]


@pytest.mark.parametrize("seed", range(3))
async def test_trouble_and_copies_on_the_way_change_nothing(
    world: World, serve: Serve, tmp_path: Path, seed: int
) -> None:
    """A work that fails for good makes room for its copy, and for nothing else."""
    troubled = _with_copies_of_dead_works(world)
    expected = None
    for attempt, longest in enumerate((0.0, 0.06, 0.15)):
        faults = Faults(latency=(0.0, longest), seed=seed * 10 + attempt)
        site = serve(troubled, faults=faults)
        workspace = tmp_path / str(attempt)
        await crawl(site, workspace, 20 + seed, connections=8)
        found = outcome(workspace).until_last_accepted()
        expected = expected or found
        assert found == expected


def _with_copies_of_dead_works(world: World) -> World:
    """Works whose file is gone, each followed by several that show the same pixels."""
    rng = random.Random(1)
    posts = [post for post in reimu_posts(world) if post.kind in ("highres_solo", "plain")]
    dead = rng.sample(posts[:12], 3)
    copies = {}
    for n, post in enumerate(dead):
        for copy in posts[12 + 3 * n : 15 + 3 * n]:
            media = replace(copy.media, pixel_hash=post.media.pixel_hash)
            copies[copy.id] = replace(copy, media=media)
    faults = tuple(Fault(Status(404), match=file_of(post)) for post in dead)
    return replace(
        world,
        posts=tuple(copies.get(post.id, post) for post in world.posts),
        faults=(*faults, *world.faults),
    )


@pytest.mark.parametrize("steps", [(5, 17), (1, 2, 16, 17), (17,)])
async def test_a_target_reached_in_steps_is_the_target_reached_at_once(
    world: World, serve: Serve, tmp_path: Path, steps: tuple[int, ...]
) -> None:
    site = serve(world, faults=Faults(latency=(0.0, 0.03), seed=9))
    for want in steps:
        await crawl(site, tmp_path / "steps", want)
    await crawl(serve(world), tmp_path / "once", 17)
    once, stepwise = outcome(tmp_path / "once"), outcome(tmp_path / "steps")
    assert stepwise.until_last_accepted() == once.until_last_accepted()


async def test_listing_stops_where_the_target_can_be_met(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(world)
    await crawl(site, tmp_path / "ws", 5)
    assert len(site.ledger.requests("/posts.json")) == 1
