"""The one writer of a process: a thread with its own connection, fed by a bounded queue."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from storage.database import Connection, begin, open_writer
from storage.disk import explained, is_full
from storage.errors import StorageError

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

QUEUE = 256
"""Requests that may wait; more make their callers wait (back-pressure)."""
GROUP = 64
"""Requests committed together at most."""
SAMPLED = 1_000
"""Rows of an index that are read for its statistics: all of a million take seconds."""


@dataclass(slots=True)
class _Request:
    work: Work[Any]
    future: asyncio.Future[Any]
    alone: bool = False
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs functions of the connection in order, committing what is queued as one transaction.

    It commits as soon as the previous commit returned. A function that raises is rolled back alone,
    and the connection remembers it (``rolled_back``).
    Only the engine's writer (``checkpoint``) checkpoints; other processes write and leave.
    ``before_commit`` runs in the thread before every transaction (watching the clock) and
    ``after_commit`` after it (removing doomed files), each in transactions of their own.
    """

    def __init__(
        self,
        path: Path,
        *,
        checkpoint: bool = False,
        before_commit: Callable[[sqlite3.Connection], None] | None = None,
        after_commit: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self._path = path
        self._checkpoint = checkpoint
        self._before_commit = before_commit
        self._after_commit = after_commit
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._put_off: _Request | None = None
        self._room = asyncio.Semaphore(QUEUE)
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Open and migrate the catalog. Raises NewerCatalog, StorageError."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="catalog-writer", daemon=False
        )
        self._thread.start()
        try:
            await opened
        except BaseException:
            await self.close()
            raise

    async def do(self, work: Work[T], *, alone: bool = False) -> T:
        """Run ``work`` in a committed transaction and return its result.

        ``alone`` is for what changes very much: it shares its transaction with nothing, for else
        SQLite holds a copy of every page it changes until it is done.
        A cancelled caller does not undo it: what was queued is committed. Raises what ``work``
        raised, or NoSpace and StorageError where the commit failed.
        """
        async with self._room:
            if self._thread is None:
                raise StorageError("the catalog is closed")
            future: asyncio.Future[T] = self._loop.create_future()
            self._requests.put(_Request(work, future, alone))
            return await future

    async def close(self) -> None:
        """Commit what is queued, checkpoint and end the thread."""
        if self._thread is None:
            return
        self._requests.put(None)
        thread, self._thread = self._thread, None
        await asyncio.shield(asyncio.to_thread(thread.join))

    def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            db = open_writer(self._path)
            if not self._checkpoint:
                db.execute("PRAGMA wal_autocheckpoint=0")
        except BaseException as error:
            self._loop.call_soon_threadsafe(_resolve, opened, error)
            return
        self._loop.call_soon_threadsafe(_resolve, opened, None)
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(db, batch)
            if self._checkpoint:
                _tidy_up(db)
        finally:
            db.close()

    def _next_batch(self) -> list[_Request] | None:
        first = self._put_off or self._requests.get()
        self._put_off = None
        if first is None:
            return None
        batch = [first]
        while not first.alone and len(batch) < GROUP:
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                break
            if request is None:
                self._requests.put(None)  # close after this batch
                break
            if request.alone:
                self._put_off = request
                break
            batch.append(request)
        return batch

    def _commit(self, db: Connection, batch: list[_Request]) -> None:
        try:
            if self._before_commit is not None:
                self._before_commit(db)
            begin(db)
            for request in batch:
                self._perform(db, request)
            db.execute("COMMIT")
        except Exception as error:
            told = explained(error, self._path.parent)
            for request in batch:
                request.error = request.error or told
            db.rolled_back = True
            _roll_back(db)
        else:
            self._clear_up(db)
        self._loop.call_soon_threadsafe(_deliver, batch)

    def _clear_up(self, db: sqlite3.Connection) -> None:
        if self._after_commit is None:
            return
        try:
            self._after_commit(db)
        except Exception as error:
            # What was asked is committed: its callers must hear so, and the thread must live.
            if is_full(error, self._path.parent):
                log.info("clearing up after a commit failed: %s", error)
            else:
                log.exception("clearing up after a commit failed; it is tried again after the next")

    def _perform(self, db: Connection, request: _Request) -> None:
        if request.alone:
            request.result = request.work(db)
            return
        db.execute("SAVEPOINT request")
        try:
            request.result = request.work(db)
        except BaseException as error:
            if not db.in_transaction:  # SQLite has rolled everything back: disk full, I/O error
                raise
            request.error = explained(error, self._path.parent)
            db.rolled_back = True
            db.execute("ROLLBACK TO request")
        db.execute("RELEASE request")


def _roll_back(db: sqlite3.Connection) -> None:
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except sqlite3.Error as error:
        # Whoever asked is told already; the thread must live to tell the others.
        log.info("a transaction could not be rolled back: %s", error)


def _tidy_up(db: sqlite3.Connection) -> None:
    """Shrink the log and refresh the statistics; a full disk or a reader only postpones it."""
    try:
        db.execute("PRAGMA busy_timeout=0")  # a reader may look for hours
        db.execute(f"PRAGMA analysis_limit={SAMPLED}")
        db.execute("PRAGMA optimize")
        busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            log.info("somebody reads the catalog: the next run folds its log in")
    except sqlite3.Error as error:
        level = logging.INFO if isinstance(error, sqlite3.OperationalError) else logging.WARNING
        log.log(level, "the catalog's log was not folded in: %s; the next run does it", error)


def _resolve(opened: asyncio.Future[None], error: BaseException | None) -> None:
    if opened.done():  # whoever waited was cancelled
        return
    if error is None:
        opened.set_result(None)
    else:
        opened.set_exception(error)


def _deliver(batch: list[_Request]) -> None:
    for request in batch:
        if request.future.done():  # its caller was cancelled; the work is committed all the same
            continue
        if request.error is not None:
            request.future.set_exception(request.error)
        else:
            request.future.set_result(request.result)
