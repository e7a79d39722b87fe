"""How soon a catalog of a million works answers.

    python -m benchmarks.catalog [--works 1000000] [--keep FOLDER] [--save]

A script fills a catalog (see :mod:`benchmarks.million`). Questions are asked in one process, each
several times; the first of them after the file was last written comes from the disk, which is told
apart. Then the same through the command line; judging again under another threshold, and undoing
it; and a crawl of which every work is pending, resumed until its first file is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import crawler
from benchmarks.million import build
from benchmarks.report import Report, note, spread
from crawler import judging
from storage.errors import BadQuery
from storage.reader import Reader

TARGET = 30.0
PREVIEW_TARGET, APPLY_TARGET, RESUME_TARGET = 0.3, 3.0, 1.0
RUNS = 7
COMMAND_RUNS = 5
PAGE = 100
OVER = {"resolution": {"min_side": 1024}}
QUERIES = (
    "",
    "1girl -comic width>=1200",
    "1girl hat -comic",
    "general_tag_40 general_tag_90 -1girl",
    "artist_900",
    "*tag_45*",
    "reason:too_small",
    "reason:blurred sort:-side",
    "rating:g site:danbooru",
    "state:accepted hat sort:-pixels",
    "sort:-pixels",
    "posted>=2024-06 sort:-posted",
    "posted:2012-03",
    "quality.sharpness<0.35",
    "score>=200",
    "state:pending",
    "crawl:LARGE state:accepted",
)
SLOW = ("width>=9000", "sort:-score", "sort:-sharpness")
"""What no index helps: every candidate is read. No target."""

NOTES = f"""\
Each question is the first page of {PAGE} works with all that is printed of them, asked {RUNS} times
of a warm cache: median (least - most), in milliseconds. "Once" is the first time it was asked.
"""


class Asked(ThreadingHTTPServer):
    """A host that has nothing, and remembers when it was first asked for a file."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Nothing)
        self.first = threading.Event()
        self.at = 0.0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Nothing(BaseHTTPRequestHandler):
    server: Asked

    def do_GET(self) -> None:
        if self.path.startswith("/original/") and not self.server.first.is_set():
            self.server.at = time.perf_counter()
            self.server.first.set()
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def listening(port: int) -> Iterator[Asked]:
    with Asked(port) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description="How soon a catalog of a million works answers.")
    parser.add_argument("--works", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder of the catalogs, made or used again")
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="trawl-benchmark-"))
    title = f"How soon a catalog of {given.works:,} works answers"
    try:
        catalog = made(folder / "set", given.works)
        with Report("catalog", title, sys.argv[1:], save=given.save) as out:
            size = (catalog / "catalog.db").stat().st_size
            out.say(f"One crawl of 80 % of them and six small ones; {size / 1e9:.1f} GB.\n")
            out.say(NOTES)
            with Reader(catalog) as reader:
                questions(reader, out)
            commands(catalog, out)
            asyncio.run(judge_again(catalog, out))
            resume(folder / "pending", given.works, out)
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


def made(folder: Path, works: int, **given: Any) -> Path:
    """The workspace in ``folder``, filled where it is not there yet."""
    if not (folder / "catalog.db").exists():
        note(f"filling {folder.name}: {works:,} works")
        build(folder / "catalog.db", works, **given)
    return folder


def questions(reader: Reader, out: Report) -> None:
    large = reader.db.execute("SELECT id FROM crawls ORDER BY rowid LIMIT 1").fetchone()[0]
    last = reader.db.execute("SELECT site_id FROM candidates ORDER BY id DESC LIMIT 1").fetchone()

    def page(text: str) -> Callable[[], object]:
        words = text.replace("LARGE", large).split()
        return lambda: list(reader.query(words, limit=PAGE))

    asked: dict[str, Callable[[], object]] = {
        f"`{q}`" if q else "no words": page(q) for q in QUERIES
    }
    asked["histogram by reason (the table of reasons)"] = lambda: reader.rows(large)
    asked["`status` (all crawls)"] = reader.crawls
    asked["`show site:id`"] = lambda: reader.show(f"danbooru:{last[0]}")
    out.table(
        ["question", "once, ms", "median, ms", f"at most {TARGET:g} ms"],
        [row(name, ask, TARGET) for name, ask in asked.items()],
    )
    out.say("What no index helps, for comparison:\n")
    slow: dict[str, Callable[[], object]] = {f"`{q}`": page(q) for q in SLOW}
    slow["`1girl --count`"] = lambda: reader.count(["1girl"])
    out.table(
        ["question", "once, ms", "median, ms", ""],
        [row(name, ask, None) for name, ask in slow.items()],
    )


def row(name: str, ask: Callable[[], object], target: float | None) -> list[str]:
    taken = [timed(ask) * 1e3 for _ in range(RUNS + 1)]
    once, *again = taken
    return [name, f"{once:.1f}", spread(again, 1), told(statistics.median(again), target)]


def timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def told(value: float, target: float | None) -> str:
    if target is None:
        return ""
    return "met" if value <= target else "not met"


def commands(workspace: Path, out: Report) -> None:
    trawl = str(Path(sys.executable).with_name("trawl"))
    rows = []
    for words in (
        ["query", "1girl", "-comic", "width>=1200"],
        ["query", "reason:too_small"],
        ["query", "sort:-pixels"],
        ["status"],
        ["show", "danbooru:8999999"],
    ):
        command = [trawl, *words, "-w", str(workspace)]
        taken = [timed(lambda c=command: quietly(c)) for _ in range(COMMAND_RUNS)]  # type: ignore[misc]
        rows.append([f"`trawl {' '.join(words)}`", spread(taken, 3)])
    out.table(["whole command, start of Python included", "s"], rows)


def quietly(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdout=quiet, stderr=quiet, check=True, env=environment)


async def judge_again(workspace: Path, out: Report) -> None:
    """With ``--min-side 1024``: what it would change, doing it, and undoing it."""
    previews = []
    for _ in range(3):
        began = time.perf_counter()
        shown = await judging.preview(workspace, OVER)
        previews.append(time.perf_counter() - began)
    moved = sum(tally.count for one in shown.crawls for tally in one.moves)
    began = time.perf_counter()
    done = await judging.apply(workspace, OVER)
    applied = time.perf_counter() - began
    action = next(a for a in recent(workspace) if a.id == done.action)
    began = time.perf_counter()
    await judging.undo_judge(workspace, action)
    undone = time.perf_counter() - began
    median = statistics.median(previews)
    out.table(
        [f"judged again with min_side 1024: {moved:,} works move", "s", "target"],
        [
            ["preview", spread(previews), f"{PREVIEW_TARGET:g} s: {told(median, PREVIEW_TARGET)}"],
            ["apply", f"{applied:.2f}", f"{APPLY_TARGET:g} s: {told(applied, APPLY_TARGET)}"],
            ["undo", f"{undone:.2f}", ""],
        ],
    )


def recent(workspace: Path) -> list[Any]:
    from storage import actions

    with Reader(workspace) as reader:
        return actions.recent(reader.db, 5)


def resume(workspace: Path, works: int, out: Report) -> None:
    port = _port(workspace)
    with listening(port) as server:
        made(workspace, works, pending=True, origin=server.origin)
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TRAWL_")},
            "TRAWL_SITES__DANBOORU__BASE_URL": server.origin,
            "TRAWL_SITES__DANBOORU__RATE": "1000",
            "TRAWL_NET__ALLOW_HOSTS": server.origin.removeprefix("http://"),
            "TRAWL_NET__CONTACT": "benchmarks@example.org",
            "XDG_STATE_HOME": str(workspace / "state"),
            "XDG_CONFIG_HOME": str(workspace / "config"),
        }
        asyncio.run(resume_here(workspace, server, environment))  # what Python imports is warm
        here = [asyncio.run(resume_here(workspace, server, environment)) for _ in range(3)]
        there = [resume_there(workspace, server, environment) for _ in range(3)]
    out.table(
        [
            f"a crawl with {works:,} pending works, resumed until its first file is asked for",
            "s",
            "",
        ],
        [
            [
                "in process, from opening the workspace",
                spread(here),
                f"{RESUME_TARGET:g} s: {told(statistics.median(here), RESUME_TARGET)}",
            ],
            ["`trawl resume`, from the start of the command", spread(there), ""],
        ],
    )


def _port(workspace: Path) -> int:
    """The port a kept catalog was filled for; else any."""
    try:
        with Reader(workspace) as reader:
            origin = reader.db.execute("SELECT origin FROM crawls").fetchone()[0]
    except (crawler.errors.NoWorkspace, BadQuery):
        return 0
    return int(origin.rsplit(":", 1)[1])


async def resume_here(workspace: Path, server: Asked, environment: Mapping[str, str]) -> float:
    from crawler.settings import load

    server.first.clear()
    os.environ.update(environment)
    began = time.perf_counter()
    async with crawler.open(workspace, settings=load(workspace)) as ws:
        run = ws.resume()
        async with run:
            while not server.first.is_set():
                await asyncio.sleep(0.001)
            run.stop()
            run.stop()
    return server.at - began


def resume_there(workspace: Path, server: Asked, environment: Mapping[str, str]) -> float:
    server.first.clear()
    command = [str(Path(sys.executable).with_name("trawl")), "resume", "-w", str(workspace), "-q"]
    quiet = subprocess.DEVNULL
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet) as process:
        if not server.first.wait(60):
            raise SystemExit("nothing was asked for")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
    return server.at - began


if __name__ == "__main__":
    main()
