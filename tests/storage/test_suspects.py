"""Marks of what was being decoded, left behind by runs that were killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.files import FileStore
from tests.storage.catalog import sha256_of

SHA = sha256_of("one")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def test_a_mark_lies_beside_the_file_only_while_it_is_decoded(store: FileStore) -> None:
    temp = store.temp()
    temp.write_bytes(b"bytes")
    with store.suspects.decoding(temp, SHA):
        assert len(list(store.tmp.iterdir())) == 2
        assert temp.read_bytes() == b"bytes"
    assert list(store.tmp.iterdir()) == [temp]


def test_a_mark_goes_though_its_decode_fails(store: FileStore) -> None:
    with pytest.raises(OSError, match="broken"), store.suspects.decoding(store.temp(), SHA):
        raise OSError("broken")
    assert list(store.tmp.iterdir()) == []


def test_two_works_may_be_one_picture(store: FileStore) -> None:
    with store.suspects.decoding(store.temp(), SHA):
        with store.suspects.decoding(store.temp(), SHA):
            pass
        assert len(list(store.tmp.iterdir())) == 1


def test_what_is_left_behind_makes_a_suspect_until_it_is_cleared(store: FileStore) -> None:
    (store.tmp / f"temp.{SHA}.decoding").touch()
    store.temp().write_bytes(b"arriving")
    assert SHA not in store.suspects
    assert store.clear_tmp() == 1
    assert list(store.tmp.iterdir()) == []
    again = FileStore(store.workspace)
    again.clear_tmp()
    assert SHA in again.suspects
    again.suspects.clear(SHA)
    assert SHA not in again.suspects
    again.suspects.clear(SHA)


def test_a_name_that_only_looks_like_a_mark_is_removed_like_any_other(store: FileStore) -> None:
    for name in ("x.decoding", f"x.{SHA[:-1]}.decoding", f"x.{SHA.upper()}.decoding"):
        (store.tmp / name).touch()
    assert store.clear_tmp() == 3


def test_a_sweep_leaves_suspects_alone(store: FileStore) -> None:
    (store.tmp / f"temp.{SHA}.decoding").touch()
    store.clear_tmp()
    assert store.sweep(0.0, lambda hashes: set()) == 0
    assert SHA in store.suspects
