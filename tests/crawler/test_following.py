"""A folder that is kept as the set is, event by event."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image as Pillow

import crawler
from crawler.following import Followed, keep_folder
from crawler.streaming import StreamEvent
from crawler.workspace import Workspace
from storage import purge, works
from storage.errors import ConsumerBusy, TrawlError
from storage.records import Ruling
from storage.states import settle
from tests.storage.catalog import ACCEPTED, BLOCKED, Catalog, candidate, rejected
from tests.torture.feeder import picture


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "ws")


@pytest.fixture
async def ws(catalog: Catalog) -> AsyncIterator[Workspace]:
    async with crawler.open(catalog.workspace) as opened:
        yield opened
    catalog.db.close()


def add(catalog: Catalog, crawl: str, site_id: str, ruling: Ruling = ACCEPTED) -> None:
    """A work turns out to be a picture of its own."""
    image, data = picture(int(site_id))
    assert Pillow.open(io.BytesIO(data), formats=("PNG",)).size == (8, 8)
    temp = catalog.store.temp()
    temp.write_bytes(data)
    catalog.page(crawl, candidate(site_id, tags={"general": (f"tag_{site_id}",)}))
    catalog.write(
        lambda db: works.settle_picture(
            db, catalog.store, crawl, catalog.id(site_id), image, ruling, temp=temp
        )
    )


def withdraw(catalog: Catalog, crawl: str, site_id: str, ruling: Ruling | None = None) -> None:
    catalog.write(lambda db: settle(db, crawl, catalog.id(site_id), ruling or rejected()))


def shown(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir() if path.name[0] != ".")


def exported(catalog: Catalog) -> set[str]:
    return {Path(row[0]).name for row in catalog.rows("SELECT path FROM exported")}


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_folder_becomes_what_the_set_is(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    out, crawl = tmp_path / "out", catalog.crawl()
    for number in "123":
        add(catalog, crawl, number)
    withdraw(catalog, crawl, "2")
    done = await keep_folder(ws, out, "tool")
    assert (done.written, done.removed) == (2, 0)
    assert shown(out) == ["site-1.png", "site-1.txt", "site-3.png", "site-3.txt"]
    assert (out / "site-1.txt").read_text() == "tag 1"
    assert exported(catalog) == set(shown(out))
    withdraw(catalog, crawl, "1")
    done = await keep_folder(ws, out, "tool")
    assert (done.written, done.removed) == (0, 1)
    assert shown(out) == ["site-3.png", "site-3.txt"]
    assert exported(catalog) == set(shown(out))
    assert ws.consumer("tool").status().lag == 0


async def test_a_follower_sees_each_picture_come_and_go(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    out, crawl = tmp_path / "out", catalog.crawl()
    done = Followed()
    following = asyncio.create_task(keep_folder(ws, out, "tool", follow=True, done=done))
    await until(out.is_dir)
    add(catalog, crawl, "1")
    await until(lambda: shown(out) == ["site-1.png", "site-1.txt"])
    withdraw(catalog, crawl, "1")
    await until(lambda: done.removed)
    assert shown(out) == []
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_one_picture_of_two_crawls_is_there_once_until_both_let_it_go(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    out, one, two = tmp_path / "out", catalog.crawl("one"), catalog.crawl("two")
    add(catalog, one, "1")
    catalog.page(two, candidate("1"))
    image, _ = picture(1)
    catalog.write(
        lambda db: works.settle_picture(
            db, catalog.store, two, catalog.id("1"), image, ACCEPTED, temp=None
        )
    )
    await keep_folder(ws, out, "tool")
    assert len(shown(out)) == 2
    withdraw(catalog, one, "1")
    await keep_folder(ws, out, "tool")
    assert len(shown(out)) == 2
    await keep_folder(ws, tmp_path / "of one", "one", crawl=one)
    assert shown(tmp_path / "of one") == []
    withdraw(catalog, two, "1")
    await keep_folder(ws, out, "tool")
    assert shown(out) == []


async def test_content_that_is_blocked_later_goes_at_once_and_is_forgotten(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    out, crawl = tmp_path / "out", catalog.crawl()
    add(catalog, crawl, "1")
    add(catalog, crawl, "2")
    await keep_folder(ws, out, "tool")
    withdraw(catalog, crawl, "1", BLOCKED)
    catalog.write(lambda db: purge.remove_doomed(db, catalog.store))
    assert shown(out) == ["site-2.png", "site-2.txt"]  # nobody had to follow for that
    await keep_folder(ws, out, "tool")
    with closing(sqlite3.connect(out / ".trawl-folder.db")) as memory:
        assert memory.execute("SELECT stem FROM pictures").fetchall() == [("site-2",)]


async def test_a_new_folder_gets_everything_whatever_its_consumer_had(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    crawl = catalog.crawl()
    add(catalog, crawl, "1")
    await keep_folder(ws, tmp_path / "first", "tool")
    await keep_folder(ws, tmp_path / "second", "tool")
    assert shown(tmp_path / "second") == shown(tmp_path / "first") != []


@pytest.mark.parametrize("how", ["rewind", "forget"])
async def test_what_was_taken_away_comes_again_only_where_its_consumer_begins_anew(
    ws: Workspace, catalog: Catalog, tmp_path: Path, how: str
) -> None:
    out, crawl = tmp_path / "out", catalog.crawl()
    for number in "1234":
        add(catalog, crawl, number)
    withdraw(catalog, crawl, "4")
    await keep_folder(ws, out, "tool")
    before = shown(out)
    for number in "13":
        (out / f"site-{number}.png").unlink()
    at = (out / "site-2.png").stat()
    assert await keep_folder(ws, out, "tool") == Followed()
    assert shown(out) == ["site-2.png", "site-2.txt"]
    withdraw(catalog, crawl, "3")
    tool = ws.consumer("tool")
    tool.rewind() if how == "rewind" else tool.forget()
    done = await keep_folder(ws, out, "tool")
    assert (done.written, done.removed) == (1, 1)
    assert shown(out) == [name for name in before if "3" not in name]
    assert exported(catalog) == set(shown(out))
    assert (out / "site-2.png").stat() == at
    (out / "site-1.png").unlink()
    assert await keep_folder(ws, out, "tool") == Followed()  # once was enough


async def test_a_consumer_may_begin_anew_right_after_its_first_run(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    add(catalog, catalog.crawl(), "1")
    await keep_folder(ws, tmp_path / "out", "tool")
    (tmp_path / "out" / "site-1.png").unlink()
    ws.consumer("tool").rewind()
    assert (await keep_folder(ws, tmp_path / "out", "tool")).written == 1
    assert shown(tmp_path / "out") == ["site-1.png", "site-1.txt"]


async def test_a_kill_before_its_answer_gives_nothing_back_that_was_taken_away(
    ws: Workspace, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    async def die(self: StreamEvent) -> None:
        raise Killed

    out, crawl = tmp_path / "out", catalog.crawl()
    add(catalog, crawl, "1")
    with monkeypatch.context() as patched:
        patched.setattr(StreamEvent, "ack", die)
        with pytest.raises(Killed):
            await keep_folder(ws, out, "tool")
    (out / "site-1.png").unlink()
    assert (await keep_folder(ws, out, "tool")).written == 0
    assert shown(out) == []


async def test_words_for_the_captions_are_options(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    add(catalog, catalog.crawl(), "1")
    await keep_folder(ws, tmp_path / "out", "tool", options={"trigger": "reimu"})
    assert (tmp_path / "out" / "site-1.txt").read_text() == "reimu, tag 1"


async def test_a_folder_that_is_not_its_own_is_refused_and_nothing_is_acknowledged(
    ws: Workspace, catalog: Catalog, tmp_path: Path
) -> None:
    add(catalog, catalog.crawl(), "1")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_bytes(b"mine")
    with pytest.raises(TrawlError) as refused:
        await keep_folder(ws, tmp_path / "photos", "tool")
    assert refused.value.code == "E_FOLDER_NOT_OURS"
    assert shown(tmp_path / "photos") == ["me.jpg"]
    assert ws.consumer("tool").status().lag == 1


async def test_a_folder_has_one_writer(ws: Workspace, catalog: Catalog, tmp_path: Path) -> None:
    add(catalog, catalog.crawl(), "1")
    out = tmp_path / "out"
    following = asyncio.create_task(keep_folder(ws, out, "tool", follow=True))
    await until(lambda: out.is_dir() and shown(out))
    with pytest.raises(ConsumerBusy):
        await keep_folder(ws, out, "tool")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
