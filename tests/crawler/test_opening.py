"""Opening a crawl: found or made, and brought up to the policy it is now run with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from crawler.adapters.base import Http
from crawler.errors import UnknownTag
from crawler.opening import Opened, open_crawl
from filters import content
from storage import crawls, listing, tallies, works
from storage.judging import rejudging
from storage.records import Ruling, Rung
from storage.writer import Writer
from tests.crawler.shelf import Shelf, Works, request

NO_HTTP = cast(Http, None)


@pytest_asyncio.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    writer = Writer(tmp_path / "ws" / "catalog.db")
    await writer.start()
    yield writer
    await writer.close()


async def opened(writer: Writer, shelf: Shelf, **asked: Any) -> Opened:
    return await open_crawl(request(shelf, **asked), writer, NO_HTTP)


async def end(writer: Writer, crawl: Opened, state: Any = "finished") -> None:
    """As if the crawl had listed everything and ended."""

    def write(db: Any) -> None:
        for walk in crawl.walks:
            crawls.set_exhausted(db, crawl.crawl.id, walk.partition, True)
        crawls.update(db, crawl.crawl.id, state=state)

    await writer.do(write)


async def test_a_new_crawl_has_all_its_walks_before_it(writer: Writer) -> None:
    new = await opened(writer, Shelf([[], []]), want=7)
    assert [walk.name for walk in new.walks] == ["tier0", "tier1"]
    assert (new.accepted, new.pending, new.crawl.want) == (0, 0, 7)
    assert new.crawl.state == "running"


class Unknown(Shelf):
    async def resolve(self, query: str, http: Http) -> str:
        raise UnknownTag(f"no such tag: {query}")


async def test_a_query_the_site_does_not_know_makes_no_crawl(writer: Writer) -> None:
    with pytest.raises(UnknownTag):
        await opened(writer, Unknown([[]]))
    assert await writer.do(crawls.every) == []


async def test_a_site_is_asked_what_a_query_means_once(writer: Writer) -> None:
    first = await opened(writer, Shelf([[]]))
    again = await opened(writer, Unknown([[]]))  # which would raise
    assert again.crawl.id == first.crawl.id


async def test_a_crawl_that_was_stopped_goes_on_in_its_walks(writer: Writer) -> None:
    first = await opened(writer, Shelf([[], []]))
    await writer.do(lambda db: crawls.set_exhausted(db, first.crawl.id, 0, True))
    await writer.do(lambda db: crawls.update(db, first.crawl.id, state="stopped"))
    again = await opened(writer, Shelf([[], []]))
    assert [walk.name for walk in again.walks] == ["tier1"]


async def test_a_finished_crawl_short_of_its_target_looks_for_what_is_new(writer: Writer) -> None:
    first = await opened(writer, Shelf([[], []]), want=5)
    await end(writer, first)
    again = await opened(writer, Shelf([[], []]), want=5)
    assert [walk.name for walk in again.walks] == ["tier0", "tier1"]


async def test_a_crawl_that_met_its_target_lists_nothing(writer: Writer) -> None:
    first = await opened(writer, Shelf([[]]), want=0)
    await end(writer, first)
    assert (await opened(writer, Shelf([[]]), want=0)).walks == []


async def test_a_policy_that_asks_for_more_is_listed_from_the_start(writer: Writer) -> None:
    shelf = Shelf([[], []])
    first = await opened(writer, shelf)
    await writer.do(
        lambda db: db.execute("UPDATE cursors SET cursor = '9', exhausted = 1").fetchall()
    )
    more = {"resolution": {"min_side": 8, "min_pixels": 1}}
    again = await opened(writer, shelf, policy=more)
    assert [(w.cursor, w.exhausted) for w in again.walks] == [(None, False)] * 2
    assert again.crawl.id == first.crawl.id
    stored = await writer.do(lambda db: crawls.get(db, first.crawl.id))
    assert stored is not None
    assert stored.predicate["min_width"] == 8
    assert stored.policy["resolution"]["min_side"] == 8


async def test_a_policy_that_asks_for_less_is_not_listed_again(writer: Writer) -> None:
    shelf = Shelf([[]])
    first = await opened(writer, shelf)
    await end(writer, first, "stopped")
    less = {"resolution": {"min_side": 500, "min_pixels": 1}}
    again = await opened(writer, shelf, policy=less)
    assert again.walks == []
    stored = await writer.do(lambda db: crawls.get(db, first.crawl.id))
    assert stored is not None
    assert stored.predicate["min_width"] == 32  # what was listed is still all there


async def test_fresh_begins_anew_and_resume_names_the_very_crawl(writer: Writer) -> None:
    shelf = Shelf([[]])
    first = await opened(writer, shelf)
    second = await opened(writer, shelf, fresh=True)
    assert second.crawl.id == f"{first.crawl.id}.2"
    assert (await opened(writer, shelf)).crawl.id == second.crawl.id
    assert (await opened(writer, shelf, resume=first.crawl)).crawl.id == first.crawl.id


async def test_what_is_pending_and_accepted_is_counted(writer: Writer, tmp_path: Path) -> None:
    make, shelf = Works(tmp_path / "p"), Shelf([[]])
    first = await opened(writer, shelf)
    listed = [(make(str(n)), Ruling("pending")) for n in range(3)]
    await writer.do(lambda db: listing.commit_page(db, first.crawl.id, 0, listed, None, {}))
    failed = Ruling("failed", "timeout")
    await writer.do(lambda db: works.settle_failed(db, first.crawl.id, 1, failed, []))
    again = await opened(writer, shelf)
    assert (again.accepted, again.pending) == (0, 3)  # what an outage failed is pending again


@pytest.mark.parametrize("at", range(1, 6))
async def test_a_change_of_policy_that_is_cut_short_has_changed_nothing(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(rejudging, "CHUNK", 2)
    make, shelf = Works(tmp_path / "p"), Shelf([[]])
    first = await opened(writer, shelf)
    listed = [
        (replace(make(str(n)), ladder=(Rung(str(n), width=48, height=48),)), Ruling("pending"))
        for n in range(5)
    ]
    await writer.do(lambda db: listing.commit_page(db, first.crawl.id, 0, listed, None, {}))
    # Among these works are some that are looked at one by one.
    await writer.do(lambda db: db.execute("INSERT INTO unjudged SELECT id, 1 FROM crawls"))

    written = 0

    async def killed(work: Any, *, alone: bool = False) -> Any:
        nonlocal written
        written += 1
        if written >= at:
            raise Killed
        return await Writer.do(writer, work, alone=alone)

    monkeypatch.setattr(writer, "do", killed)
    large = {"resolution": {"min_side": 500, "min_pixels": 1}}
    with pytest.raises(Killed):
        await opened(writer, shelf, policy=large)
    monkeypatch.setattr(writer, "do", partial(Writer.do, writer))
    kept = await writer.do(lambda db: crawls.get(db, first.crawl.id))
    assert kept is not None
    pending = await writer.do(lambda db: tallies.pending_count(db, first.crawl.id))
    assert pending == (5 if kept.policy == first.crawl.policy else 0)  # all of them or none
    assert (await opened(writer, shelf, policy=large)).pending == 0
    assert (await opened(writer, shelf)).pending == 5


class Killed(Exception):
    pass


async def test_content_safety_that_has_grown_judges_the_same_command_again(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, shelf = Works(tmp_path / "p"), Shelf([[]])
    first = await opened(writer, shelf)
    tags = {"1": {"general": ("word",)}, "2": {"general": ("other",)}}
    listed = [(make(site_id, tags=tags[site_id]), Ruling("pending")) for site_id in tags]
    await writer.do(lambda db: listing.commit_page(db, first.crawl.id, 0, listed, None, {}))
    monkeypatch.setattr(content, "_BLOCKED", content._BLOCKED | {"word"})
    assert (await opened(writer, shelf)).pending == 2  # nobody said that it has grown
    monkeypatch.setattr(content.Content, "version", content.VERSION + 1)
    assert (await opened(writer, shelf)).pending == 1
    blocked = await writer.do(
        lambda db: db.execute(
            "SELECT site_id, tags FROM candidates WHERE outcome = 'blocked'"
        ).fetchall()
    )
    assert [tuple(row) for row in blocked] == [("1", None)]
