"""How long a person waits for commands that only look.

    python -m benchmarks.startup [--works 1000] [--save]

A crawl of the demo site fills a workspace; then the commands are run in turns, each a fresh
process with its output thrown away.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.demo_site import demo_site
from benchmarks.report import Report, note
from crawler.demo.world import REIMU

TARGET = 0.15
RUNS = 10
BARE = "python -c pass"


def timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds from start to exit."""
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, env=environment, stdout=quiet, stderr=quiet, check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="How long commands that only look take.")
    parser.add_argument("--works", type=int, default=1000)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    given = parser.parse_args()
    trawl = str(Path(sys.executable).with_name("trawl"))
    title = "How long commands that only look take"
    with (
        demo_site("--posts", str(given.works)) as site,
        Report("startup", title, sys.argv[1:], save=given.save) as out,
    ):
        environment = site.environment()
        at = ["-w", str(site.folder / "set")]
        note("filling a workspace")
        crawl = [trawl, "crawl", "danbooru", REIMU, "--all", "-q", *at]
        subprocess.run(crawl, env=environment, stdout=subprocess.DEVNULL, check=True)
        commands = {
            BARE: [sys.executable, "-c", "pass"],
            "trawl --help": [trawl, "--help"],
            "trawl status": [trawl, "status", *at],
            "trawl query state:accepted": [trawl, "query", "state:accepted", *at],
        }
        out.say(f"A workspace of {given.works} works; {RUNS} alternating runs of each command.\n")
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                taken[name].append(timed(command, environment))
        rows = [
            [name, f"{min(times):.3f}", f"{statistics.median(times):.3f}", told(name, times)]
            for name, times in taken.items()
        ]
        out.table(["", "least, s", "median, s", f"median at most {TARGET} s"], rows)


def told(name: str, times: Sequence[float]) -> str:
    if name == BARE:
        return ""
    return "met" if statistics.median(times) <= TARGET else "not met"


if __name__ == "__main__":
    main()
