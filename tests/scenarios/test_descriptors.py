"""Few file descriptors make a run slower; they cost no picture."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.demo.posts import World
from crawler.demo.world import REIMU
from tests.crawler.shelf import paint
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address
from tests.scenarios.outcome import assert_sound, outcome

COUNT = 500
SMALL = ("--min-side", "16", "--min-pixels", "1")


def limited(trawl: Trawl, soft: int, hard: int, *words: str | Path) -> subprocess.Popen[str]:
    """Start a command in a process that may open so many files."""
    process = trawl.start(*words)
    # It has not got as far as our own code: that is when `ulimit` is read.
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    return process


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(COUNT):
        paint(folder, f"{number:03}", 20)
    return folder


def test_all_of_five_hundred_pictures_arrive_where_64_files_may_be_open(
    pictures: Path, tmp_path: Path
) -> None:
    words = ("crawl", "folder", pictures, "-w", "set", *SMALL)
    done = Trawl(tmp_path).finish(limited(Trawl(tmp_path), 64, 64, *words))
    assert done.code == 0, done.err
    assert "may have 64 files and sockets open (ulimit -n), so it keeps 1 on" in done.err
    assert len(outcome(tmp_path / "set").accepted) == COUNT
    assert_sound(tmp_path / "set")


@pytest.mark.parametrize(("hard", "warnings"), [(400, 0), (64, 1)])
def test_a_soft_limit_is_raised_as_far_as_it_may(
    world: World, serve: Serve, tmp_path: Path, hard: int, warnings: int
) -> None:
    trawl = Trawl(tmp_path, address(serve(world)))
    words = ("crawl", "danbooru", REIMU, "-w", "set", "--want", "30", "--json")
    done = trawl.finish(limited(trawl, 30, hard, *words))
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["warnings"]) == warnings
    assert len(outcome(tmp_path / "set").accepted) == 30
    assert_sound(tmp_path / "set")


SHORTAGES = """
import asyncio, os, resource, sys
import crawler

NOFILE = resource.RLIMIT_NOFILE

async def main():
    folder, workspace = sys.argv[1:]
    policy = {"resolution": {"min_side": 16, "min_pixels": 1}}
    async with crawler.open(workspace) as ws:
        run = ws.crawl("folder", folder, want=None, policy=policy)
        shortages, accepted = 0, 0

        def shortage(report):
            nonlocal shortages, accepted
            accepted += report["type"] == "accepted"
            if report["type"] == "accepted" and accepted % 60 == 30:
                shortages += 1
                soft, hard = resource.getrlimit(NOFILE)
                resource.setrlimit(NOFILE, (0, hard))  # nothing can be opened any more
                loop.call_later(0.4, resource.setrlimit, NOFILE, (soft, hard))

        loop = asyncio.get_running_loop()
        run.observe(shortage)
        summary = await run
        print(shortages, summary.accepted, summary.state)

asyncio.run(main())
"""


def test_a_shortage_that_passes_is_waited_for(pictures: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(pictures.iterdir())[:200]:
        (few / path.name).hardlink_to(path)
    trawl = Trawl(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SHORTAGES, str(few), str(tmp_path / "set")],
        env=trawl.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["3", "200", "finished"], done.stderr
    assert "Traceback" not in done.stderr
    assert_sound(tmp_path / "set")
