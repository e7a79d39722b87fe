"""The README's main job, as a user types it: from an empty folder to a training set, and after."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from crawler.demo.api import ACCOUNTS
from crawler.demo.faults import Fault, Faults, Status
from crawler.demo.posts import World
from crawler.demo.world import REIMU
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Done, Trawl, address, kill, numbers, serving, wait_for
from tests.scenarios.outcome import assert_sound, crawl_ids, outcome, sha256

CHARACTER = ("character", REIMU, "--out", "sets/reimu", "--want", "30")
PICTURES = (".jpg", ".png", ".webp")


@dataclass(frozen=True)
class Made:
    """A finished character set. The site is still there."""

    trawl: Trawl
    done: Done

    @property
    def home(self) -> Path:
        return self.trawl.home

    @property
    def out(self) -> Path:
        return self.home / "sets" / "reimu"

    @property
    def workspace(self) -> Path:
        return self.home / "trawl-data"


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Made:
    home = tmp_path_factory.mktemp("journey")
    with serving(world) as site:
        trawl = Trawl(home, address(site))
        return Made(trawl, trawl(*CHARACTER))


def pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in PICTURES)


def test_it_ends_with_a_table_a_folder_a_sheet_and_what_to_try_next(made: Made) -> None:
    out = made.done.out
    assert "30 of 30 accepted" in out
    assert numbers(r"accepted +(\d+) ", out) == (30,)
    assert "sets/reimu: 30 written" in out
    for reason in ("blocked_content", "monochrome", "hidden"):
        assert reason in out
    sheet = made.home / "sets" / "reimu.sheet.jpg"
    assert str(sheet) in out
    with Image.open(sheet) as picture:
        assert min(picture.size) > 200
    for line in out.split("try next:")[1].strip().splitlines():
        assert line.strip().startswith("trawl ")


def test_the_folder_is_what_kohya_reads(made: Made) -> None:
    (subset,) = [path for path in made.out.iterdir() if path.is_dir()]
    assert subset.name == "1_hakurei reimu"
    found = pictures(made.out)
    assert len(found) == 30
    for path in found:
        assert path.parent == subset
        caption = path.with_suffix(".txt").read_text()
        assert caption.startswith("hakurei reimu,"), caption
        assert len(caption.split(", ")) >= 2
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) >= 768
    assert len(list(subset.glob("*.txt"))) == 30
    assert (made.out / "dataset.toml").is_file()


def test_the_manifest_tells_where_every_picture_is_from(made: Made) -> None:
    lines = (made.out / "manifest.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert len(entries) == 30
    stored = {work.sha256 for work in outcome(made.workspace).works if work.state == "accepted"}
    text = "\n".join(lines)
    assert all(sha256 is not None and sha256 in text for sha256 in stored)
    for path in pictures(made.out):
        assert path.name in text


def test_the_best_come_first(made: Made, world: World) -> None:
    kinds = {str(post.id): post.kind for post in world.posts}
    first = [kinds[site_id] for site_id in outcome(made.workspace).accepted[:8]]
    assert set(first) == {"official_art"}


def test_the_same_command_again_changes_no_byte_and_no_time(made: Made) -> None:
    before = marks(made.out)
    again = made.trawl(*CHARACTER)  # the site is gone by now: nothing is asked for
    assert "30 unchanged" in again.out
    assert "0 file requests" in again.out
    assert marks(made.out) == before
    made.trawl(
        "export",
        "sets/reimu",
        "--layout",
        "kohya",
        "--crawl",
        crawl_of(made),
        "--trigger",
        "hakurei reimu",
    )
    assert marks(made.out) == before


def marks(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, sha256(path.read_bytes()))
        for path in folder.rglob("*")
        if path.is_file()
    }


def crawl_of(made: Made) -> str:
    (crawl,) = crawl_ids(made.workspace)
    return crawl


def test_another_layout_of_the_same_set(made: Made) -> None:
    done = made.trawl("export", "hf", "--layout", "imagefolder")
    assert "30 written" in done.out
    assert len(pictures(made.home / "hf")) == 30
    (metadata,) = list((made.home / "hf").rglob("metadata.jsonl"))
    entries = [json.loads(line) for line in metadata.read_text().splitlines()]
    assert len(entries) == 30
    for entry in entries:
        assert (metadata.parent / entry["file_name"]).is_file()
        assert entry["text"]


def test_an_export_of_some_words_holds_only_those(made: Made) -> None:
    made.trawl("export", "official", "official_art", "--layout", "kohya")
    assert len(pictures(made.home / "official")) == 8


def test_status_tells_how_far_it_is(made: Made) -> None:
    text = made.trawl("status").out
    assert REIMU in text
    assert "30/30" in text
    assert "finished" in text
    explained = made.trawl("status", "--explain").out
    assert "never fetched, no flag allows it" in explained
    told = json.loads(made.trawl("status", "--json").out)
    (crawl,) = told["crawls"]
    assert crawl["accepted"] == 30
    assert crawl["running"] is False


def test_query_finds_works_by_words(made: Made) -> None:
    assert len(made.trawl("query", "state:accepted", "--format", "paths").out.split("\n")) == 31
    for path in made.trawl("query", "state:accepted", "--format", "paths").out.splitlines():
        assert Path(path).is_file()
    hidden = made.trawl("query", "state:unavailable", "--format", "ndjson").out.splitlines()
    assert {json.loads(line)["reason"] for line in hidden} == {"hidden"}
    assert made.trawl("query", "official_art", "-solo").out.count("danbooru:") == 0
    wrong = made.trawl("query", "widht>=3", code=2)
    assert "did you mean" in wrong.err


def test_show_tells_everything_of_one_work(made: Made) -> None:
    work = next(w for w in outcome(made.workspace).works if w.state == "accepted")
    by_id = made.trawl("show", f"danbooru:{work.site_id}").out
    by_hash = made.trawl("show", (work.sha256 or "")[:12]).out
    assert by_id == by_hash
    assert str(work.sha256) in by_id
    assert "official_art" in by_id
    assert "sharpness" in by_id
    assert made.trawl("show", "danbooru:1", code=2).err


def test_a_sheet_of_what_was_rejected(made: Made) -> None:
    made.trawl("sheet", "rejected.jpg", "state:rejected")
    with Image.open(made.home / "rejected.jpg") as picture:
        picture.load()


def test_stream_gives_each_consumer_every_event_once(made: Made) -> None:
    lines = made.trawl("stream", "--consumer", "crop").out.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["type"] for event in events] == ["accepted"] * 30 + ["crawl_finished"]
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    for event in events[:30]:
        assert sha256(Path(event["path"]).read_bytes()) == event["sha256"]
    assert made.trawl("stream", "--consumer", "crop").out == ""
    assert len(made.trawl("stream", "--consumer", "other").out.splitlines()) == 31
    assert len(made.trawl("stream", "--after", str(events[-2]["seq"])).out.splitlines()) == 1


def test_inspect_measures_a_file_and_a_folder(made: Made) -> None:
    path = pictures(made.out)[0]
    lines = made.trawl("inspect", made.out, "--ndjson").out.splitlines()
    assert len(lines) >= 30
    found = {json.loads(line)["path"]: json.loads(line) for line in lines}
    assert found[str(path)]["type"] == "accepted"
    assert "sharpness" in json.dumps(found[str(path)]["measured"])


def test_the_workspace_is_sound_and_can_be_moved(made: Made) -> None:
    assert_sound(made.workspace)
    moved = made.home / "elsewhere"
    os.rename(made.workspace, moved)
    try:
        assert "30/30" in made.trawl("status", "-w", moved).out
        paths = made.trawl("query", "state:accepted", "--format", "paths", "-w", moved).out
        assert all(Path(path).is_file() for path in paths.splitlines())
    finally:
        os.rename(moved, made.workspace)


# -- ways to fail --------------------------------------------------------------------------------


def test_an_unknown_tag_is_refused_with_the_close_ones(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    trawl = Trawl(tmp_path, address(serve(world)))
    done = trawl("character", "hakurei_reimuu", "--out", "set", code=2)
    assert "E_UNKNOWN_TAG" in done.err
    assert "did you mean" in done.err
    assert REIMU in done.err
    assert len(done.lines) <= 2
    assert not (tmp_path / "set").exists()


def test_an_alias_is_understood(world: World, serve: Serve, tmp_path: Path) -> None:
    trawl = Trawl(tmp_path, address(serve(world)))
    trawl("character", "reimu_hakurei", "--out", "set", "--want", "3")
    assert len(pictures(tmp_path / "set")) == 3


def test_a_real_site_wants_a_contact_first(tmp_path: Path) -> None:
    trawl = Trawl(tmp_path, None, {"TRAWL_NET__CONTACT": ""})
    done = trawl("character", REIMU, "--out", "set", code=4)
    assert "contact" in done.lines[0]
    assert len(done.lines) <= 2
    assert "trawl config set net.contact" in done.err
    assert done.out == ""


def test_a_private_address_must_be_allowed(world: World, serve: Serve, tmp_path: Path) -> None:
    site = serve(world)
    trawl = Trawl(tmp_path, address(site), {"TRAWL_NET__ALLOW_HOSTS": ""})
    done = trawl("character", REIMU, "--out", "set", code=4)
    assert "net.allow_hosts" in done.err
    assert len(site.ledger) == 0


def test_a_workspace_has_one_engine(world: World, serve: Serve, tmp_path: Path) -> None:
    site = serve(world, faults=Faults(latency=0.3))
    trawl = Trawl(tmp_path, address(site))
    first = trawl.start("crawl", "danbooru", REIMU, "-w", "set", "--all")
    try:
        wait_for(lambda: len(site.ledger.originals()) > 1, "the first run")
        second = trawl("crawl", "danbooru", REIMU, "-w", "set", "--all", code=11)
        assert str(first.pid) in second.err
        assert "E_LOCKED" in second.err
        assert second.seconds < 3
        assert "running" in trawl("status", "-w", "set").out
        assert trawl("query", "-w", "set").code == 0
    finally:
        kill(first)
    # A kill leaves no lock behind.
    trawl("crawl", "danbooru", REIMU, "-w", "set", "--want", "2")


def test_a_lock_file_without_an_engine_locks_nothing(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "engine.lock").write_text("{}")
    with open(tmp_path / "set" / "engine.lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        fcntl.flock(file, fcntl.LOCK_UN)
    trawl = Trawl(tmp_path, address(serve(world)))
    trawl("crawl", "danbooru", REIMU, "-w", "set", "--want", "2")


@pytest.mark.parametrize("match", ["/posts.json", "/original/*"])
def test_a_challenge_page_stops_the_source_at_once(
    world: World, serve: Serve, tmp_path: Path, match: str
) -> None:
    challenge = Fault(Status(403, html=True), match)
    site = serve(world, faults=Faults([challenge], latency=0.05))
    trawl = Trawl(tmp_path, address(site))
    done = trawl("crawl", "danbooru", REIMU, "-w", "set", "--want", "20", code=5)
    assert "E_CHALLENGE" in done.err
    challenged = site.ledger.requests(match)
    assert len(challenged) <= 4, "asked again although the site does not want us"
    assert len({entry.url for entry in challenged}) == len(challenged)


def test_a_wrong_key_ends_it(world: World, serve: Serve, tmp_path: Path) -> None:
    secrets = {
        "TRAWL_SITES__DANBOORU__LOGIN": "somebody",
        "TRAWL_SITES__DANBOORU__API_KEY": "canary-of-a-wrong-key",
    }
    site = serve(world)
    done = Trawl(tmp_path, address(site), secrets)(*CHARACTER, code=5)
    assert "E_AUTH" in done.err
    assert "trawl auth set danbooru" in done.err
    assert len(site.ledger) == 1
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        assert b"canary" not in path.read_bytes()
    assert "canary" not in done.err + done.out


def test_no_account_sees_the_login_of_another_host(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(world)
    account = ACCOUNTS[0]
    secrets = {
        "TRAWL_SITES__DANBOORU__LOGIN": account.name,
        "TRAWL_SITES__DANBOORU__API_KEY": account.api_key,
    }
    Trawl(tmp_path, address(site), secrets)("crawl", "danbooru", REIMU, "--want", "3", "-w", "set")
    api = site.base_url.removeprefix("http://")
    assert all(entry.authorization == (entry.host == api) for entry in site.ledger)


def test_a_dry_run_writes_nothing_and_fetches_nothing(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(world)
    trawl = Trawl(tmp_path, address(site))
    done = trawl(*CHARACTER, "--dry-run")
    assert "would fetch 30 files" in done.out
    assert site.ledger.originals() == []
    assert [path.name for path in tmp_path.iterdir() if path.name != "xdg"] == []


def test_trawl_demo_works_in_an_empty_folder(tmp_path: Path) -> None:
    trawl = Trawl(tmp_path)
    done = trawl("demo", "--want", "10")
    assert "10 of 10 accepted" in done.out
    (folder,) = [path for path in tmp_path.rglob("1_hakurei reimu") if path.is_dir()]
    assert len(pictures(folder)) == 10
    assert "try next:" in done.out
    again = trawl("demo", "--want", "10", "--keep")
    assert "10 of 10 accepted" in again.out


def test_output_that_nobody_reads_ends_quietly(made: Made) -> None:
    with made.trawl.start("query", "--format", "csv") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=30) in (0, -signal.SIGPIPE)
        assert process.stderr.read() == ""
