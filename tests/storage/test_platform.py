"""What differs between systems."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from storage.platform import disk_full, fsync_dir, fsync_file


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
