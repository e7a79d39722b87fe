"""``trawl sheet`` and ``trawl query --open``: looking at many pictures, or at one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from crawler.demo.site import DemoSite
from storage.database import write_once
from tests.crawler.cli.conftest import Trawl


@pytest.fixture
def filled(trawl: Trawl, site: DemoSite) -> Path:
    words = ("hakurei_reimu", "--want", 5, "--option", "tiers=official", "--max-bytes", "100M")
    assert trawl("crawl", "danbooru", *words, "-w", "ws", "-q").code == 0
    return Path("ws").absolute()


@pytest.fixture
def viewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ``xdg-open`` that writes down what it was asked to show; returns the file it writes."""
    programs, asked = tmp_path / "bin", tmp_path / "asked"
    programs.mkdir()
    for name in ("xdg-open", "open", "my viewer"):
        script = programs / name
        script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >>"{asked}"\n')
        script.chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    monkeypatch.setenv("PATH", f"{programs}:{Path(shell).parent}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return asked


def ids(trawl: Trawl, *words: str) -> list[str]:
    lines = trawl("query", *words, "-w", "ws", "--format", "ndjson").out.splitlines()
    return [f"{one['site']}:{one['site_id']}" for one in map(json.loads, lines)]


def test_the_list_of_a_sheet_names_the_work_behind_each_number(trawl: Trawl, filled: Path) -> None:
    done = trawl("sheet", "set.jpg", "-w", "ws", "--list")
    assert done.code == 0
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row[1] for row in rows] == ids(trawl, "state:accepted")
    assert {row[2] for row in rows} == {"accepted"}
    assert trawl("show", rows[2][1], "-w", "ws").code == 0


def test_a_sheet_is_sorted_and_cut_like_a_query(trawl: Trawl, filled: Path) -> None:
    done = trawl("sheet", "set.jpg", "-w", "ws", "--list", "--sort", "-pixels", "--limit", 2)
    shown = [line.split("\t")[1] for line in done.out.splitlines()]
    assert shown == ids(trawl, "state:accepted", "sort:-pixels")[:2]
    with Image.open("set.jpg") as two:
        assert two.width < 600


def test_rejected_works_stand_under_their_reasons(trawl: Trawl, filled: Path) -> None:
    reject = (
        "UPDATE works SET state = 'rejected', reason = 'r' || (position % 2) WHERE position <= 4"
    )
    write_once(filled / "catalog.db", lambda db: db.execute(reject))
    done = trawl("sheet", "out.jpg", "state:rejected", "-w", "ws", "--list")
    assert [line.split("\t")[2] for line in done.out.splitlines()] == ["r1", "r1", "r0", "r0"]


def test_one_picture_is_opened_as_it_is(trawl: Trawl, filled: Path, viewer: Path) -> None:
    done = trawl("query", "state:accepted", "--limit", 1, "--open", "-w", "ws")
    assert done.code == 0, done.err
    program, file = viewer.read_text().splitlines()
    assert Path(program).name in ("xdg-open", "open")
    assert Path(file).parent.parent.parent == filled / "files"
    assert done.out.strip() == file


def test_several_pictures_are_opened_as_a_sheet(trawl: Trawl, filled: Path, viewer: Path) -> None:
    done = trawl("query", "--open", "state:accepted", "-w", "ws")
    assert done.code == 0, done.err
    _, file = viewer.read_text().splitlines()
    with Image.open(file) as sheet:
        assert sheet.width > 5 * 240
    assert not Path(file).is_relative_to(filled)


def test_a_viewer_of_ones_own_is_used(
    trawl: Trawl, filled: Path, viewer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_VIEWER", "'my viewer' --full-screen")
    assert trawl("query", "state:accepted", "--limit", 1, "--open", "-w", "ws").code == 0
    program, *words = viewer.read_text().splitlines()
    assert (Path(program).name, words[0], len(words)) == ("my viewer", "--full-screen", 2)


def test_without_a_viewer_the_file_is_named(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = trawl("query", "state:accepted", "--limit", 1, "--open", "-w", "ws")
    assert done.code == 2
    assert str(filled / "files") in done.err
    assert "TRAWL_VIEWER" in done.err


def test_a_viewer_that_fails_is_told(
    trawl: Trawl, filled: Path, viewer: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "broken").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bin" / "broken").chmod(0o755)
    monkeypatch.setenv("TRAWL_VIEWER", "broken")
    done = trawl("query", "state:accepted", "--limit", 1, "--open", "-w", "ws")
    assert done.code == 2
    assert "status 3" in done.err


def test_nothing_to_open_is_told(trawl: Trawl, filled: Path, viewer: Path) -> None:
    done = trawl("query", "state:pending", "--open", "-w", "ws")
    assert done.code == 2
    assert "no work that matches has a file" in done.err
    assert not viewer.exists()


@pytest.mark.parametrize("named", ["'", " "])
def test_a_viewer_that_is_no_command_is_told(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("TRAWL_VIEWER", named)
    done = trawl("query", "--open", "--limit", 1, "-w", filled)
    assert (done.code, "TRAWL_VIEWER" in done.err, "E_USAGE" in done.err) == (2, True, True)
