"""What the operating system and SQLite say of a full disk, in our own words."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import NoSpace, StorageError
from storage.platform import disk_full

SCRAP = 1 << 18
"""Bytes a disk must still take for its trouble not to be a lack of room: more than SQLite asks for
at once to go on (a piece of its index of the log, some pages)."""

_VAGUE = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
"""What SQLite says of many troubles, a full disk among them."""


def explained(error: BaseException, folder: Path) -> BaseException:
    """What a user is told of a failure in ``folder``: NoSpace, StorageError where it is SQLite's.

    Anything else is returned as it is.
    """
    if is_full(error, folder):
        return NoSpace(f"the disk of {folder} is full: {error}")
    if isinstance(error, sqlite3.Error):
        return StorageError(f"the catalog cannot be used: {error}")
    return error


def is_full(error: BaseException, folder: Path) -> bool:
    """Whether a failed write in ``folder`` failed for want of room."""
    if isinstance(error, OSError):
        return disk_full(error)
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code == sqlite3.SQLITE_FULL or (code in _VAGUE and not has_room(folder))


def has_room(folder: Path) -> bool:
    """Whether a small file can still be written in ``folder``. Tried, for quotas show nowhere."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(SCRAP))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return not disk_full(error)
    return True


@contextmanager
def in_our_words(folder: Path) -> Iterator[None]:
    """Within, trouble of SQLite and the disk of ``folder`` is raised as :func:`explained`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if (told := explained(error, folder)) is error:
            raise
        raise told from error
