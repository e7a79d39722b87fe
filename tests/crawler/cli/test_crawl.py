"""``trawl crawl`` and ``resume`` against a site on this machine: results, limits, signals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from crawler.demo.site import DemoSite
from tests.crawler.cli.conftest import Spawn, Trawl
from tests.scenarios.plugin import install


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_crawl_ends_with_the_table_of_reasons(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--want", 5)
    assert result.code == 0
    assert re.search(r"^accepted +5 ", result.out, re.MULTILINE)
    assert "in the set" in result.out
    assert "5 of 5 accepted" in result.out
    crawl = json.loads(trawl("status", "--json").out)["crawls"][0]["crawl"]["id"]
    at = f"--crawl {crawl} -w {Path('trawl-data').absolute()}"
    assert result.out.endswith(f"to lay it out: trawl export FOLDER --layout kohya {at}\n")
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--want", 3)
    assert "3 wanted: the first 3 of 5 accepted are the set" in result.out
    assert result.err == ""
    assert Path("trawl-data/catalog.db").is_file()


def test_the_same_command_resumes_and_fetches_nothing_again(trawl: Trawl, site: DemoSite) -> None:
    first = json.loads(trawl("crawl", "danbooru", "cirno", "--want", 2, "--json").out)
    again = json.loads(trawl("crawl", "danbooru", "cirno", "--want", 2, "--json").out)
    fresh = json.loads(trawl("crawl", "danbooru", "cirno", "--want", 2, "--json", "--fresh").out)
    assert again["crawl"] == first["crawl"] != fresh["crawl"]
    assert (again["accepted"], again["file_requests"]) == (2, 0)


def test_json_is_one_document(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--want", 3, "--json")
    document = json.loads(result.out)
    assert (document["type"], document["accepted"], document["error"]) == ("summary", 3, None)
    assert {"state", "reason", "count", "example"} <= set(document["rows"][0])


def test_ndjson_is_one_object_a_line_and_ends_with_the_summary(
    trawl: Trawl, site: DemoSite
) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--want", 3, "--ndjson", "-q")
    lines = objects(result.out)
    assert {line["v"] for line in lines} == {1}
    accepted = [line for line in lines if line["type"] == "accepted"]
    assert len(accepted) >= 3
    assert all(Path(line["path"]).is_file() for line in accepted)
    assert [line["type"] for line in lines].count("summary") == 1
    assert lines[-1]["type"] == "summary"
    assert result.err == ""


def test_json_and_ndjson_exclude_each_other(trawl: Trawl) -> None:
    assert trawl("crawl", "folder", ".", "--json", "--ndjson").code == 2


def test_a_dry_run_counts_and_fetches_nothing(trawl: Trawl, site: DemoSite) -> None:
    before = len(site.ledger.entries)
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--want", 5, "--dry-run", "--json")
    document = json.loads(result.out)
    assert document["type"] == "dry_run"
    assert document["fetch"] >= 5
    assert not any("/original/" in entry.path for entry in site.ledger.entries[before:])
    assert not Path("trawl-data/catalog.db").exists()
    assert "would fetch" in trawl("crawl", "danbooru", "cirno", "--dry-run").out


def test_ratings_may_be_written_out(trawl: Trawl, site: DemoSite) -> None:
    arguments = ["--want", 3, "--rating", "general,Sensitive", "-q"]
    assert trawl("crawl", "danbooru", "hakurei_reimu", *arguments).code == 0
    found = objects(trawl("query", "state:accepted", "--format", "ndjson").out)
    assert {image["rating"] for image in found} <= {"g", "s"}


def test_of_a_folder_everything_is_wanted(trawl: Trawl, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    result = trawl("crawl", "folder", tmp_path / "own", "--json")
    assert json.loads(result.out)["want"] is None
    result = trawl("crawl", "folder", tmp_path / "own", "--want", 3, "--json")
    assert json.loads(result.out)["want"] == 3


def test_a_wildcard_that_is_too_wide_is_refused_with_the_reason(
    trawl: Trawl, site: DemoSite
) -> None:
    result = trawl("crawl", "danbooru", "*")
    assert result.code == 2
    assert "could match what trawl never asks for" in result.err


def test_flags_become_the_policy(trawl: Trawl, site: DemoSite) -> None:
    arguments = ["--want", 3, "--min-side", 1200, "--allow", "monochrome", "--rating", "g"]
    assert trawl("crawl", "danbooru", "hakurei_reimu", *arguments).code == 0
    found = objects(trawl("query", "state:accepted", "--format", "ndjson").out)
    assert all(min(image["width"], image["height"]) >= 1200 for image in found)
    assert {image["rating"] for image in found} == {"g"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rating", "general,explict"], "general,sensitive,questionable,explicit"),
        (["--allow", "monochrom"], "did you mean monochrome"),
        (["--allow", "blocked_content"], "blocked_content"),
        (["--set", "resolution.min_sid=3"], "did you mean min_side"),
        (["--option", "teirs=official"], "did you mean tiers"),
    ],
)
def test_a_flag_that_cannot_be_is_exit_2(
    trawl: Trawl, site: DemoSite, arguments: list[str], said: str
) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu", *arguments)
    assert result.code == 2
    assert said in result.err


def test_an_unknown_tag_is_exit_2_and_names_close_ones(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimuu", "-q")
    assert result.code == 2
    assert "[E_UNKNOWN_TAG]" in result.err
    assert "hakurei_reimu" in trawl("crawl", "danbooru", "xqzzw", "-q").err.splitlines()[1]


def test_a_blocked_query_is_refused_before_any_request(trawl: Trawl, site: DemoSite) -> None:
    before = len(site.ledger.entries)
    result = trawl("crawl", "danbooru", "loli")
    assert result.code == 2
    assert "[E_REFUSED_QUERY]" in result.err
    assert len(site.ledger.entries) == before


def test_a_site_on_the_network_needs_a_contact_first(trawl: Trawl) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu")
    assert result.code == 4
    assert "danbooru.donmai.us" in result.err
    assert "trawl config set net.contact" in result.err


def test_a_limit_is_exit_7_and_says_how_to_go_on(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--max-bytes", "1k", "-q")
    assert result.code == 7
    assert "[E_LIMIT]" in result.err
    assert "accepted" in result.out


def test_strict_makes_failed_works_exit_6(trawl: Trawl, site: DemoSite) -> None:
    result = trawl("crawl", "danbooru", "hakurei_reimu", "--all", "--strict", "-q")
    assert result.code == 6
    assert "[E_ITEMS_FAILED]" in result.err


def test_progress_goes_to_standard_error(
    trawl: Trawl, site: DemoSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_TEST_PROGRESS_SECONDS", "0.02")
    arguments = ["crawl", "danbooru", "hakurei_reimu", "--want", 10, "--rate", 50]
    result = trawl(*arguments)
    assert re.search(r"^\d+/10 accepted · \d+ seen", result.err, re.MULTILINE)
    assert "files/s" not in result.out
    assert trawl(*arguments, "--fresh", "--quiet").err == ""


SLOW = ("crawl", "danbooru", "hakurei_reimu", "--rate", 15, "-w", "slow")


def wait_for_first_picture(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "accepted":
            return
    pytest.fail("nothing was accepted")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_run_which_can_be_resumed(
    trawl: Trawl, spawn: Spawn, site: DemoSite, number: signal.Signals, code: int
) -> None:
    process = spawn(*SLOW, "--ndjson")
    wait_for_first_picture(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "stopping: files on their way may finish" in err
    assert "[E_INTERRUPTED]" in err
    assert "trawl resume" in err
    assert json.loads(out.splitlines()[-1])["type"] == "summary"
    status = json.loads(trawl("status", "-w", "slow", "--json").out)["crawls"][0]
    assert status["crawl"]["state"] == "stopped"
    assert status["accepted"] >= 1
    assert "go on with: trawl resume" in trawl("status", "-w", "slow").out
    assert trawl("crawl", *SLOW[1:3], "-w", "slow", "--want", status["accepted"]).code == 0


def test_a_second_signal_stops_at_once(spawn: Spawn, site: DemoSite) -> None:
    slow = [1 if word == 15 else word for word in SLOW]
    process = spawn(*slow, "--ndjson", "-q")
    wait_for_first_picture(process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "stopping" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    # At one request a second, what is on its way would take the ten seconds it is given.
    _, err = process.communicate(timeout=8)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_crawl_stops_when_nobody_reads_it_any_more(spawn: Spawn, site: DemoSite) -> None:
    process = spawn(*SLOW, "--ndjson", "-q")
    wait_for_first_picture(process)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_resume_goes_on_with_what_was_stopped(trawl: Trawl, site: DemoSite) -> None:
    started = trawl("crawl", "danbooru", "cirno", "--max-bytes", "1k", "--want", 3, "--json", "-q")
    crawl = json.loads(started.out)["crawl"]
    result = trawl("resume", crawl[:6], "--json")
    assert result.code == 0
    assert json.loads(result.out)["crawl"] == crawl
    assert json.loads(result.out)["accepted"] == 3
    assert trawl("resume").code == 2


def test_resume_all_goes_on_with_every_one(
    trawl: Trawl, site: DemoSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_LIMITS__CONCURRENCY", "1")
    for tag in ("cirno", "izayoi_sakuya"):
        assert trawl("crawl", "danbooru", tag, "--max-bytes", "1k", "--want", 2, "-q").code == 7
    result = trawl("resume", "--all", "--ndjson", "-q")
    assert result.code == 0
    summaries = [line for line in objects(result.out) if line["type"] == "summary"]
    assert [line["accepted"] for line in summaries] == [2, 2]


def test_resume_names_what_it_does_not_find(trawl: Trawl, empty_workspace: Path) -> None:
    assert trawl("resume", "-w", empty_workspace).code == 2
    assert "starts with 'abc'" in trawl("resume", "abc", "-w", empty_workspace).err
    assert trawl("resume", "abc", "--all", "-w", empty_workspace).code == 2
    assert trawl("resume", "-w", "nowhere").code == 2


GONE = """
from crawler.adapters.folder import Folder

class Gone(Folder):
    name = "gone"
"""


def test_resume_all_tells_of_a_crawl_whose_source_is_gone_and_goes_on(
    trawl: Trawl, tmp_path: Path, site: DemoSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trawl("crawl", "danbooru", "cirno", "--max-time", "0.001", "--want", 2, "-q").code == 7
    install(tmp_path / "plugin", "gonesource", GONE, "[trawl.adapters]\ngone = gonesource:Gone\n")
    with monkeypatch.context() as installed:
        installed.syspath_prepend(str(tmp_path / "plugin"))
        assert trawl("crawl", "gone", tmp_path / "plugin", "--max-time", "0.001", "-q").code == 7
    result = trawl("resume", "--all", "--json")
    assert result.code == 2
    assert json.loads(result.out)["accepted"] == 2
    assert re.search(r"^warning: crawl \w+ \(gone .*cannot be resumed: ", result.err, re.MULTILINE)
    assert result.err.splitlines()[-1].endswith("[E_USAGE]")
    assert trawl("resume").code == 2
