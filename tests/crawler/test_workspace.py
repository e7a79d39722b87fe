"""The face for programs: open, crawl, ask, follow, export."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.demo.site import DemoSite
from crawler.errors import (
    ConfigError,
    NewerCatalog,
    NotFound,
    NoWorkspace,
    RefusedQuery,
    UsageError,
    WorkspaceLocked,
)
from crawler.settings import Settings
from crawler.workspace import Workspace, trigger_of
from storage.lock import EngineLock, engine_running
from storage.reader import Reader
from tests.crawler.shelf import Shelf, Works, start, states, until


@pytest.fixture
def ws(tmp_path: Path, settings: Callable[..., Settings]) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


# -- the example of the front page ------------------------------------------------------------


async def test_a_set_is_crawled_followed_and_exported(
    demo: DemoSite, tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    async with crawler.open(tmp_path / "ws", settings=settings(demo)) as ws:
        seen = []
        async with ws.crawl("danbooru", "hakurei_reimu", want=6) as run:
            async for image in run.accepted():
                seen.append(image.sha256)
        told = []
        async for event in ws.stream(consumer="crop"):
            told.append(event.event.kind)
            await event.ack()
        done = await (
            ws.crawl("danbooru", "kirisame_marisa", want=3)
            .through("shrink", max_pixels=50_000)
            .export("kohya", tmp_path / "out")
        )
    assert len(set(seen)) == 6
    assert told == ["accepted"] * 6 + ["crawl_finished"]
    assert all(image.width * image.height <= 51_000 for image in done.images)
    assert len(list((tmp_path / "out").rglob("*.txt"))) == 3
    assert {i.sha256 for i in ws.images(crawl=(await run).crawl_id)} == set(seen)


# -- asking for what cannot be ----------------------------------------------------------------


def test_what_is_never_asked_for_is_refused_before_any_network(ws: Workspace) -> None:
    with pytest.raises(RefusedQuery):
        ws.crawl("danbooru", "loli")
    assert not ws.path.exists()


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("danboru", {}, UsageError),
        ("danbooru", {"options": {"no_such_option": 1}}, UsageError),
        ("danbooru", {"policy": {"resolution": {"min_sides": 1}}}, ConfigError),
        ("danbooru", {"policy": {"allow": ["blocked_content"]}}, ConfigError),
    ],
)
def test_what_does_not_exist_is_told(
    ws: Workspace, source: str, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ws.crawl(source, "hakurei_reimu", **options)


async def test_a_workspace_in_use_is_left_alone(ws: Workspace, works: Works) -> None:
    ws.path.mkdir()
    with EngineLock(ws.path), pytest.raises(WorkspaceLocked):
        await start(ws, Shelf([[[works("1")]]]))
    assert (await start(ws, Shelf([[[works("1")]]]))).accepted == 1
    assert not engine_running(ws.path)


async def test_a_newer_catalog_is_refused_and_the_workspace_freed(
    ws: Workspace, works: Works
) -> None:
    ws.path.mkdir()
    db = sqlite3.connect(ws.path / "catalog.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    before = (ws.path / "catalog.db").read_bytes()
    with pytest.raises(NewerCatalog):
        await start(ws, Shelf([[[works("1")]]]))
    assert (ws.path / "catalog.db").read_bytes() == before
    assert not engine_running(ws.path)


def test_questions_need_a_workspace(ws: Workspace) -> None:
    with pytest.raises(NoWorkspace):
        ws.images()
    with pytest.raises(NoWorkspace):
        ws.resume()


# -- going on ---------------------------------------------------------------------------------


async def test_a_crawl_is_resumed_by_its_id_or_as_the_last_one(
    demo: DemoSite, tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    ws = crawler.open(tmp_path / "ws", settings=settings(demo))
    first = await ws.crawl("danbooru", "hakurei_reimu", want=2)
    second = await ws.crawl("danbooru", "kirisame_marisa", want=2, max_time=0)
    assert second.state == "stopped"
    resumed = await ws.resume()
    assert (resumed.crawl_id, resumed.accepted) == (second.crawl_id, 2)
    assert (await ws.resume(first.crawl_id[:6])).crawl_id == first.crawl_id
    with pytest.raises(NotFound):
        ws.resume("nothing")


async def test_a_crawl_is_not_resumed_at_another_site(
    demo: DemoSite, tmp_path: Path, settings: Callable[..., Settings]
) -> None:
    ws = crawler.open(tmp_path / "ws", settings=settings(demo))
    await ws.crawl("danbooru", "hakurei_reimu", want=0)
    elsewhere = settings(demo, sites__danbooru__base_url="http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="another base_url"):
        crawler.open(ws.path, settings=elsewhere).resume()


async def test_a_resumed_crawl_keeps_its_policy(
    tmp_path: Path, settings: Callable[..., Settings], works: Works
) -> None:
    works("1")
    works("2", side=16)
    ws = crawler.open(tmp_path / "ws", settings=settings())
    small = {"resolution": {"min_side": 32, "min_pixels": 1}}
    await ws.crawl("folder", str(works.folder), policy=small)
    assert list(states(ws).values()) == ["accepted", "rejected:too_small"]
    summary = await ws.resume()
    assert summary.accepted == 1


# -- what came of it --------------------------------------------------------------------------


async def test_images_are_the_accepted_ones_unless_asked_otherwise(
    ws: Workspace, works: Works
) -> None:
    await start(ws, Shelf([[[works("1"), works.small("2")]]]))
    assert [i.site_id for i in ws.images()] == ["1"]
    assert [i.site_id for i in ws.images(["state:rejected"])] == ["2"]
    assert [i.site_id for i in ws.images(["-state:rejected"])] == ["1"]
    assert [i.site_id for i in ws.images(["id:2"])] == []


async def test_an_export_of_one_generation_is_of_that_one(
    ws: Workspace, works: Works, tmp_path: Path
) -> None:
    first = await start(ws, Shelf([[[works("1")]]]))
    second = await start(ws, Shelf([[[works("2")]]]), fresh=True)
    assert [i.site_id for i in ws.images(crawl=first.crawl_id)] == ["1"]
    assert [i.site_id for i in ws.images(crawl=second.crawl_id)] == ["2"]
    report = ws.export("imagefolder", tmp_path / "out", crawl=first.crawl_id)
    assert report.written == 1


@pytest.mark.parametrize(
    ("query", "trigger"),
    [
        ("hakurei_reimu", "hakurei reimu"),
        ("-solo rating:g hakurei_reimu", "hakurei reimu"),
        ("ren_(pixel(art))", "ren (pixel(art))"),
        ("fate/grand_order", "fate grand order"),
    ],
)
def test_the_trigger_is_the_first_tag_of_the_query(query: str, trigger: str) -> None:
    assert trigger_of(query) == trigger


# -- following --------------------------------------------------------------------------------


async def collect(ws: Workspace, **asked: Any) -> list[tuple[int, str]]:
    return [(e.event.seq, e.event.kind) async for e in ws.stream(**asked)]


async def test_events_come_again_until_they_are_acknowledged(ws: Workspace, works: Works) -> None:
    await start(ws, Shelf([[[works("1"), works("2")]]]))
    everything = [(1, "accepted"), (2, "accepted"), (3, "crawl_finished")]
    assert await collect(ws, consumer="crop") == everything
    async for event in ws.stream(consumer="crop"):
        await event.ack()
        if event.event.seq == 2:
            break
    assert await collect(ws, consumer="crop") == everything[2:]
    assert await collect(ws, consumer="tag") == everything
    assert await collect(ws) == everything
    assert await collect(ws, after=1) == everything[1:]


async def test_an_event_comes_with_the_picture_as_it_is_now(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1"), works("2", side=40)]]])
    await start(ws, shelf)
    got = [e.image async for e in ws.stream()]
    assert [image and image.site_id for image in got][2] is None
    assert all(image.path.exists() for image in got[:2])
    await start(ws, shelf, policy={"resolution": {"min_side": 44, "min_pixels": 1}})
    live = {e.image.site_id for e in [e async for e in ws.stream()] if e.image is not None}
    assert live == {"1"}  # the other was withdrawn: nobody is handed a picture that has gone


async def test_a_follower_hears_what_happens_next(ws: Workspace, works: Works) -> None:
    await start(ws, Shelf([[[works("1")]]], query="one"))
    heard: list[str] = []

    async def follow() -> None:
        async for event in ws.stream(consumer="crop", follow=True):
            await event.ack()
            heard.append(event.event.kind)

    following = asyncio.create_task(follow())
    await until(lambda: len(heard) == 2)
    await start(ws, Shelf([[[works("2")]]], query="two"))  # acknowledging beside an engine
    await until(lambda: len(heard) == 4)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    with Reader(ws.path) as reader:
        assert reader.acked("crop") == 4


async def test_acknowledging_without_a_name_is_nothing(ws: Workspace, works: Works) -> None:
    await start(ws, Shelf([[[works("1")]]]))
    async for event in ws.stream():
        await event.ack()
    assert len(await collect(ws)) == 2
