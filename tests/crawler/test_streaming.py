"""The event log handed to consumers: in order, bounded, again until it is acknowledged."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import crawler
from crawler.errors import NotFound, UsageError
from crawler.streaming import StreamEvent
from crawler.workspace import Workspace
from storage import stream
from storage.errors import ConsumerBusy
from storage.writer import Writer
from tests.storage.catalog import Catalog, candidate

COUNT = 6


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A set of six pictures."""
    made = Catalog(tmp_path / "ws")
    crawl = made.crawl()
    for n in range(1, COUNT + 1):
        made.page(crawl, candidate(str(n), tags={"general": ("1girl",)}, rating="g"))
        made.fetched(crawl, str(n), f"picture {n}")
    return made


@pytest.fixture
async def ws(catalog: Catalog) -> AsyncIterator[Workspace]:
    async with crawler.open(catalog.workspace) as opened:
        yield opened
    catalog.db.close()


def happen(catalog: Catalog, kind: stream.EventKind = "retagged") -> int:
    return catalog.write(lambda db: stream.append(db, kind, crawl_id="c"))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.002)


async def seqs(
    ws: Workspace, consumer: str | None = "crop", ack: bool = True, **how: object
) -> list[int]:
    got = []
    async for event in ws.stream(consumer, **how):  # type: ignore[arg-type]
        got.append(event.event.seq)
        if ack:
            await event.ack()
    return got


# -- in any order -----------------------------------------------------------------------------


async def test_answers_may_come_in_any_order(ws: Workspace) -> None:
    got = [event async for event in ws.stream("crop")]
    for event in (got[4], got[1], got[0]):
        await event.ack()
    assert ws.consumer("crop").status().acked_seq == 2
    assert await seqs(ws) == [3, 4, 6]
    assert ws.consumer("crop").status().lag == 0


async def test_events_come_with_the_picture_and_which_try_it_is(ws: Workspace) -> None:
    async for event in ws.stream("crop"):
        assert event.image is not None
        assert event.image.path is not None
        assert event.image.path.exists()
        assert event.attempts == 1


async def test_a_reader_may_want_some_events_only(ws: Workspace, catalog: Catalog) -> None:
    happen(catalog)
    assert await seqs(ws, "tags", kinds=["retagged"]) == [7]
    assert ws.consumer("tags").status().lag == 0
    (crawl,) = catalog.rows("SELECT id FROM crawls")
    assert await seqs(ws, "set", crawl=crawl[0]) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UsageError, match="no event is called 'acepted'"):
        await seqs(ws, kinds=["acepted"])
    with pytest.raises(NotFound):
        await seqs(ws, crawl="other")


async def test_a_new_consumer_may_begin_in_the_middle(ws: Workspace) -> None:
    assert await seqs(ws, after=4) == [5, 6]
    assert await seqs(ws, after=2) == []  # it is known by now: a script may be started again
    assert await seqs(ws, None, after=4) == [5, 6]
    with pytest.raises(NotFound):
        await seqs(ws, "new", after=100)


# -- bounded ----------------------------------------------------------------------------------


async def test_no_more_than_so_many_are_unanswered(ws: Workspace) -> None:
    got: list[StreamEvent] = []

    async def read() -> None:
        async for event in ws.stream("crop", max_inflight=2):
            got.append(event)

    reading = asyncio.create_task(read())
    await until(lambda: len(got) == 2)
    await asyncio.sleep(0.05)
    assert len(got) == 2
    await got[1].ack()
    await until(lambda: len(got) == 3)
    await asyncio.sleep(0.05)
    assert len(got) == 3
    while not reading.done():
        await got[-1].nack() if len(got) % 2 else await got[-1].ack()
        await got[0].ack()
        await asyncio.sleep(0.01)
    assert [event.event.seq for event in got] == [1, 2, 3, 4, 5, 6]


