"""What the source says anew counts at once, and one work's trouble is only its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler import carry
from crawler import engine as engine_module
from crawler.demo.faults import Fault, Faults, Html, Reset, Status, Truncate
from crawler.demo.site import DemoSite
from crawler.demo.world import World
from crawler.run import Run, Summary
from crawler.workspace import Workspace
from storage.errors import NoWorkspace
from storage.records import Candidate, Rung
from tests.crawler.shelf import Shelf, Works, events, start, states, until


@pytest.fixture
def ws(tmp_path: Path, settings: Any) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


async def ended(run: Run) -> Summary:
    async with asyncio.timeout(60):
        return await run


class Gate:
    """Holds every spool until it is opened, and tells which were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        real = carry.spool

        async def spool(rung: Rung, into: Path, *, max_bytes: int) -> Any:
            self.asked.append(Path(rung.location).stem)
            await self.open.wait()
            return await real(rung, into, max_bytes=max_bytes)

        monkeypatch.setattr(carry, "spool", spool)


def changed(work: Candidate, how: str) -> Candidate:
    return {
        "blocked": replace(work, tags={"general": ("loli",)}),
        "rating": replace(work, rating="e"),
        "hidden": replace(work, ladder=(), unavailable="hidden"),
    }[how]


OUTCOME = {
    "blocked": "rejected:blocked_content",
    "rating": "rejected:rating",
    "hidden": "unavailable:hidden",
}


def seen(ws: Workspace) -> dict[str, str]:
    """The states so far; none while the catalog is being made."""
    try:
        return states(ws)
    except NoWorkspace:
        return {}


@pytest.mark.parametrize("how", OUTCOME)
async def test_a_work_that_a_later_page_decides_is_not_fetched(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    limits = replace(ws.settings.limits, concurrency=1)
    ws = crawler.open(ws.path, settings=replace(ws.settings, limits=limits))
    gate = Gate(monkeypatch)
    listed = [works(str(n), rating="g") for n in range(4)]
    shelf = Shelf([[listed], [[changed(listed[3], how)]]])
    run = asyncio.ensure_future(ended(start(ws, shelf, want=100)))
    await until(lambda: seen(ws).get("3") == OUTCOME[how])
    gate.open.set()
    await run
    assert states(ws)["3"] == OUTCOME[how]
    assert "3" not in gate.asked


@pytest.mark.parametrize("how", OUTCOME)
async def test_a_work_decided_while_it_is_in_flight_stays_decided(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    gate = Gate(monkeypatch)
    work = works("1", rating="g")
    shelf = Shelf([[[work]], [[changed(work, how)]]])
    run = asyncio.ensure_future(ended(start(ws, shelf, want=None)))
    await until(lambda: seen(ws).get("1") == OUTCOME[how])
    gate.open.set()
    await run
    assert states(ws) == {"1": OUTCOME[how]}
    assert [kind for kind, _ in events(ws)] == ["crawl_finished"]
    assert not list((ws.path / "files").glob("??/??/*"))


async def test_no_work_is_left_behind_however_rejections_and_pages_meet(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LOAD", 5)
    monkeypatch.setattr(carry, "MIN_DROP", 0)
    storage = replace(ws.settings.storage, rejected_budget=0)
    ws = crawler.open(ws.path, settings=replace(ws.settings, storage=storage))
    for n in range(6):
        first = [works.small(f"{n}-{i}") for i in range(5)]
        shelf = Shelf([[first, [works.small(f"{n}-x"), works.small(f"{n}-y")]]], query=f"q{n}")

        async def pause(seconds: float = 0.002 * n) -> None:
            await asyncio.sleep(seconds)

        shelf.pause = pause
        summary = await ended(start(ws, shelf))
        assert summary.state == "finished"
        assert {row.state for row in summary.rows} == {"rejected"}


@pytest.mark.parametrize("status", [410, 451, 500, 403])
async def test_a_post_that_cannot_be_read_again_costs_only_itself(
    tmp_path: Path, demo_world: World, settings: Any, status: int
) -> None:
    dead = next(p for p in demo_world.posts if p.kind == "official_art" and "g" in p.rating)
    faults = Faults(
        [
            Fault(match="/original/*", post=dead.id, do=Status(404)),
            Fault(match=f"/posts/{dead.id}.json", do=Status(status)),
        ]
    )
    async with DemoSite(demo_world, faults=faults) as site:
        ws = crawler.open(tmp_path / "ws", settings=settings(site))
        tiers = {"tiers": ("official",)}
        summary = await ended(ws.crawl("danbooru", "hakurei_reimu", want=None, options=tiers))
    assert (summary.state, summary.error) == ("finished", None)
    assert states(ws)[str(dead.id)].split(":")[0] in ("failed", "unavailable")
    assert "pending" not in states(ws).values()


@pytest.mark.parametrize("trouble", [Truncate(0.5), Html(), Reset(0.5)], ids=lambda t: str(t)[:8])
async def test_transient_trouble_is_over_when_the_crawl_is_run_again(
    tmp_path: Path, demo_world: World, settings: Any, trouble: Any
) -> None:
    post = next(p for p in demo_world.posts if p.kind == "official_art" and "g" in p.rating)
    faults = Faults([Fault(match="/original/*", post=post.id, nth=1, times=4, do=trouble)])
    async with DemoSite(demo_world, faults=faults) as site:
        ws = crawler.open(tmp_path / "ws", settings=settings(site))
        tiers = {"tiers": ("official",)}
        for outcome in ("failed", "accepted"):
            await ended(ws.crawl("danbooru", "hakurei_reimu", want=None, options=tiers))
            assert states(ws)[str(post.id)].split(":")[0] == outcome


async def test_a_raised_pixel_limit_lets_what_was_too_large_in(ws: Workspace, works: Works) -> None:
    work = works("1", side=48)

    async def crawled_with(limit: int) -> str:
        policy = {"resolution": {"min_side": 32, "min_pixels": 1, "max_pixels": limit}}
        await ended(start(ws, Shelf([[[work]]]), policy=policy))
        return states(ws)["1"]

    assert await crawled_with(1_500) == "failed:too_many_pixels"
    assert await crawled_with(100_000) == "accepted"
