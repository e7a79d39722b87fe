"""What a finished crawl left is listed, shown, drawn, exported and streamed."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crawler.demo.site import DemoSite
from tests.crawler.cli.conftest import Spawn, Trawl

WANT = 6


@pytest.fixture
def filled(trawl: Trawl, site: DemoSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with six pictures, which commands find by themselves."""
    folder = tmp_path / "filled"
    monkeypatch.setenv("TRAWL_WORKSPACE", str(folder))
    assert trawl("crawl", "danbooru", "hakurei_reimu", "--want", WANT, "-q").code == 0
    return folder


def test_status_has_every_crawl_and_the_reasons_of_the_last(trawl: Trawl, filled: Path) -> None:
    text = trawl("status").out
    assert "hakurei_reimu" in text
    assert f"{WANT}/{WANT}" in text
    assert "finished" in text
    assert "meaning" not in text
    assert "meaning" in trawl("status", "--explain").out
    document = json.loads(trawl("status", "--json").out)
    crawl = document["crawls"][0]
    assert crawl["accepted"] == WANT
    assert trawl("status", crawl["crawl"]["id"][:4]).code == 0
    assert trawl("status", "zzz").code == 2


def test_status_of_an_empty_workspace_says_so(trawl: Trawl, empty_workspace: Path) -> None:
    assert "no crawl" in trawl("status", "-w", empty_workspace).out


def test_query_prints_every_format(trawl: Trawl, filled: Path) -> None:
    def query(form: str) -> str:
        return trawl("query", "state:accepted", "--format", form).out

    assert len(query("table").splitlines()) == WANT + 1
    assert len(json.loads(query("json"))) == WANT
    assert [json.loads(line)["state"] for line in query("ndjson").splitlines()] == [
        "accepted"
    ] * WANT
    rows = list(csv.DictReader(io.StringIO(query("csv"))))
    assert [row["state"] for row in rows] == ["accepted"] * WANT
    paths = query("paths").splitlines()
    assert [Path(path).is_file() for path in paths] == [True] * WANT


def test_query_ends_paths_with_nul_for_xargs(trawl: Trawl, filled: Path) -> None:
    *paths, rest = trawl("query", "state:accepted", "-0").out.split("\0")
    assert len(paths) == WANT
    assert rest == ""


def test_query_sorts_limits_and_negates(trawl: Trawl, filled: Path) -> None:
    arguments = ["query", "state:accepted", "--format", "json"]
    found = json.loads(trawl(*arguments, "--sort", "-pixels", "--limit", 3).out)
    pixels = [image["width"] * image["height"] for image in found]
    assert len(pixels) == 3
    assert pixels == sorted(pixels, reverse=True)
    without = json.loads(trawl(*arguments, "-solo").out)
    assert not any("solo" in image["tags"]["general"] for image in without)


def test_a_long_table_is_cut_and_says_so(trawl: Trawl, filled: Path) -> None:
    result = trawl("query")
    if len(result.out.splitlines()) > 100:
        assert "more (--limit" in result.err
    assert trawl("query", "--limit", 2).err == ""


@pytest.mark.parametrize(
    "words", [["statee:accepted"], ["state:acepted"], ["widht>=3"], ["--sort", "beauty"]]
)
def test_a_query_that_cannot_be_is_exit_2(trawl: Trawl, filled: Path, words: list[str]) -> None:
    result = trawl("query", *words)
    assert result.code == 2
    assert "[E_QUERY]" in result.err


def test_show_tells_everything_of_one_work(trawl: Trawl, filled: Path) -> None:
    image = json.loads(trawl("query", "state:accepted", "--format", "json", "--limit", 1).out)[0]
    ref = f"danbooru:{image['site_id']}"
    text = trawl("show", ref).out
    assert f"page_url: {site_page(image)}" in text
    assert "ladder 1:" in text
    document = json.loads(trawl("show", image["sha256"][:10], "--json").out)
    assert document["site_id"] == image["site_id"]
    missing = trawl("show", "danbooru:1")
    assert missing.code == 2
    assert "[E_NOT_FOUND]" in missing.err


def site_page(image: dict[str, Any]) -> str:
    return str(image["page_url"])