async def test_answers_are_taken_also_while_there_is_much_to_read(ws: Workspace) -> None:
    answers: list[asyncio.Task[None]] = []
    begun: list[int] = []

    async def answer(event: StreamEvent) -> None:
        begun.append(event.event.seq)
        await event.ack()

    async for event in ws.stream("crop"):
        assert begun == list(range(1, event.event.seq))
        answers.append(asyncio.create_task(answer(event)))
    await asyncio.gather(*answers)


@pytest.mark.parametrize("how", [{"max_inflight": 0}, {"max_attempts": 0}])
async def test_a_bound_is_one_at_least(ws: Workspace, how: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        await seqs(ws, **how)


# -- what fails -------------------------------------------------------------------------------


async def test_what_failed_comes_again_after_its_time_and_before_what_is_new(
    ws: Workspace,
) -> None:
    told = []
    began = time.monotonic()
    async for event in ws.stream("crop", follow=True, max_inflight=1):
        told.append((event.event.seq, event.attempts))
        if told[-1] == (2, 1):
            assert await event.nack(retry_in=0.0, error="no memory")
        elif told[-1] == (3, 1):
            assert await event.nack(retry_in=0.3)
        else:
            await event.ack()
            if event.event.seq == 3:
                break
    assert told == [(1, 1), (2, 1), (2, 2), (3, 1), (4, 1), (5, 1), (6, 1), (3, 2)]
    assert time.monotonic() - began >= 0.3


async def test_many_that_are_due_at_once_come_one_by_one(ws: Workspace) -> None:
    told = []
    async for event in ws.stream("crop", follow=True):
        told.append(event.event.seq)
        await (event.nack(retry_in=0.05) if event.attempts == 1 else event.ack())
        if len(told) == 2 * COUNT:
            break
    assert sorted(told) == sorted(2 * [1, 2, 3, 4, 5, 6])


async def test_a_reader_that_began_with_a_failed_event_is_given_nothing_twice(
    ws: Workspace,
) -> None:
    """Its place in the log is behind what was answered, whose notes go once nothing is open."""
    async for event in ws.stream("crop"):
        await (event.nack(retry_in=0.2) if event.event.seq == 5 else event.ack())
        if event.event.seq == COUNT:
            break
    told = []

    async def follow() -> None:
        async for event in ws.stream("crop", follow=True):
            told.append(event.event.seq)
            await event.ack()

    following = asyncio.create_task(follow())
    await until(lambda: told)
    await asyncio.sleep(0.3)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert told == [5]


async def test_what_fails_too_often_is_told_and_no_longer_in_the_way(ws: Workspace) -> None:
    tries = 0
    async for event in ws.stream("crop", max_attempts=3):
        if event.event.seq == 1:
            tries += 1
            assert await event.nack(retry_in=0.0, error="cannot") is (tries < 3)
        else:
            await event.ack()
    crop = ws.consumer("crop")
    assert tries == 3
    assert (crop.status().acked_seq, crop.status().dead) == (6, 1)
    assert [(d.seq, d.error, d.site_id) for d in crop.dead_letters()] == [(1, "cannot", "1")]
    assert await seqs(ws) == []


async def test_dead_letters_are_given_again_also_to_a_reader_that_waits(ws: Workspace) -> None:
    await (await anext(ws.stream("crop", max_attempts=1))).nack()
    told = []

    async def follow() -> None:
        async for event in ws.stream("crop", follow=True):
            told.append(event.event.seq)
            await event.ack()

    following = asyncio.create_task(follow())
    await until(lambda: len(told) == COUNT - 1)
    assert ws.consumer("crop").retry_dead() == 1
    await until(lambda: told[-1] == 1)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_only_a_consumer_can_be_given_an_event_again(ws: Workspace) -> None:
    async for event in ws.stream():
        await event.ack()
        with pytest.raises(UsageError, match="as a consumer"):
            await event.nack()


# -- effects ----------------------------------------------------------------------------------


async def test_an_effect_in_the_catalog_is_there_exactly_when_it_is_acknowledged(
    ws: Workspace, catalog: Catalog
) -> None:
    catalog.db.execute("CREATE TABLE effects(seq INTEGER)")
    async for event in ws.stream("crop"):
        seq = event.event.seq
        await event.ack(lambda db, seq=seq: db.execute("INSERT INTO effects VALUES (?)", (seq,)))
        if seq == 3:
            break
    gc.collect()
    async for event in ws.stream("crop"):
        seq = event.event.seq
        await event.ack(lambda db, seq=seq: db.execute("INSERT INTO effects VALUES (?)", (seq,)))
    assert [row[0] for row in catalog.rows("SELECT seq FROM effects")] == [1, 2, 3, 4, 5, 6]


# -- one reader -------------------------------------------------------------------------------

HOLDING = """
import asyncio, sys, crawler
async def hold():
    async with crawler.open(sys.argv[1]) as ws:
        async for event in ws.stream("crop", follow=True):
            print(event.event.seq, flush=True)
asyncio.run(hold())
"""


async def test_a_consumer_has_one_reader_and_a_killed_one_is_none(
    ws: Workspace,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(ws.path)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(ConsumerBusy, match=f"'crop' is read already by process {other.pid}"):
            await seqs(ws)
        for change in (ws.consumer("crop").rewind, ws.consumer("crop").forget):
            with pytest.raises(ConsumerBusy):
                change()
        assert await seqs(ws, "tag") == [1, 2, 3, 4, 5, 6]
        other.kill()
        other.wait()
        assert await seqs(ws) == [1, 2, 3, 4, 5, 6]


async def test_whoever_stops_reading_can_begin_again_at_once(ws: Workspace) -> None:
    async for event in ws.stream("crop"):
        await event.ack()
        break
    assert await seqs(ws) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["", " ", "a\nb"])
async def test_a_consumer_has_a_name(ws: Workspace, name: str) -> None:
    with pytest.raises(UsageError):
        await seqs(ws, name)


async def test_names_of_consumers_are_no_paths(ws: Workspace, tmp_path: Path) -> None:
    assert len(await seqs(ws, "../../evil/ä")) == COUNT
    assert {p.parent for p in tmp_path.rglob("*.lock")} <= {ws.path, ws.path / "consumers"}


# -- from outside -----------------------------------------------------------------------------


async def test_a_consumer_can_be_sent_back_and_forgotten(ws: Workspace) -> None:
    assert await seqs(ws) == [1, 2, 3, 4, 5, 6]
    crop = ws.consumer("crop")
    assert crop.rewind(4) == 4
    assert await seqs(ws) == [5, 6]
    assert crop.rewind(datetime.now(UTC) + timedelta(days=1)) == 6
    assert crop.rewind(datetime.now(UTC) - timedelta(days=1)) == 0
    assert crop.rewind() == 0
    assert [(c.name, c.lag) for c in ws.consumers()] == [("crop", 6)]
    crop.forget()
    assert ws.consumers() == []
    for ask in (crop.status, crop.dead_letters, crop.retry_dead, crop.rewind, crop.forget):
        with pytest.raises(NotFound):
            ask()


# -- while an engine writes -------------------------------------------------------------------


async def test_a_follower_hears_at_once_what_another_connection_commits(
    ws: Workspace, catalog: Catalog
) -> None:
    heard: dict[int, float] = {}

    async def follow() -> None:
        async for event in ws.stream("crop", follow=True):
            heard[event.event.seq] = time.time()
            await event.ack()

    following = asyncio.create_task(follow())
    await until(lambda: len(heard) == COUNT)
    writer = Writer(catalog.path, checkpoint=True)
    await writer.start()
    for _ in range(20):
        at = time.time()
        seq = await writer.do(lambda db: stream.append(db, "retagged"))
        await until(lambda seq=seq: seq in heard)
        assert heard[seq] - at < 1.0
    await writer.close()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert ws.consumer("crop").status().lag <= 1
