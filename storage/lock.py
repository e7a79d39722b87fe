"""One engine per workspace, one reader per consumer: locks that a kill releases."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from storage.disk import in_our_words
from storage.errors import ConsumerBusy, WorkspaceLocked
from storage.platform import alive, patiently, try_lock

SOON = 0.5
"""Seconds in which the holder of the lock has said who it is."""
GLANCE = 0.2
"""Seconds in which a look at the lock is over."""

CONSUMERS = "consumers"
"""Folder of a workspace with a lock for each consumer."""

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class _Lock(ABC):
    """Holds a file of a workspace; the file says who and since when."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @abstractmethod
    def refusal(self, holder: str) -> WorkspaceLocked:
        """What is raised where somebody else has it; ``holder`` is the end of a sentence."""

    def acquire(self) -> None:
        with in_our_words(self.path.parent):
            fd = patiently(lambda: os.open(self.path, _FLAGS, 0o644), seconds=SOON)
            try:
                if not _lock_soon(fd):
                    raise self.refusal(_holder(fd))
                _write(fd)
            except BaseException:
                os.close(fd)
                raise
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class EngineLock(_Lock):
    """``engine.lock`` of a workspace. Raises WorkspaceLocked where another engine has it."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace / "engine.lock")

    def refusal(self, holder: str) -> WorkspaceLocked:
        return WorkspaceLocked(f"the workspace {self.path.parent} is in use{holder}")


class ConsumerLock(_Lock):
    """The one reader of a consumer. Raises ConsumerBusy where there is another.

    Names of consumers are anything; those of the files are their hashes.
    """

    def __init__(self, workspace: Path, name: str) -> None:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        super().__init__(workspace / CONSUMERS / f"{digest}.lock")
        self.name = name

    def acquire(self) -> None:
        with in_our_words(self.path.parent.parent):
            self.path.parent.mkdir(exist_ok=True)
        super().acquire()

    def refusal(self, holder: str) -> WorkspaceLocked:
        return ConsumerBusy(f"the consumer {self.name!r} is read already{holder}")


def engine_running(workspace: Path) -> bool:
    """True while an engine holds the workspace; takes nothing."""
    try:
        fd = os.open(workspace / "engine.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a workspace."""

    pid: int
    host: str
    since: str
    """ISO 8601, UTC."""


def holder(workspace: Path) -> Holder | None:
    """Who holds a workspace; None where nobody does, or has not said so yet. Takes nothing."""
    if not engine_running(workspace):
        return None
    fd = os.open(workspace / "engine.lock", os.O_RDONLY)
    try:
        found = _read(fd)
    finally:
        os.close(fd)
    return Holder(int(found["pid"]), str(found["host"]), str(found["since"])) if found else None


def _lock_soon(fd: int) -> bool:
    """Take the lock, or give up after a moment: ``status`` touches it when it looks."""
    deadline = time.monotonic() + GLANCE
    while not try_lock(fd):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _write(fd: int) -> None:
    about = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(about).encode(), 0)


def _holder(fd: int) -> str:
    """Who has the lock, as the end of a sentence; empty where it does not say so in time.

    Between taking it and writing so there is an instant in which the file is empty or still tells
    of one that was killed.
    """
    deadline = time.monotonic() + SOON
    while True:
        found = _read(fd)
        if found and (found.get("host") != socket.gethostname() or alive(int(found["pid"]))):
            return f" by process {found['pid']} on {found['host']} since {found['since']}"
        if time.monotonic() > deadline:
            return ""
        time.sleep(0.01)


def _read(fd: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(fd, 4096, 0))
        whole = {"pid", "host", "since"} <= found.keys() and isinstance(found["pid"], int)
        return found if whole else {}
    except (ValueError, AttributeError):  # the holder is writing it at this moment
        return {}
