"""A consumer from outside: how far it is, what it gave up, and where it is to go on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from storage import consumers, stream
from storage.consumers import Consumer, DeadLetter
from storage.database import write_once
from storage.lock import ConsumerLock
from storage.reader import Reader
from storage.workspace import CATALOG


class NamedConsumer:
    """``ws.consumer("crop")``. All but the making raise NotFound where nobody has read under it."""

    def __init__(self, workspace: Path, name: str) -> None:
        self.name = name
        self._workspace = workspace

    def status(self) -> Consumer:
        """How far it has come: its acknowledged seq, lag and dead letters."""
        with Reader(self._workspace) as reader:
            return consumers.get(reader.db, self.name)

    def dead_letters(self) -> list[DeadLetter]:
        """The events it has given up, oldest first."""
        with Reader(self._workspace) as reader:
            consumers.get(reader.db, self.name)
            return consumers.dead_letters(reader.db, self.name)

    def retry_dead(self) -> int:
        """Have every dead letter come again, also while it is read; returns how many."""
        return write_once(self._workspace / CATALOG, lambda db: consumers.retry_dead(db, self.name))

    def rewind(self, to: int | datetime = 0) -> int:
        """Have it go on after a seq, or with what has happened since a moment; returns that seq.

        Raises ConsumerBusy while it is read, and NotFound for an event that has not happened.
        """
        with Reader(self._workspace) as reader:
            consumers.get(reader.db, self.name)
            if isinstance(to, datetime):
                at = to.astimezone(UTC).isoformat(timespec="milliseconds")
                to = stream.seq_before(reader.db, at)
        after = to
        with ConsumerLock(self._workspace, self.name):
            write_once(self._workspace / CATALOG, lambda db: consumers.rewind(db, self.name, after))
        return after

    def forget(self) -> None:
        """Forget it: a reader of this name begins anew. Raises ConsumerBusy while it is read."""
        with ConsumerLock(self._workspace, self.name):
            write_once(self._workspace / CATALOG, lambda db: consumers.forget(db, self.name))


def every(workspace: Path) -> list[Consumer]:
    """All consumers of a workspace by name. Raises NoWorkspace."""
    with Reader(workspace) as reader:
        return consumers.every(reader.db)
