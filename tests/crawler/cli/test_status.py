"""``trawl status``: what a person and a program are told, once or as it changes."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from crawler.cli.watching import watch
from crawler.demo.site import DemoSite
from crawler.user_state import hosts_file
from storage.database import write_once
from storage.hosts import HostCooldowns
from storage.lock import EngineLock
from storage.reader import Reader
from tests.crawler.cli.conftest import Spawn, Trawl


@pytest.fixture
def filled(trawl: Trawl, site: DemoSite) -> Path:
    words = ("hakurei_reimu", "--want", 3, "--option", "tiers=official")
    assert trawl("crawl", "danbooru", *words, "-w", "ws", "-q").code == 0
    return Path("ws").absolute()


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_says_who_crawls_since_when(trawl: Trawl, filled: Path) -> None:
    assert json.loads(trawl("status", "-w", filled, "--json").out)["engine"] is None
    with EngineLock(filled):
        engine = json.loads(trawl("status", "-w", filled, "--json").out)["engine"]
        assert engine["pid"] == os.getpid()
        assert f"process {os.getpid()} on {engine['host']} crawls here since 20" in (
            trawl("status", "-w", filled).out
        )


def test_it_says_which_hosts_asked_us_to_wait_and_until_when(trawl: Trawl, filled: Path) -> None:
    hosts = HostCooldowns(hosts_file())
    hosts.put("cdn.example.org:443", 3_600, "HTTP 429")
    hosts.put("gone.example.org:443", 0.001, "HTTP 503")
    time.sleep(0.01)
    (told,) = json.loads(trawl("status", "-w", filled, "--json").out)["hosts"]
    assert (told["host"], told["reason"]) == ("cdn.example.org:443", "HTTP 429")
    assert told["until"] > told["until"][:4] + "-01-01T00:00:00+00:00"
    text = trawl("status", "-w", filled).out
    assert "waits for" in text
    assert "cdn.example.org:443" in text
    assert "HTTP 429" in text


def test_a_damaged_list_of_hosts_does_not_hide_the_rest(trawl: Trawl, filled: Path) -> None:
    hosts_file().parent.mkdir(parents=True, exist_ok=True)
    hosts_file().write_bytes(b"no database at all" * 100)
    done = trawl("status", "-w", filled)
    assert done.code == 0
    assert "warning: the list of hosts" in done.err
    assert "accepted" in done.out


def test_it_says_what_is_on_disk_and_what_can_be_had_back(trawl: Trawl, filled: Path) -> None:
    disk = json.loads(trawl("status", "-w", filled, "--json").out)["disk"]
    stored = list((filled / "files").glob("??/??/*"))
    assert disk["files"] + disk["reclaimable_files"] == len(stored)
    assert disk["bytes"] + disk["reclaimable_bytes"] == sum(p.stat().st_size for p in stored)
    assert disk["files"] == 3
    assert disk["catalog_bytes"] == (filled / "catalog.db").stat().st_size
    assert disk["total_bytes"] >= disk["bytes"] + disk["catalog_bytes"]
    assert "on disk " in trawl("status", "-w", filled).out


def test_the_end_table_of_any_crawl_is_there_any_time_later(
    trawl: Trawl, site: DemoSite, filled: Path
) -> None:
    first = json.loads(trawl("status", "-w", filled, "--json").out)["crawls"][0]["crawl"]["id"]
    trawl("crawl", "danbooru", "cirno", "--want", 1, "-w", filled, "-q")
    last, earlier = trawl("status", "-w", filled).out, trawl("status", first, "-w", filled).out
    assert f"{first}:\n" in earlier
    assert f"{first}:\n" not in last


def test_watching_prints_again_only_what_has_changed(spawn: Spawn, filled: Path) -> None:
    with open("told.txt", "w") as told:
        process = spawn("status", "-w", filled, "--json", "--watch", "0.1", stdout=told)
        until(lambda: Path("told.txt").read_text().count("\n") == 1)
        time.sleep(0.5)
        assert Path("told.txt").read_text().count("\n") == 1
        write_once(filled / "catalog.db", lambda db: db.execute("UPDATE crawls SET want = 77"))
        until(lambda: Path("told.txt").read_text().count("\n") == 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    lines = Path("told.txt").read_text().splitlines()
    wants = [json.loads(line)["crawls"][0]["crawl"]["want"] for line in lines]
    assert wants == [3, 77]


def test_a_write_of_which_nothing_is_told_prints_nothing(
    filled: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = iter(["one", "one", "two"])

    def written(_seconds: float) -> None:
        write_once(
            filled / "catalog.db", lambda db: db.execute("UPDATE crawls SET want = want + 1")
        )

    def tell() -> str:
        try:
            return next(told)
        except StopIteration:
            raise KeyboardInterrupt from None

    capfd.readouterr()
    with Reader(filled) as reader:
        watch(reader, tell, 0.05, live=False, pause=written)
    assert capfd.readouterr().out == "one\ntwo\n"


def test_watching_on_a_terminal_draws_and_ends_with_ctrl_c(spawn: Spawn, filled: Path) -> None:
    ours, theirs = pty.openpty()
    process = spawn("status", "-w", filled, "--watch", "0.1", stdin=theirs, stdout=theirs)
    os.close(theirs)
    seen = b""
    while b"on disk" not in seen:
        seen += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
        if process.poll() is not None:
            break
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    os.close(ours)


def test_watching_keeps_no_look_at_the_catalog_open(filled: Path) -> None:
    """One that stays open would keep the log of writes from shrinking."""
    shrunk: list[bool] = []

    def told() -> str:
        list(reader.crawls())
        if len(shrunk) == 3:
            raise KeyboardInterrupt
        write_once(
            filled / "catalog.db", lambda db: db.execute("UPDATE crawls SET want = want + 1")
        )
        return ""

    def emptied(_seconds: float) -> None:
        with closing(sqlite3.connect(filled / "catalog.db")) as db:
            shrunk.append(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    with Reader(filled) as reader:
        watch(reader, told, 0.05, live=False, pause=emptied)
    assert shrunk == [True] * 3


def test_seconds_that_are_no_number_are_told(trawl: Trawl, filled: Path) -> None:
    done = trawl("status", "-w", filled, "--watch", "soon")
    assert done.code == 2
    assert "soon" in done.err


def test_what_a_crawl_ended_with_is_shown_without_control_characters(
    trawl: Trawl, filled: Path
) -> None:
    noted = "UPDATE crawls SET state = 'failed', note = 'the site says ' || char(27) || '[31m'"
    write_once(filled / "catalog.db", lambda db: db.execute(noted))
    told = trawl("status", "-w", filled).out
    assert "the site says" in told
    assert "\x1b" not in told