def test_a_sheet_is_a_picture(trawl: Trawl, filled: Path) -> None:
    result = trawl("sheet", "set.jpg", "--option", "columns=3")
    assert (result.out, result.err) == ("set.jpg\n", "")
    with Image.open("set.jpg") as sheet:
        assert sheet.format == "JPEG"
    states = "state:accepted,rejected,pending"
    without = [
        w for w in json.loads(trawl("query", states, "--format", "json").out) if not w["path"]
    ]
    left_out = f"{len(without)} without a file (not downloaded, or not kept) left out"
    assert without
    assert left_out in trawl("sheet", "more.jpg", states).err


def test_an_export_is_a_folder_that_is_brought_up_to_date(trawl: Trawl, filled: Path) -> None:
    arguments = ["export", "set", "--layout", "kohya", "--repeats", 4, "--trigger", "reimu"]
    assert f"{WANT} written" in trawl(*arguments).out
    captions = list(Path("set").rglob("*.txt"))
    assert len(captions) == WANT
    assert all(caption.read_text().startswith("reimu,") for caption in captions)
    assert [
        folder.name.partition("_")[0] for folder in Path("set").iterdir() if folder.is_dir()
    ] == ["4"]
    again = json.loads(trawl(*arguments, "--json").out)
    assert (again["written"], again["unchanged"]) == (0, WANT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--layout", "kohia"], "did you mean kohya"),
        (["--layout", "imagefolder", "--repeats", "3"], "no option of imagefolder"),
        (["--layout", "kohya", "--option", "max_tags=few"], "max_tags"),
    ],
)
def test_an_export_that_cannot_be_is_exit_2(
    trawl: Trawl, filled: Path, arguments: list[str], said: str
) -> None:
    result = trawl("export", "set", *arguments)
    assert result.code == 2
    assert said in result.err
    assert not Path("set").exists()


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["query"], ["show", "a:1"], ["sheet", "x.jpg"], ["stream"], ["resume"]],
    ids=" ".join,
)
def test_without_a_catalog_nothing_is_made(trawl: Trawl, arguments: list[str]) -> None:
    result = trawl(*arguments)
    assert result.code == 2
    assert "[E_NO_WORKSPACE]" in result.err
    assert list(Path.cwd().iterdir()) == []


def seqs(text: str) -> list[int]:
    return [json.loads(line)["seq"] for line in text.splitlines()]


def test_the_stream_has_every_event_in_order(trawl: Trawl, filled: Path) -> None:
    lines = [json.loads(line) for line in trawl("stream").out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    accepted = [line for line in lines if line["type"] == "accepted"]
    assert len(accepted) >= WANT
    assert all(Path(line["path"]).is_file() for line in accepted)
    assert lines[-1]["type"] == "crawl_finished"
    assert seqs(trawl("stream", "--after", 3).out) == list(range(4, len(lines) + 1))


def test_a_consumer_goes_on_after_what_it_has_had(trawl: Trawl, filled: Path) -> None:
    assert seqs(trawl("stream", "--consumer", "crop").out)[0] == 1
    assert trawl("stream", "--consumer", "crop").out == ""
    assert seqs(trawl("stream", "--consumer", "other").out)[0] == 1


def test_a_consumer_may_acknowledge_by_itself(trawl: Trawl, spawn: Spawn, filled: Path) -> None:
    process = spawn("stream", "--consumer", "crop", "--ack-stdin", stdin=subprocess.PIPE)
    out, err = process.communicate("2\n1000\n", timeout=20)
    assert process.returncode == 0
    assert seqs(out)[0] == 1
    assert "no open event has the seq '1000'" in err
    assert seqs(trawl("stream", "--consumer", "crop").out)[0] == 3


def test_following_prints_what_comes_later(trawl: Trawl, spawn: Spawn, filled: Path) -> None:
    last = seqs(trawl("stream").out)[-1]
    process = spawn("stream", "--after", last, "--follow")
    assert trawl("crawl", "danbooru", "cirno", "--want", 1, "-q").code == 0
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["seq"] == last + 1
    process.terminate()
    process.communicate(timeout=20)


def test_after_and_consumer_exclude_each_other(trawl: Trawl, filled: Path) -> None:
    assert trawl("stream", "--after", 1, "--consumer", "crop").code == 2
