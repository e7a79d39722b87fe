"""The writer: one thread, one connection, one commit for what is queued."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from storage import purge
from storage.database import open_reader
from storage.errors import NewerCatalog, NoSpace, StorageError
from storage.writer import GROUP, QUEUE, Writer


@pytest_asyncio.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    writer = Writer(tmp_path / "catalog.db")
    await writer.start()
    await writer.do(lambda db: db.execute("CREATE TABLE t (n INTEGER UNIQUE)").fetchall())
    yield writer
    await writer.close()


def insert(n: int):
    return lambda db: db.execute("INSERT INTO t VALUES (?)", (n,)).lastrowid


def stored(tmp_path: Path) -> list[int]:
    db = open_reader(tmp_path / "catalog.db")
    try:
        return [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")]
    finally:
        db.close()


async def test_what_is_queued_is_committed_as_one(writer: Writer, tmp_path: Path) -> None:
    gate = threading.Event()
    commits: list[str] = []

    def slow(db: sqlite3.Connection) -> None:
        db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        gate.wait()

    first = asyncio.create_task(writer.do(slow))
    rest = [asyncio.create_task(writer.do(insert(n))) for n in range(GROUP)]
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(first, *rest)
    assert len(commits) == 2  # the slow one, and all that came meanwhile
    assert stored(tmp_path) == list(range(GROUP))


async def test_a_group_has_an_end(writer: Writer, tmp_path: Path) -> None:
    gate = threading.Event()
    tasks = [asyncio.create_task(writer.do(lambda db: gate.wait()))]
    tasks += [asyncio.create_task(writer.do(insert(n))) for n in range(QUEUE * 2)]
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(*tasks)
    assert stored(tmp_path) == list(range(QUEUE * 2))


async def test_a_request_that_raises_is_rolled_back_alone(writer: Writer, tmp_path: Path) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (100)")
        raise LookupError("half way")

    results = await asyncio.gather(
        writer.do(insert(1)), writer.do(half), writer.do(insert(2)), return_exceptions=True
    )
    assert isinstance(results[1], LookupError)
    assert stored(tmp_path) == [1, 2]


async def test_a_constraint_costs_only_the_request_that_broke_it(
    writer: Writer, tmp_path: Path
) -> None:
    results = await asyncio.gather(
        writer.do(insert(1)), writer.do(insert(1)), writer.do(insert(2)), return_exceptions=True
    )
    assert isinstance(results[1], StorageError)
    assert "UNIQUE" in str(results[1])
    assert stored(tmp_path) == [1, 2]


async def test_what_is_done_alone_shares_its_transaction_with_nothing_and_keeps_its_turn(
    writer: Writer, tmp_path: Path
) -> None:
    gate, said = threading.Event(), list[str]()

    def slow(db: sqlite3.Connection) -> None:
        words = ("COMMIT", "ROLLBACK", "SAVEPOINT request")
        db.set_trace_callback(lambda sql: said.append(sql.split()[0]) if sql in words else None)
        gate.wait()

    def fails(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (3)")
        raise ValueError("no")

    first = asyncio.create_task(writer.do(slow))
    await asyncio.sleep(0.05)
    rest = [
        asyncio.create_task(writer.do(insert(1))),
        asyncio.create_task(writer.do(insert(2), alone=True)),
        asyncio.create_task(writer.do(fails, alone=True)),
        asyncio.create_task(writer.do(insert(4))),
    ]
    await asyncio.sleep(0.05)
    gate.set()
    await first
    found = await asyncio.gather(*rest, return_exceptions=True)
    assert found[:2] + found[3:] == [1, 2, 3]
    assert isinstance(found[2], ValueError)
    assert stored(tmp_path) == [1, 2, 4]
    ends = ["COMMIT", "SAVEPOINT", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT", "COMMIT"]
    assert said == ends


async def test_a_cancelled_caller_undoes_nothing(writer: Writer, tmp_path: Path) -> None:
    gate = threading.Event()
    blocking = asyncio.create_task(writer.do(lambda db: gate.wait()))
    leaving = asyncio.create_task(writer.do(insert(7)))
    await asyncio.sleep(0.02)
    leaving.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await blocking
    await writer.do(insert(8))  # whoever comes after finds it committed
    assert stored(tmp_path) == [7, 8]


async def test_close_commits_what_is_queued(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "catalog.db", checkpoint=True)
    await writer.start()
    await writer.do(lambda db: db.execute("CREATE TABLE t (n INTEGER)").fetchall())
    gate = threading.Event()
    tasks = [asyncio.create_task(writer.do(lambda db: gate.wait()))]
    tasks += [asyncio.create_task(writer.do(insert(n))) for n in range(10)]
    await asyncio.sleep(0.02)
    closing = asyncio.create_task(writer.close())
    gate.set()
    await asyncio.gather(*tasks, closing)
    assert stored(tmp_path) == list(range(10))
    assert not [t for t in threading.enumerate() if t.name == "catalog-writer"]


async def test_a_closed_writer_takes_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "catalog.db")
    await writer.start()
    await writer.close()
    await writer.close()  # twice is once
    with pytest.raises(StorageError, match="closed"):
        await writer.do(lambda db: None)


async def test_a_full_disk_is_told_as_no_space(writer: Writer) -> None:
    def adopt(db: sqlite3.Connection) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoSpace):
        await writer.do(adopt)


async def test_a_catalog_that_cannot_grow_is_told_as_no_space_and_holds_what_it_held(
    writer: Writer, tmp_path: Path
) -> None:
    await writer.do(insert(1))
    pages = await writer.do(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await writer.do(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchall())

    def fill(db: sqlite3.Connection) -> None:
        db.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(10, 100_000)])

    beside, full = await asyncio.gather(
        writer.do(insert(2)), writer.do(fill), return_exceptions=True
    )
    assert isinstance(full, NoSpace)
    assert stored(tmp_path) == ([1] if isinstance(beside, NoSpace) else [1, 2])
    await writer.do(lambda db: db.execute("PRAGMA max_page_count=100000").fetchall())
    await writer.do(insert(3))
    assert 3 in stored(tmp_path)


async def test_other_errors_of_the_disk_stay_what_they_are(writer: Writer) -> None:
    def broken(db: sqlite3.Connection) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        await writer.do(broken)


async def test_trouble_after_a_commit_is_nobodys_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def trouble(db: sqlite3.Connection) -> None:
        raise RuntimeError("nothing to do with the commit")

    writer = Writer(tmp_path / "catalog.db", after_commit=trouble)
    await writer.start()
    try:
        await writer.do(lambda db: db.execute("CREATE TABLE t (n INTEGER UNIQUE)").fetchall())
        assert await writer.do(insert(1)) == 1
        assert await writer.do(insert(2)) == 2
    finally:
        await writer.close()
    assert stored(tmp_path) == [1, 2]
    assert "clearing up after a commit failed" in caplog.text


async def test_what_comes_before_a_commit_is_done_before_each(tmp_path: Path) -> None:
    calls: list[bool] = []
    writer = Writer(
        tmp_path / "catalog.db", before_commit=lambda db: calls.append(db.in_transaction)
    )
    await writer.start()
    try:
        await writer.do(lambda db: None)
        await writer.do(lambda db: None)
    finally:
        await writer.close()
    assert calls == [False, False]


async def test_what_fails_before_a_commit_fails_those_who_wait_for_it(tmp_path: Path) -> None:
    def full(db: sqlite3.Connection) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = Writer(tmp_path / "catalog.db", before_commit=full)
    await writer.start()
    try:
        for _ in range(2):
            with pytest.raises(NoSpace):
                await writer.do(lambda db: None)
    finally:
        await writer.close()


async def test_a_transaction_that_cannot_even_be_rolled_back_leaves_the_writer_alive(
    writer: Writer, tmp_path: Path
) -> None:
    def spoiled(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (1)")
        db.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)  # nothing is allowed any more

    with pytest.raises(StorageError):
        await writer.do(spoiled)
    with pytest.raises(StorageError):
        await writer.do(insert(2))


@pytest.mark.parametrize("fails", ["request", "commit", "nothing"])
async def test_the_store_is_not_marked_clean_after_anything_was_undone(
    tmp_path: Path, fails: str
) -> None:
    """A file that was adopted meanwhile may have stayed without its row."""

    def fail(db: sqlite3.Connection) -> None:
        if fails == "request":
            raise OSError(errno.ENOSPC, "No space left on device")
        if fails == "commit":
            db.execute("ROLLBACK")

    writer = Writer(tmp_path / "catalog.db")
    await writer.start()
    try:
        await asyncio.gather(writer.do(fail), return_exceptions=True)
        await writer.do(purge.mark_clean)
        marks = await writer.do(
            lambda db: db.execute("SELECT 1 FROM meta WHERE key = 'clean_at'").fetchall()
        )
    finally:
        await writer.close()
    assert len(marks) == (fails == "nothing")


async def test_a_reader_does_not_hold_up_the_end_and_the_log_is_folded_in_later(
    tmp_path: Path,
) -> None:
    path, log = tmp_path / "catalog.db", tmp_path / "catalog.db-wal"

    async def write_much() -> float:
        writer = Writer(path, checkpoint=True)
        await writer.start()
        await writer.do(lambda db: db.execute("CREATE TABLE IF NOT EXISTS t (x)").fetchall())
        for _ in range(20):
            await writer.do(lambda db: db.execute("INSERT INTO t VALUES (zeroblob(20000))"))
        began = time.monotonic()
        await writer.close()
        return time.monotonic() - began

    await write_much()
    reader = open_reader(path)
    rows = reader.execute("SELECT * FROM t")
    assert rows.fetchone()
    assert await write_much() < 2
    assert log.stat().st_size > 400_000
    assert len(rows.fetchall()) == 19  # what it saw when it began
    reader.close()
    await write_much()
    assert not log.exists() or log.stat().st_size == 0


async def test_a_catalog_that_cannot_be_opened_is_told_and_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"this is no database, whatever it is" * 100)
    writer = Writer(tmp_path / "catalog.db")
    with pytest.raises(StorageError, match="cannot be read"):
        await writer.start()
    assert not [t for t in threading.enumerate() if t.name == "catalog-writer"]


async def test_a_start_that_is_cancelled_leaves_no_thread(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "catalog.db")
    starting = asyncio.create_task(writer.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not [t for t in threading.enumerate() if t.name == "catalog-writer"]


async def test_a_newer_catalog_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "catalog.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(NewerCatalog):
        await Writer(tmp_path / "catalog.db").start()
