"""Two programs on one workspace: one writer, any number of readers, nobody in the way."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from crawler.demo.faults import Faults
from crawler.demo.posts import World
from crawler.demo.world import REIMU
from storage.database import VERSION
from storage.lock import GLANCE
from tests.crawler.shelf import paint
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, kill, wait_for
from tests.scenarios.outcome import assert_sound, outcome

RACES = 20
MEETINGS = 3
"""Races at least in which both were under way at once: a busy machine delays one of them often."""
COUNT = 50
"""Pictures: enough that neither is done before the other has begun."""
CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "-q", "--want", "40")
FEW = (*CRAWL[:-1], "3")


RACER = """
import asyncio, json, os, sys, time
import crawler
from crawler.errors import TrawlError

POLICY = {"resolution": {"min_side": 32, "min_pixels": 1}}

async def crawl(folder, workspace):
    async with crawler.open(workspace) as ws:
        return (await ws.crawl("folder", folder, want=None, policy=POLICY)).accepted

asyncio.run(crawl(sys.argv[1], f"{sys.argv[1]}-{os.getpid()}"))  # all that is imported late
print("ready", flush=True)
for line in sys.stdin:
    began = time.monotonic()
    told = {"accepted": 0, "code": 0, "message": "", "began": time.time()}
    try:
        told["accepted"] = asyncio.run(crawl(sys.argv[1], line.strip()))
    except TrawlError as error:
        told |= {"code": error.exit_code, "message": str(error)}
    told |= {"seconds": time.monotonic() - began, "ended": time.time()}
    print(json.dumps(told), flush=True)
"""


def racer(folder: Path, trawl: Trawl) -> subprocess.Popen[str]:
    """A process that crawls into every workspace it is told of."""
    return subprocess.Popen(
        [sys.executable, "-c", RACER, str(folder)],
        env=trawl.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_of_two_that_start_at_once_one_writes_and_the_other_is_told_who(tmp_path: Path) -> None:
    for number in range(COUNT):
        paint(tmp_path / "pictures", str(number), 40)
    both = [racer(tmp_path / "pictures", Trawl(tmp_path)) for _ in range(2)]
    meetings = 0
    try:
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for race in range(RACES):
            workspace = tmp_path / f"set{race}"
            if race % 2:  # whose last engine was killed
                workspace.mkdir()
                (workspace / "engine.lock").write_text(
                    json.dumps({"pid": _ended(), "host": socket.gethostname(), "since": "then"})
                )
            told = {pid: json.loads(line) for pid, line in _race(both, workspace).items()}
            first, second = sorted(told.values(), key=lambda one: one["began"])
            if second["code"] == first["code"] == 0:
                # A run waits a moment for the lock: whoever looks at it holds it as well.
                assert second["began"] > first["ended"] - 2 * GLANCE
                continue
            meetings += 1
            (winner,) = [pid for pid, one in told.items() if one["code"] == 0]
            (loser,) = [one for one in told.values() if one["code"] != 0]
            assert loser["code"] == 11
            assert loser["seconds"] < 1
            who = re.search(r"in use by process (\d+) on (\S+) since (\S+)$", loser["message"])
            assert who is not None, loser["message"]
            assert (int(who[1]), who[2]) == (winner, socket.gethostname())
            assert told[winner]["accepted"] == COUNT
        assert meetings >= MEETINGS
    finally:
        for process in both:
            if process.stdin is not None:
                process.stdin.close()
            kill(process)
    for number in range(RACES):
        assert_sound(tmp_path / f"set{number}")


def _ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _race(both: list[subprocess.Popen[str]], workspace: Path) -> dict[int, str]:
    for process in both:
        assert process.stdin is not None
        process.stdin.write(f"{workspace}\n")
    for process in both:
        assert process.stdin is not None
        process.stdin.flush()
    return {p.pid: p.stdout.readline() for p in both if p.stdout is not None}


def test_a_second_run_gives_up_at_once(world: World, serve: Serve, tmp_path: Path) -> None:
    trawl = Trawl(tmp_path, address(serve(world, faults=Faults(latency=1.5))))
    process = trawl.start(*CRAWL)
    try:
        wait_for(lambda: bool(list(tmp_path.glob("set/catalog.db"))), "a catalog")
        startup = min(trawl("crawl", "danbooru", "", code=2).seconds for _ in range(3))
        refused = min(trawl(*CRAWL, code=11).seconds for _ in range(3))
    finally:
        kill(process)
    assert refused - startup < 1


def test_a_reader_with_an_open_cursor_neither_holds_up_nor_breaks_a_crawl(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    trawl = Trawl(tmp_path, address(serve(world)))
    trawl(*FEW)
    log = tmp_path / "set" / "catalog.db-wal"
    with closing(sqlite3.connect(f"file:{tmp_path}/set/catalog.db?mode=ro", uri=True)) as db:
        known = db.execute("SELECT count(*) FROM candidates").fetchone()[0]
        cursor = db.execute("SELECT a.id FROM candidates a, candidates b ORDER BY a.id")
        first = cursor.fetchone()
        began = time.monotonic()
        trawl(*CRAWL)
        assert time.monotonic() - began < 30
        assert log.stat().st_size > 0  # it could not be folded in
        # What it sees is the moment in which it began to look.
        assert first is not None
        assert 1 + len(cursor.fetchall()) == known**2
    assert len(outcome(tmp_path / "set").accepted) == 40
    trawl(*CRAWL)
    assert not log.exists() or log.stat().st_size == 0
    assert_sound(tmp_path / "set")


@pytest.mark.parametrize("words", [CRAWL, ("status", "-w", "set"), ("query", "-w", "set")])
def test_a_catalog_from_a_newer_version_is_refused_and_left_as_it_is(
    world: World, serve: Serve, tmp_path: Path, words: tuple[str, ...]
) -> None:
    trawl = Trawl(tmp_path, address(serve(world)))
    trawl(*FEW)
    with closing(sqlite3.connect(tmp_path / "set" / "catalog.db")) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
        db.commit()
    (tmp_path / "set" / "files" / "tmp" / "arriving").write_bytes(b"theirs")
    before = contents(tmp_path / "set")
    done = trawl(*words, code=4)
    assert "E_NEWER_CATALOG" in done.err
    assert contents(tmp_path / "set") == before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a workspace but its locks and SQLite's index of the log."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.endswith((".lock", "-shm"))
        # A reader makes an empty log where there is none.
        and (path.stat().st_size or not path.name.endswith("-wal"))
    }
