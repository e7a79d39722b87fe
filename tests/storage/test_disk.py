"""A full disk, however it is reported, is told as one; other trouble keeps its name."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import open_reader, open_writer, write_once
from storage.disk import explained, has_room, in_our_words, is_full
from storage.errors import NoSpace, StorageError
from storage.hosts import HostCooldowns
from storage.lock import EngineLock


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> None:
    """Use up a disk but for some bytes."""
    with (folder / "ballast").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    assert shutil.disk_usage(folder).free == 0
    os.truncate(folder / "ballast", (folder / "ballast").stat().st_size - leave)


def code(name: str) -> sqlite3.OperationalError:
    """An error as SQLite raises it."""
    error = sqlite3.OperationalError("some words")
    error.sqlite_errorcode = getattr(sqlite3, name)  # type: ignore[misc]
    return error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_the_systems_own_words(tmp_path: Path, number: int) -> None:
    assert isinstance(explained(OSError(number, "full"), tmp_path), NoSpace)
    other = OSError(errno.EIO, "broken")
    assert explained(other, tmp_path) is other


def test_sqlites_words(tmp_path: Path) -> None:
    assert isinstance(explained(code("SQLITE_FULL"), tmp_path), NoSpace)
    told = explained(code("SQLITE_BUSY"), tmp_path)
    assert type(told) is StorageError
    assert explained(LookupError("ours"), tmp_path).args == ("ours",)


def test_words_that_may_mean_anything_are_put_to_the_test(tiny: Path) -> None:
    for name in ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_IOERR_SHMSIZE"):
        assert not is_full(code(name), tiny)
    assert has_room(tiny)
    fill(tiny)
    assert not has_room(tiny)
    for name in ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_IOERR_SHMSIZE"):
        assert is_full(code(name), tiny)
    assert not is_full(code("SQLITE_BUSY"), tiny)


def test_within_the_block_it_is_raised_as_ours(tmp_path: Path) -> None:
    with pytest.raises(NoSpace), in_our_words(tmp_path):
        raise OSError(errno.ENOSPC, "full")
    with pytest.raises(FileNotFoundError), in_our_words(tmp_path):
        (tmp_path / "gone").read_bytes()


@pytest.mark.parametrize("leave", range(0, 160_000, 16_000))
def test_a_catalog_that_finds_no_room_to_be_made_in_is_told_so_and_made_later(
    tiny: Path, leave: int
) -> None:
    fill(tiny, leave)
    with pytest.raises(NoSpace):
        open_writer(tiny / "ws" / "catalog.db").close()
    (tiny / "ballast").unlink()
    open_writer(tiny / "ws" / "catalog.db").close()
    open_reader(tiny / "ws" / "catalog.db").close()


def test_a_write_that_finds_no_room_leaves_what_was_there(tiny: Path) -> None:
    path = tiny / "catalog.db"
    open_writer(path).close()
    insert = "INSERT INTO meta VALUES (?, ?)"
    write_once(path, lambda db: db.execute(insert, ("before", "x")))
    fill(tiny, 40_000)
    with pytest.raises(NoSpace):
        write_once(path, lambda db: db.execute(insert, ("large", "x" * 300_000)))
    (tiny / "ballast").unlink()
    names = write_once(path, lambda db: db.execute("SELECT key FROM meta").fetchall())
    assert [row["key"] for row in names] == ["before"]


def test_the_lock_and_the_waits_of_hosts_are_told_as_well(tiny: Path) -> None:
    fill(tiny)
    with pytest.raises(NoSpace), EngineLock(tiny):
        pass
    with pytest.raises(NoSpace):
        HostCooldowns(tiny / "state" / "hosts.db").put("example.org:443", 10.0, "HTTP 429")
    (tiny / "ballast").unlink()
    with EngineLock(tiny):
        HostCooldowns(tiny / "state" / "hosts.db").put("example.org:443", 10.0, "HTTP 429")
