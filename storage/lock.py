"""One engine per workspace: a lock that a kill releases."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from storage.disk import in_our_words
from storage.errors import WorkspaceLocked
from storage.platform import alive, patiently, try_lock

SOON = 0.5
"""Seconds in which the holder of the lock has said who it is."""
GLANCE = 0.2
"""Seconds in which a look at the lock is over."""

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class EngineLock:
    """Holds ``engine.lock`` of a workspace; the file says who and since when.

    Raises WorkspaceLocked at once where another engine holds it.
    """

    def __init__(self, workspace: Path) -> None:
        self.path = workspace / "engine.lock"
        self._fd: int | None = None

    def __enter__(self) -> EngineLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def acquire(self) -> None:
        with in_our_words(self.path.parent):
            fd = patiently(lambda: os.open(self.path, _FLAGS, 0o644), seconds=SOON)
            try:
                if not _lock_soon(fd):
                    raise WorkspaceLocked(
                        f"the workspace {self.path.parent} is in use{_holder(fd)}"
                    )
                _write(fd)
            except BaseException:
                os.close(fd)
                raise
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


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
        return found if {"pid", "host", "since"} <= found.keys() else {}
    except (ValueError, AttributeError):  # the holder is writing it at this moment
        return {}
