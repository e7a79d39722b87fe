"""The calls that differ between systems: directory fsync and file locks, and what a full disk says.

Tested on Linux. On Windows the lock is msvcrt's and directories cannot be synced.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path


def fsync_dir(path: Path) -> None:
    """Make renames inside ``path`` durable, where the system can."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable."""
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def disk_full(error: OSError) -> bool:
    """Whether this is the disk, or the user's share of it, being full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


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
