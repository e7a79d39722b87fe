"""Questions about files in a folder that others may have changed, following no links."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import NoSpace

_TEMP_PREFIX, _TEMP_SUFFIX = ".trawl-", ".part"


def temp_beside(path: Path) -> Path:
    """A name for what is to become ``path`` by a rename; of this process, and always the same.

    A picture and its caption, written one after the other, share it.
    """
    stem = hashlib.sha256(os.fsencode(path.with_suffix("").name)).hexdigest()[:16]
    return path.parent / f"{_TEMP_PREFIX}{os.getpid()}-{stem}{_TEMP_SUFFIX}"


def is_temp(name: str) -> bool:
    """Whether a kill may have left this name of :func:`temp_beside` behind."""
    return name.startswith(_TEMP_PREFIX) and name.endswith(_TEMP_SUFFIX)


def names(folder: Path) -> list[str]:
    """What a folder holds, sorted; nothing where there is no such folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def is_file(path: Path) -> bool:
    """Whether there is a plain file, and no link to one."""
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)


def is_dir(path: Path) -> bool:
    """Whether an existing path is a folder, and no link to one."""
    return stat.S_ISDIR(path.lstat().st_mode)


def content(path: Path) -> bytes | None:
    """The bytes of a plain file; None where there is none, or a link."""
    return path.read_bytes() if is_file(path) else None


def encoded(text: str) -> bytes:
    """Text as files hold it; what no file can hold becomes a question mark."""
    return text.encode("utf-8", "replace")


def sha256(path: Path) -> str:
    """The hash of a file, in lower-case hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def full_disk() -> Iterator[None]:
    """Raises NoSpace for a full disk or quota."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(f"no room left to export: {error}") from error
