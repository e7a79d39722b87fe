"""The calls that differ between systems: syncs, file locks, file descriptors, a full disk's words.

Tested on Linux. On Windows the lock is msvcrt's, directories cannot be synced, and there is no
limit on descriptors to raise.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a thread waits for a file descriptor before its trouble is told."""
PAUSE = 0.05
"""Seconds between two tries for one."""


def fsync_dir(path: Path) -> None:
    """Make renames inside ``path`` durable, where the system can."""
    if sys.platform == "win32":
        return
    fd = patiently(lambda: os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable."""
    fd = patiently(lambda: os.open(path, os.O_RDWR))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def disk_full(error: OSError) -> bool:
    """Whether this is the disk, or the user's share of it, being full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def out_of_descriptors(error: BaseException) -> bool:
    """Whether this process, or the whole machine, has no file descriptor left."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def descriptors_left() -> bool:
    """Whether a file can be opened at this moment."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if out_of_descriptors(error):
            return False
        raise
    return True


def patiently(call: Callable[[], T], *, seconds: float = PATIENCE) -> T:
    """What ``call`` returns, tried again while no descriptor is left. For threads: it sleeps.

    Raises what it raises otherwise, and OSError where ``seconds`` have not been enough.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except OSError as error:
            if not out_of_descriptors(error) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def raise_descriptor_limit() -> int | None:
    """Allow this process all the descriptors that it may have; returns how many, None: no limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS says "unlimited" and means less
            return soft
    return None if hard == resource.RLIM_INFINITY else hard


def alive(pid: int) -> bool:
    """Whether a process of this machine runs; True where the system does not say."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def try_lock(fd: int) -> bool:
    """Take the exclusive lock of an open file; False where another process has it.

    The lock goes with the process, however it ends.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
