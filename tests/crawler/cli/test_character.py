"""``trawl character`` and ``trawl demo``: from a tag to a folder and a contact sheet."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest
from PIL import Image

from crawler.demo.site import DemoSite
from tests.crawler.cli.conftest import Spawn, Trawl


def pictures(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.suffix in (".jpg", ".png", ".webp", ".avif")]


def test_one_line_makes_a_character_set(trawl: Trawl, site: DemoSite) -> None:
    arguments = ["character", "hakurei_reimu", "--out", "sets/reimu", "--want", 5]
    result = trawl(*arguments)
    assert result.code == 0
    assert "5 of 5 accepted" in result.out
    assert len(pictures(Path("sets/reimu"))) == 5
    sheet = Path("sets/reimu.sheet.jpg").absolute()
    assert f"contact sheet: {sheet}" in result.out
    with Image.open(sheet) as image:
        assert image.format == "JPEG"
    assert f"trawl status -w {Path('trawl-data').absolute()}" in result.out
    assert "5 unchanged" in trawl(*arguments).out


def test_the_tiers_are_asked_for_best_first(trawl: Trawl, site: DemoSite) -> None:
    arguments = ["--want", 3, "--out", "set", "--json"]
    document = json.loads(trawl("character", "hakurei_reimu", *arguments).out)
    assert document["export"]["written"] == 3
    assert document["sheet"] == str(Path("set.sheet.jpg").absolute())
    found = json.loads(trawl("query", "state:accepted", "--format", "json").out)
    assert all("official_art" in image["tags"]["meta"] for image in found)


def test_trigger_repeats_and_layout_reach_the_folder(trawl: Trawl, site: DemoSite) -> None:
    arguments = ["--want", 2, "--out", "set", "--trigger", "rmu", "--repeats", 7]
    assert trawl("character", "hakurei_reimu", *arguments).code == 0
    captions = list(Path("set").rglob("*.txt"))
    assert len(captions) == 2
    assert all(caption.read_text().startswith("rmu,") for caption in captions)
    assert all(caption.parent.name.startswith("7_") for caption in captions)
    arguments = ["--want", 2, "--out", "other", "--layout", "imagefolder"]
    assert trawl("character", "hakurei_reimu", *arguments).code == 0
    assert len(list(Path("other").rglob("metadata.*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layout", "kohia"], "did you mean kohya"),
        (["--tiers", "oficial"], "official"),
        (["--source", "folder"], "no option of folder called 'tiers'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    trawl: Trawl, site: DemoSite, arguments: list[str], said: str
) -> None:
    before = len(site.ledger)
    result = trawl("character", "hakurei_reimu", "--out", "set", *arguments)
    assert result.code == 2
    assert said in result.err
    assert len(site.ledger) == before


def test_a_dry_run_makes_no_folder(trawl: Trawl, site: DemoSite) -> None:
    assert trawl("character", "hakurei_reimu", "--out", "set", "--dry-run").code == 0
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("out", ["/proc/set", "a-file/set", "a-file"])
def test_a_folder_that_cannot_be_written_is_told_before_the_first_request(
    trawl: Trawl, site: DemoSite, out: str
) -> None:
    Path("a-file").touch()
    before = len(site.ledger)
    result = trawl("character", "hakurei_reimu", "--out", out)
    assert result.code == 2
    assert "[E_USAGE]" in result.err
    assert len(site.ledger) == before
    assert [path.name for path in Path.cwd().iterdir()] == ["a-file"]


def test_a_folder_of_somebody_else_is_refused_before_the_first_request(
    trawl: Trawl, site: DemoSite
) -> None:
    Path("mine").mkdir()
    Path("mine/diary.txt").touch()
    before = len(site.ledger)
    result = trawl("character", "hakurei_reimu", "--out", "mine", "-q")
    assert result.code == 2
    assert "mine holds files that no export made: diary.txt" in result.err
    assert len(site.ledger) == before


def test_after_an_interrupt_it_says_what_writes_the_folder(
    trawl: Trawl, spawn: Spawn, site: DemoSite
) -> None:
    arguments = ["hakurei_reimu", "--out", "set", "--repeats", 3, "--rate", 15]
    process = spawn("character", *arguments, "--ndjson", "-q")
    assert process.stdout is not None
    while json.loads(process.stdout.readline())["type"] != "accepted":
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on, and writes set" in err
    command = err.partition("`): ")[2].split()
    assert command[:2] == ["trawl", "export"]
    assert trawl(*command[1:]).code == 0
    assert all(picture.parent.name.startswith("3_") for picture in pictures(Path("set")))
    resumed = trawl("resume", "-q", "--max-bytes", "1k").out
    assert "the same `trawl character …` command also writes the folder" in resumed


def test_a_practice_site_comes_back_where_it_was(spawn: Spawn) -> None:
    ports = [free_port(), free_port()]
    for _ in range(2):
        process = spawn("demo", "--serve", "--port", ports[0], "--cdn-port", ports[1])
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        assert f":{ports[0]}," in said
        assert f":{ports[1]}" in said
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        process.communicate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_ndjson_stays_one_object_a_line(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("character", "cirno", "--out", "set", "--want", 1, "--ndjson", "-q")
    assert [json.loads(line)["v"] for line in result.out.splitlines()]
    assert "contact sheet" in result.err


def test_what_a_limit_ended_is_exported_all_the_same(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("character", "hakurei_reimu", "--out", "set", "--max-bytes", "1M", "-q")
    assert result.code == 7
    assert pictures(Path("set"))


def test_the_demo_needs_nothing_and_ends_with_what_to_try(trawl: Trawl) -> None:
    result = trawl("demo", "--want", 4)
    assert result.code == 0
    assert "running: trawl character hakurei_reimu" in result.err
    assert "4 of 4 accepted" in result.out
    folder = Path("trawl-demo").absolute()
    assert len(pictures(folder / "hakurei_reimu")) == 4
    assert (folder / "hakurei_reimu.sheet.jpg").is_file()
    commands = [line for line in result.out.splitlines() if line.startswith("  trawl ")]
    assert commands
    for line in commands:
        assert trawl(*line.split()[1:]).code == 0, line


def test_a_second_demo_starts_over_but_never_removes_what_is_not_its_own(trawl: Trawl) -> None:
    Path("trawl-demo").mkdir()
    Path("trawl-demo/mine.txt").touch()
    assert trawl("demo").code == 2
    assert Path("trawl-demo/mine.txt").exists()
    Path("trawl-demo/mine.txt").unlink()
    Path("trawl-demo").rmdir()
    for _ in range(2):
        result = trawl("demo", "--want", 1, "-q", "--out", "out")
        assert "1 of 1 accepted" in result.out
    assert len(json.loads(trawl("status", "-w", "trawl-demo", "--json").out)["crawls"]) == 1


def test_the_demo_can_serve_ones_own_pictures(trawl: Trawl, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert trawl("demo", "--pictures", tmp_path / "empty").code == 2
    own = tmp_path / "own"
    own.mkdir()
    noise = [Image.effect_noise((900, 1200), 80) for _ in "RGB"]
    Image.merge("RGB", noise).save(own / "noise.png")
    result = trawl("demo", "--pictures", own, "-q")
    assert result.code == 0
    assert "1 of 200 accepted" in result.out


def test_the_demo_never_hears_of_a_real_login(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_SITES__DANBOORU__LOGIN", "me")
    monkeypatch.setenv("TRAWL_SITES__DANBOORU__API_KEY", "very-secret")
    result = trawl("demo", "--want", 1, "-q", "--debug")
    assert result.code == 0
    assert "Authorization" not in result.err
