"""Which folder a command means."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import NoWorkspace
from storage.workspace import find, require_catalog


def test_the_flag_comes_first(tmp_path: Path) -> None:
    assert find("here", {"TRAWL_WORKSPACE": "/elsewhere"}, tmp_path) == Path("here").absolute()


def test_then_the_environment(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").touch()
    assert find(None, {"TRAWL_WORKSPACE": "/elsewhere"}, tmp_path) == Path("/elsewhere")


def test_then_the_nearest_parent_with_a_catalog(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "catalog.db").touch()
    assert find(None, {}, inner) == tmp_path
    (tmp_path / "a" / "catalog.db").touch()
    assert find(None, {}, inner) == tmp_path / "a"


def test_else_a_folder_of_our_own(tmp_path: Path) -> None:
    assert find(None, {}, tmp_path) == tmp_path / "trawl-data"


def test_a_question_needs_a_catalog(tmp_path: Path) -> None:
    with pytest.raises(NoWorkspace):
        require_catalog(tmp_path)
    (tmp_path / "catalog.db").touch()
    assert require_catalog(tmp_path) == tmp_path / "catalog.db"
