"""One engine per workspace: a lock that a kill releases."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from storage.errors import WorkspaceLocked
from storage.platform import try_lock


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
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        if not _lock_soon(fd):
            holder = _read(fd)
            os.close(fd)
            who = (
                f" by process {holder['pid']} on {holder['host']} since {holder['since']}"
                if holder
                else ""
            )
            raise WorkspaceLocked(f"the workspace {self.path.parent} is in use{who}")
        about = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(about).encode(), 0)
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
    for _ in range(5):
        if try_lock(fd):
            return True
        time.sleep(0.02)
    return False


def _read(fd: int) -> dict[str, str]:
    try:
        found = json.loads(os.pread(fd, 4096, 0))
    except ValueError:  # the holder is writing it at this moment
        return {}
    return found if isinstance(found, dict) else {}
