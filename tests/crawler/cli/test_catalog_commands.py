"""What a finished crawl left is listed, shown, drawn, exported and streamed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crawler.demo.site import DemoSite
from tests.crawler.cli.conftest import Trawl

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


def test_query_prints_what_other_commands_take(trawl: Trawl, filled: Path) -> None:
    refs = trawl("query", "state:accepted", "--format", "refs").out.splitlines()
    assert len(refs) == WANT
    assert [trawl("show", ref).code for ref in refs] == [0] * WANT
    assert trawl("query", "state:accepted", "--format", "refs", "-0").out == "".join(
        f"{ref}\0" for ref in refs
    )


def test_query_counts(trawl: Trawl, filled: Path) -> None:
    assert trawl("query", "state:accepted", "--count").out == f"{WANT}\n"
    assert trawl("query", "state:accepted", "--count", "--limit", 2).out == "2\n"
    assert trawl("query", "state:accepted -solo", "--count").out != f"{WANT}\n"


def test_a_tag_that_no_work_has_is_told(trawl: Trawl, filled: Path) -> None:
    result = trawl("query", "hakurei_reimuu")
    assert result.code == 0
    told = "no work has the tag hakurei_reimuu; did you mean hakurei_reimu?"
    assert told in result.err
    for words in (["hakurei_reimuu", "--format", "paths"], ["hakurei_reimuu", "--count"]):
        assert told in trawl("query", *words).err
    # A slip in what is left out finds more than was asked for.
    assert told in trawl("query", "-hakurei_reimuu").err
    assert "no_such_thing" not in trawl("query", "-no_such_thing").err


def test_what_sql_gives_is_sound_json_or_told(trawl: Trawl, filled: Path) -> None:
    def ask(sql: str, form: str) -> tuple[int, str]:
        result = trawl("query", "--sql", sql, "--format", form)
        return result.code, result.out + result.err

    def refuse(text: str) -> None:
        raise AssertionError(text)

    code, text = ask("SELECT 1e999 AS much", "ndjson")
    assert (code, json.loads(text, parse_constant=refuse)) == (0, {"much": "inf"})
    code, text = ask("SELECT 1 AS a, 2 AS a", "json")
    assert code == 2
    assert "two columns are called 'a'" in text
    assert ask("SELECT '../../x' AS sha256, 'jpg' AS format", "paths") == (0, "")


SQL = "SELECT site, site_id, sha256, format FROM accepted ORDER BY position"


def test_sql_has_every_format(trawl: Trawl, filled: Path) -> None:
    def ask(form: str) -> str:
        return trawl("query", "--sql", SQL, "--format", form).out

    assert ask("table").splitlines()[0].split() == ["site", "site_id", "sha256", "format"]
    documents = json.loads(ask("json"))
    assert [json.loads(line) for line in ask("ndjson").splitlines()] == documents
    assert [dict(row) for row in csv.DictReader(io.StringIO(ask("csv")))] == documents
    assert ask("refs").splitlines() == [f"danbooru:{row['site_id']}" for row in documents]
    assert [Path(path).stem for path in ask("paths").splitlines()] == [
        row["sha256"] for row in documents
    ]
    assert len(trawl("query", "--sql", SQL, "--limit", 2, "--format", "refs").out.split()) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sql", "SELECT nope FROM works"], "no such column: nope"),
        (["--sql", "DELETE FROM works"], "only a statement that reads"),
        (["--sql", SQL, "1girl"], "--sql stands alone"),
        (["--sql", SQL, "--count"], "--sql stands alone"),
        (["--sql", "SELECT 1 AS one", "--format", "refs"], "site and site_id"),
        (["--sql", "SELECT 1 AS one", "--format", "paths"], "sha256 and format"),
    ],
)
def test_sql_that_cannot_be_is_exit_2(
    trawl: Trawl, filled: Path, arguments: list[str], told: str
) -> None:
    result = trawl("query", *arguments)
    assert result.code == 2
    assert told in result.err


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
    assert "came of it" in text
    assert "at least 768 (resolution.min_side)" in text
    document = json.loads(trawl("show", image["sha256"][:10], "--json").out)
    assert document["site_id"] == image["site_id"]
    asked = {one["measure"]: one for one in document["thresholds"] if "least" in one}
    assert asked["side"]["least"] == 768
    assert asked["side"]["value"] == min(image["width"], image["height"])
    assert asked["sharpness"]["passes"] is True
    for ref in (image["site_id"], image["path"]):  # by its bare id, and by its file
        assert json.loads(trawl("show", ref, "--json").out)["id"] == document["id"]
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
