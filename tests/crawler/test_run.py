"""A run as programs see it: awaited, iterated, left early, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.adapters.base import Http
from crawler.errors import UnknownTag
from crawler.run import Tap
from crawler.workspace import Workspace
from storage.records import AcceptedImage
from tests.crawler.shelf import Shelf, Works, events, start, states, until


@pytest.fixture
def ws(tmp_path: Path, settings: Callable[..., Any]) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings(limits__concurrency=4))


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


async def test_awaiting_a_run_twice_runs_it_once(ws: Workspace, works: Works) -> None:
    run = start(ws, Shelf([[[works("1")]]]))
    assert await run is await run
    assert [kind for kind, _ in events(ws)] == ["accepted", "crawl_finished"]


async def test_what_is_accepted_is_handed_over_with_its_file(ws: Workspace, works: Works) -> None:
    run = start(ws, Shelf([[[works(str(n)) for n in range(5)], [works.small("5")]]]))
    got = [image async for image in run.accepted()]
    assert sorted(image.site_id for image in got) == list("01234")
    assert all(image.path and image.path.exists() for image in got)
    assert (await run).accepted == 5


async def test_a_consumer_that_is_busy_holds_the_crawl_up(ws: Workspace, works: Works) -> None:
    run = start(ws, Shelf([[[works(str(n)) for n in range(60)]]]))
    images = run.accepted()
    first = await anext(images)
    await asyncio.sleep(0.5)
    # What fits between them, and what is in flight.
    assert run.stats.accepted <= 1 + 32 + 4
    rest = [image.site_id async for image in images]
    assert len({first.site_id, *rest}) == 60


async def test_nobody_who_listens_holds_nothing_up(ws: Workspace, works: Works) -> None:
    run = start(ws, Shelf([[[works(str(n)) for n in range(60)]]]))
    run.accepted()  # made, and never asked
    assert (await run).accepted == 60


async def test_a_consumer_may_leave_and_the_crawl_goes_on(ws: Workspace, works: Works) -> None:
    run = start(ws, Shelf([[[works(str(n)) for n in range(60)]]]))
    async for _ in run.accepted():
        break
    async with asyncio.timeout(10):
        assert (await run).accepted == 60


async def test_leaving_the_block_early_stops_the_crawl(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works(str(n)) for n in range(60)]]])
    async with asyncio.timeout(5), start(ws, shelf) as run:
        images = run.accepted()  # kept, and never closed
        for _ in range(3):
            await anext(images)
    summary = await run
    assert summary.state == "stopped"
    assert 3 <= summary.accepted < 60
    assert (await start(ws, shelf)).accepted == 60


async def test_leaving_the_block_at_once_is_no_error(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1")]]])
    async with start(ws, shelf):
        pass
    assert (await start(ws, shelf)).accepted == 1


async def test_a_block_that_ends_after_the_crawl_is_a_finished_crawl(
    ws: Workspace, works: Works
) -> None:
    async with start(ws, Shelf([[[works("1")]]])) as run:
        assert [image.site_id async for image in run.accepted()] == ["1"]
    assert (await run).state == "finished"


async def test_an_error_in_the_block_stops_the_crawl_and_stays_the_error(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works(str(n)) for n in range(60)]]])

    async def use() -> None:
        async with asyncio.timeout(5), start(ws, shelf) as run:
            await until(lambda: run.stats.accepted > 0)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await use()
    assert "pending" in states(ws).values()


async def test_an_error_in_the_block_before_anything_began_stays_the_error(
    ws: Workspace, works: Works
) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with start(ws, Shelf([[[works("1")]]])):
            raise LookupError("mine")


class Unknown(Shelf):
    async def resolve(self, query: str, http: Http) -> str:
        raise UnknownTag("no such tag")


async def test_what_the_source_refuses_is_raised_where_the_run_is_awaited(ws: Workspace) -> None:
    with pytest.raises(UnknownTag):
        await start(ws, Unknown([[]]))
    with pytest.raises(UnknownTag):
        async for _ in start(ws, Unknown([[]])).accepted():
            pass
    with pytest.raises(UnknownTag):
        async with start(ws, Unknown([[]])) as run:
            await run


async def test_stopping_while_iterating_ends_the_iteration(ws: Workspace, works: Works) -> None:
    run = start(ws, Shelf([[[works(str(n)) for n in range(60)]]]))
    got = 0
    async with asyncio.timeout(5):
        async for _ in run.accepted():
            if got == 0:
                run.stop()
            got += 1
    summary = await run
    assert summary.state == "stopped"
    assert got == summary.accepted  # everything that was accepted was handed over


async def test_reports_and_counts_agree(ws: Workspace, works: Works) -> None:
    told: list[dict[str, Any]] = []
    run = start(ws, Shelf([[[works("1"), works.small("2")]]]), want=5)
    run.observe(told.append)
    summary = await run
    assert [r["accepted"] for r in told if r["type"] == "summary"] == [1]
    assert run.stats.accepted == summary.accepted == 1
    assert (run.stats.seen, run.stats.in_flight, run.stats.want) == (2, 0, 5)


# -- the tap ----------------------------------------------------------------------------------

IMAGE = AcceptedImage(1, "site", "1", None, None, None, None, None, None, "accepted")


async def test_a_tap_takes_as_many_as_fit() -> None:
    tap = Tap(size=2)
    for _ in range(2):
        await tap.put(IMAGE)
    third = asyncio.create_task(tap.put(IMAGE))
    await asyncio.sleep(0)
    assert not third.done()
    assert await tap.get() is IMAGE
    await third


async def test_whoever_waits_when_the_consumer_leaves_goes_on() -> None:
    tap = Tap(size=1)
    waiting = [asyncio.create_task(tap.put(IMAGE)) for _ in range(10)]
    await asyncio.sleep(0)
    tap.leave()
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting)
        await tap.put(IMAGE)


async def test_a_tap_that_is_shut_ends_after_what_is_in_it() -> None:
    tap = Tap()
    await tap.put(IMAGE)
    tap.shut()
    assert [await tap.get(), await tap.get()] == [IMAGE, None]
