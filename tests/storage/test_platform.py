"""What differs between systems."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.database import open_reader, open_writer
from storage.platform import (
    alive,
    descriptors_left,
    disk_full,
    fsync_dir,
    fsync_file,
    out_of_descriptors,
    patiently,
)


def test_files_and_folders_can_be_synced(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    fsync_file(tmp_path / "f")
    fsync_dir(tmp_path)


def test_what_is_not_there_cannot(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fsync_file(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        fsync_dir(tmp_path / "d")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_full_quota_are_one_thing(number: int) -> None:
    assert disk_full(OSError(number, "full"))
    assert not disk_full(OSError(errno.EIO, "broken"))


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Within, this process can open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def a_shortage(seconds: float) -> Iterator[None]:
    """Descriptors are short when the block begins, and no longer after that time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = resource.RLIMIT_NOFILE, (soft, hard)
    timer = threading.Timer(seconds, resource.setrlimit, limits)
    timer.start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        timer.join()


def test_a_shortage_of_descriptors_is_known() -> None:
    assert descriptors_left()
    with no_descriptor_left():
        there_were = descriptors_left()
    assert not there_were
    assert out_of_descriptors(OSError(errno.EMFILE, "too many open files"))
    assert not out_of_descriptors(OSError(errno.ENOENT, "no such file"))


def test_whoever_opens_a_file_waits_for_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    open_writer(tmp_path / "catalog.db").close()
    began = time.monotonic()
    with a_shortage(0.3):
        fsync_file(tmp_path / "f")
        fsync_dir(tmp_path)
    with a_shortage(0.3):
        open_writer(tmp_path / "catalog.db").close()
    with a_shortage(0.3):
        open_reader(tmp_path / "catalog.db").close()
    assert 0.8 < time.monotonic() - began < 10


def test_patience_has_an_end(tmp_path: Path) -> None:
    with no_descriptor_left(), pytest.raises(OSError, match="open files"):
        patiently(lambda: os.open(tmp_path, os.O_RDONLY), seconds=0.1)


def test_the_limit_on_descriptors_is_raised_as_far_as_it_goes() -> None:
    code = (
        "import resource; from storage.platform import raise_descriptor_limit\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))\n"
        "print(raise_descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "300 (300, 300)"


def test_a_process_is_alive_until_it_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert alive(process.pid)
    process.communicate()
    assert not alive(process.pid)
