"""What a consumer answers to its events, committed together: many answers share a transaction."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import consumers
from storage.consumers import Nack
from storage.database import begin, open_writer
from storage.disk import explained, in_our_words
from storage.writer import Work

log = logging.getLogger(__name__)

GROUP = 1_000
"""Answers committed together at most: others wait for the catalog meanwhile."""
LONGEST_LOG = 10_000
"""Pages of the write-ahead log that we fold in ourselves: while no engine runs nobody else does."""


@dataclass(slots=True)
class _Answer:
    seq: int
    future: asyncio.Future[bool]
    nack: Nack | None = None
    work: Work[object] | None = None
    error: BaseException | None = None


class Answers:
    """Commits the answers of one consumer: what came while a commit ran is the next one.

    A committed answer outlives every kill. A power cut may undo the last ones (``synchronous`` is
    NORMAL: an fsync for each would take turns with the engine's), and their events come again.
    ``settled`` is called in the loop with the seq of every event whose answer is committed.
    """

    def __init__(self, catalog: Path, consumer: str, settled: Callable[[int], None]) -> None:
        self._catalog = catalog
        self._consumer = consumer
        self._settled = settled
        self._waiting: list[_Answer] = []
        self._task: asyncio.Task[None] | None = None
        self._db: sqlite3.Connection | None = None
        self._closing = False

    async def done(self, seq: int, work: Work[object] | None = None) -> None:
        """The event is dealt with; ``work`` is done in the same transaction, or neither is.

        Raises what ``work`` raises, NoSpace and StorageError.
        """
        await self._say(_Answer(seq, asyncio.get_running_loop().create_future(), work=work))

    async def failed(self, nack: Nack) -> bool:
        """The event could not be dealt with; whether it comes again (False: a dead letter)."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        return await self._say(_Answer(nack.seq, future, nack=nack))

    async def close(self) -> None:
        """Commit what waits. Later answers are still taken."""
        self._closing = True
        if self._task is not None:
            await asyncio.shield(self._task)
        await self._disconnect()

    async def _say(self, answer: _Answer) -> bool:
        self._waiting.append(answer)
        if self._task is None:
            self._task = asyncio.create_task(self._commit_all())
        return await answer.future

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                dead = await asyncio.to_thread(self._commit, batch)
                for answer in batch:
                    self._deliver(answer, answer.seq not in dead)
        finally:
            self._task = None
        if self._closing:
            await self._disconnect()

    async def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            await asyncio.to_thread(db.close)

    def _deliver(self, answer: _Answer, again: bool) -> None:
        if answer.error is None:
            self._settled(answer.seq)
        if answer.future.done():  # its caller was cancelled; the answer is committed all the same
            return
        if answer.error is not None:
            answer.future.set_exception(answer.error)
        else:
            answer.future.set_result(again)

    def _commit(self, batch: Sequence[_Answer]) -> set[int]:
        """Commit answers; the seqs that are dead letters now. What fails is noted in each."""
        try:
            with in_our_words(self._catalog.parent):
                db = self._db = self._db or self._connect()
                begin(db)
                try:
                    dead = self._perform(db, batch)
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
        except Exception as error:
            for answer in batch:
                answer.error = answer.error or error
            return set()
        for answer in batch:
            if answer.nack is not None and answer.seq in dead:
                log.warning(
                    "consumer %s gives up event %s: %s",
                    self._consumer,
                    answer.seq,
                    answer.nack.error or "it failed too often",
                )
        return dead

    def _connect(self) -> sqlite3.Connection:
        db = open_writer(self._catalog)
        db.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    def _perform(self, db: sqlite3.Connection, batch: Sequence[_Answer]) -> set[int]:
        for answer in batch:
            if answer.work is not None:
                self._effect(db, answer, answer.work)
        whole = [answer for answer in batch if answer.error is None]
        return set(
            consumers.settle(
                db,
                self._consumer,
                [answer.seq for answer in whole if answer.nack is None],
                [answer.nack for answer in whole if answer.nack is not None],
                at=time.time(),
            )
        )

    def _effect(self, db: sqlite3.Connection, answer: _Answer, work: Work[object]) -> None:
        db.execute("SAVEPOINT effect")
        try:
            work(db)
        except Exception as error:
            if not db.in_transaction:  # SQLite has rolled everything back
                raise
            answer.error = explained(error, self._catalog.parent)
            db.execute("ROLLBACK TO effect")
        db.execute("RELEASE effect")
