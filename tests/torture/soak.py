"""``python -m tests.torture.soak``: a long crawl of small files; what it uses does not grow.

Samples memory, descriptors, threads, tasks and the catalog's log every few seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.scenarios.driver import ROOT, DemoProcess, Trawl
from tests.scenarios.outcome import rows
from tests.torture.promises import Promises
from tests.torture.serve import MODULE

MB = 1_000_000
MOST_RSS = 250 * MB
MOST_WAL = 64 << 20
MOST_SLOPE = 1.0
"""MB of memory per 10,000 images."""
WARM = 0.2
"""Share of the images after which nothing may grow any more."""
ROOM = {"descriptors": 16, "tasks": 16, "threads": 4}
"""By how much two looks at the same load may differ: pools start threads as they need them."""
SLOPES_FROM = 50_000
"""With fewer images a slope says nothing: the interpreter's table of interned strings, which path
names pass through, is made anew now and then and is 2 MB larger or smaller afterwards."""


@dataclass(frozen=True)
class Sample:
    """What the crawl used at one moment; memory and the log in bytes."""

    seconds: float
    images: int
    rss: int
    children_rss: int
    children: int
    descriptors: int
    threads: int
    tasks: int
    wal: int


@contextmanager
def crawling(home: Path, count: int, every: float, *, trace: bool) -> Iterator[Iterator[Sample]]:
    """A crawl of ``count`` files in a process of its own; yields its samples as they come."""
    ledger = home / "ledger.jsonl"
    ledger.touch()
    with DemoProcess(ledger, ("--world", "small", "--count", str(count)), MODULE) as site:
        settings = {
            "TRAWL_LIMITS__MIN_FREE": "0",
            "TRAWL_SITES__DANBOORU__CONNECTIONS": "16",
            "TRAWL_SITES__DANBOORU__RATE": "100000",
        }
        words = [sys.executable, "-m", "tests.torture.soak_crawl", str(home / "set")]
        words += ["--every", str(every), *(["--trace"] if trace else [])]
        environment = Trawl(home, site.address, settings).environment
        with subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                yield (Sample(**json.loads(line)) for line in process.stdout)
                assert process.wait() == 0, f"the crawl ended with {process.returncode}"
            finally:
                process.kill()


def slope(samples: Sequence[Sample]) -> float:
    """Least-squares MB of memory, children included, per 10,000 images."""
    images = np.array([sample.images for sample in samples], float)
    memory = np.array([sample.rss + sample.children_rss for sample in samples], float)
    return float(np.polyfit(images, memory, 1)[0] * 10_000 / MB)


def soak(promises: Promises, home: Path, *, count: int, every: float, trace: bool = False) -> None:
    """Crawl and note whether anything grew."""
    samples: list[Sample] = []
    with crawling(home, count, every, trace=trace) as coming:
        for sample in coming:
            samples.append(sample)
            print(
                f"  {sample.seconds:6.0f} s {sample.images:7} images"
                f" {sample.rss / MB:6.1f} + {sample.children_rss / MB:.1f} MB"
                f" {sample.descriptors:4} descriptors {sample.threads:3} threads"
                f" {sample.tasks:4} tasks, log {sample.wal / MB:5.1f} MB",
                flush=True,
            )
    *during, end = samples
    warm = [sample for sample in during if sample.images >= WARM * count]
    found = rows(home / "set", "SELECT state, count(*) AS works FROM works GROUP BY state")
    states = {row["state"]: row["works"] for row in found}
    promises.hold("works accepted", str(count), states, states == {"accepted": count})
    _hold_growth(promises, warm, end)
    most = max(sample.rss + sample.children_rss for sample in samples)
    promises.hold(
        "memory (RSS)", f"<= {MOST_RSS // MB} MB", f"{most / MB:.0f} MB", most <= MOST_RSS
    )
    grows = slope(warm)
    print(f"  memory per 10,000 images: {grows:+.2f} MB")
    if count >= SLOPES_FROM:
        promises.hold(
            "memory per 10,000 images",
            f"< {MOST_SLOPE:g} MB",
            f"{grows:+.2f} MB",
            grows < MOST_SLOPE,
        )
    log = max(sample.wal for sample in samples)
    promises.hold(
        "the catalog's log",
        f"<= {MOST_WAL >> 20} MiB",
        f"{log / (1 << 20):.1f} MiB",
        log <= MOST_WAL,
    )
    wal = home / "set" / "catalog.db-wal"
    left = wal.stat().st_size if wal.exists() else 0
    promises.hold("the log when all is over", "0 bytes", f"{left} bytes", left == 0)
    first, last = _rate(during[: len(during) // 4 + 2]), _rate(during[-len(during) // 4 - 2 :])
    print(f"  {first:.0f} images/s at the start, {last:.0f} at the end")


def _hold_growth(promises: Promises, warm: Sequence[Sample], end: Sample) -> None:
    half = len(warm) // 2
    for what in ("descriptors", "threads", "tasks", "children"):
        early = max((getattr(sample, what) for sample in warm[:half]), default=0)
        late = max((getattr(sample, what) for sample in warm[half:]), default=0)
        room = ROOM.get(what, 0)
        told = f"{early} early, {late} late, {getattr(end, what)} at the end"
        promises.hold(what, f"+ {room} at most", told, half > 0 and late <= early + room)


def _rate(samples: Sequence[Sample]) -> float:
    if len(samples) < 2:
        return 0.0
    images = samples[-1].images - samples[0].images
    return images / (samples[-1].seconds - samples[0].seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this part; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="files to crawl")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--trace", action="store_true", help="tell which lines hold memory")
    parser.add_argument("--result", type=Path, help="keep the promises as JSON")
    given = parser.parse_args(arguments)
    print(f"{given.count} files, {os.cpu_count()} cores", flush=True)
    promises = Promises("soak")
    with tempfile.TemporaryDirectory(prefix="trawl-soak-") as folder:
        soak(promises, Path(folder), count=given.count, every=given.every, trace=given.trace)
    return promises.end(given.result)


if __name__ == "__main__":
    sys.exit(main())
