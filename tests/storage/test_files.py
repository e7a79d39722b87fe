"""The store: original bytes under their hash."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.files import EXTENSIONS, FileStore, stored_path
from tests.storage.catalog import sha256_of


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def arrive(store: FileStore, data: bytes = b"bytes") -> Path:
    temp = store.temp()
    temp.write_bytes(data)
    return temp


def test_a_file_is_named_by_its_hash_and_cannot_be_written(store: FileStore) -> None:
    sha = sha256_of("one")
    final = store.adopt(arrive(store), sha, "png")
    assert final == store.root / sha[:2] / sha[2:4] / f"{sha}.png"
    assert final.read_bytes() == b"bytes"
    assert stat.S_IMODE(final.stat().st_mode) == 0o444
    assert list(store.tmp.iterdir()) == []


def test_the_same_file_may_come_twice(store: FileStore) -> None:
    sha = sha256_of("one")
    store.adopt(arrive(store), sha, "png")
    final = store.adopt(arrive(store), sha, "png")
    assert final.read_bytes() == b"bytes"


def test_what_was_arriving_when_a_run_was_killed_is_cleared(store: FileStore) -> None:
    arrive(store)
    arrive(store)
    assert store.clear_tmp() == 2
    assert list(store.tmp.iterdir()) == []


def test_a_sweep_removes_what_the_catalog_does_not_know(store: FileStore) -> None:
    known, orphan = sha256_of("known"), sha256_of("orphan")
    for sha in (known, orphan):
        store.adopt(arrive(store), sha, "png")
    assert store.sweep(time.time() - 60, lambda hashes: {known} & set(hashes)) == 1
    assert store.path(known, "png").exists()
    assert not store.path(orphan, "png").exists()


def test_a_sweep_looks_only_at_what_is_new(store: FileStore) -> None:
    old = store.adopt(arrive(store), sha256_of("old"), "png")
    os.utime(old.parent, (1, 1))
    assert store.sweep(time.time() - 60, lambda hashes: set()) == 0
    assert old.exists()


@given(name=st.text(max_size=80), format=st.sampled_from(sorted(EXTENSIONS)))
def test_only_a_hash_can_be_a_name(name: str, format: str) -> None:
    with pytest.raises(ValueError, match="no stored file"):
        stored_path(Path("/ws"), name, format)


@pytest.mark.parametrize("format", ["exe", "../jpg", "", "jpg/../../x", "JPG"])
def test_only_formats_of_ours_can_be_extensions(format: str) -> None:
    with pytest.raises(ValueError, match="no stored file"):
        stored_path(Path("/ws"), sha256_of("one"), format)


def test_removing_what_is_gone_is_no_trouble(store: FileStore) -> None:
    store.remove(store.root / "gone")
