"""Answers of a consumer are committed together, each with its effect."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress

import pytest

from storage import consumers, stream
from storage.answers import Answers
from storage.consumers import Nack
from storage.database import open_reader
from storage.errors import NotFound, StorageError
from tests.storage.catalog import Catalog

EVENTS = 200


@pytest.fixture
def settled() -> list[int]:
    return []


@pytest.fixture
async def answers(catalog: Catalog, settled: list[int]) -> AsyncIterator[Answers]:
    for _ in range(EVENTS):
        catalog.write(lambda db: stream.append(db, "accepted"))
    catalog.write(lambda db: db.execute("CREATE TABLE effects(seq INTEGER)"))
    made = Answers(catalog.path, "crop", settled.append)
    yield made
    await made.close()


def acked(catalog: Catalog) -> int:
    """What another process sees."""
    with closing(open_reader(catalog.path)) as db:
        return stream.acked(db, "crop")


def effects(catalog: Catalog) -> list[int]:
    return [row[0] for row in catalog.rows("SELECT seq FROM effects ORDER BY seq")]


async def test_an_answer_is_committed_when_it_returns(
    answers: Answers, catalog: Catalog, settled: list[int]
) -> None:
    await answers.done(1)
    assert (acked(catalog), settled) == (1, [1])


async def test_answers_that_wait_share_a_commit(answers: Answers, catalog: Catalog) -> None:
    version = "PRAGMA data_version"
    with closing(open_reader(catalog.path)) as db:
        seen = {db.execute(version).fetchone()[0]}

        async def look() -> None:
            while True:
                seen.add(db.execute(version).fetchone()[0])
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        await asyncio.gather(*(answers.done(seq) for seq in range(1, EVENTS + 1)))
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        seen.add(db.execute(version).fetchone()[0])
    assert acked(catalog) == EVENTS
    assert len(seen) < EVENTS / 20


async def test_an_effect_and_its_answer_are_one(answers: Answers, catalog: Catalog) -> None:
    await answers.done(1, lambda db: db.execute("INSERT INTO effects VALUES (1)"))
    assert (acked(catalog), effects(catalog)) == (1, [1])


async def test_an_effect_that_fails_leaves_no_answer_and_harms_no_other(
    answers: Answers, catalog: Catalog
) -> None:
    def broken(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO effects VALUES (2)")
        raise ValueError("no such luck")

    good = asyncio.create_task(
        answers.done(1, lambda db: db.execute("INSERT INTO effects VALUES (1)"))
    )
    with pytest.raises(ValueError, match="no such luck"):
        await answers.done(2, broken)
    await good
    assert (acked(catalog), effects(catalog)) == (1, [1])


async def test_a_failure_comes_again_until_it_is_the_last(
    answers: Answers, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    assert await answers.failed(Nack(1, 0.0, "why", max_attempts=2))
    assert caplog.text == ""
    assert not await answers.failed(Nack(1, 0.0, "why", max_attempts=2))
    assert "consumer crop gives up event 1: why" in caplog.text
    assert consumers.get(catalog.db, "crop").dead == 1


async def test_what_cannot_be_committed_is_told_and_not_settled(
    answers: Answers, catalog: Catalog, settled: list[int]
) -> None:
    with pytest.raises(NotFound):
        await answers.done(EVENTS + 1)
    catalog.db.execute("DROP TABLE deliveries")
    with pytest.raises(StorageError):
        await answers.done(1)
    assert settled == []


async def test_a_cancelled_caller_has_still_answered(answers: Answers, catalog: Catalog) -> None:
    task = asyncio.create_task(answers.done(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await answers.close()
    assert acked(catalog) == 1


async def test_an_answer_after_the_end_is_taken(answers: Answers, catalog: Catalog) -> None:
    await answers.close()
    await answers.done(1)
    assert acked(catalog) == 1
