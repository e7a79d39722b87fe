"""``python -m tests.torture.soak_crawl``: one long crawl that tells what it uses while it goes on.

Prints a JSON line every few seconds, and one when everything is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import psutil

import crawler
from crawler.demo.world import REIMU
from crawler.stats import Stats
from tests.torture.worlds import SMALL_SIDE

POLICY = {
    "resolution": {"min_side": SMALL_SIDE // 2, "min_pixels": SMALL_SIDE},
    "allow": ["upscaled", "fake_side", "fake_pixels", "monochrome"],
}
TOP = 25


class Sampler:
    """Looks at this process and its children."""

    def __init__(self, workspace: Path, stats: Stats) -> None:
        self._process = psutil.Process()
        self._wal = workspace / "catalog.db-wal"
        self._stats = stats
        self._began = time.monotonic()

    def tell(self) -> None:
        """Print one sample. Memory and the log are in bytes."""
        family = self._process.children(recursive=True)
        sample = {
            "seconds": time.monotonic() - self._began,
            "images": self._stats.states.total(),
            "rss": self._process.memory_info().rss,
            "children_rss": sum(_rss(child) for child in family),
            "children": len(family),
            "descriptors": self._process.num_fds(),
            "threads": self._process.num_threads(),
            "tasks": len(asyncio.all_tasks()),
            "wal": self._wal.stat().st_size if self._wal.exists() else 0,
        }
        print(json.dumps(sample), flush=True)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


async def crawl(workspace: Path, every: float, *, trace: bool) -> None:
    """Crawl everything, sampling every so many seconds."""
    async with crawler.open(workspace) as ws:
        run = ws.crawl("danbooru", REIMU, want=None, policy=POLICY)
        sampler = Sampler(workspace, run.stats)

        async def sample() -> None:
            while True:
                await asyncio.sleep(every)
                sampler.tell()

        telling = asyncio.create_task(sample())
        looking = asyncio.create_task(_account(run.stats)) if trace else None
        summary = await run
        for task in (telling, looking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        sampler.tell()
        assert summary.error is None, summary.error


async def _account(stats: Stats) -> None:
    """Between a fifth of the time and later: which lines hold more memory, and which types grow."""
    while stats.states.total() < 1000:
        await asyncio.sleep(0.2)
    gc.collect()
    tracemalloc.start(8)
    await asyncio.sleep(5)
    first, types, images = tracemalloc.take_snapshot(), _types(), stats.states.total()
    while True:
        await asyncio.sleep(20)
        gc.collect()
        grown = tracemalloc.take_snapshot().compare_to(first, "traceback")[:TOP]
        done = stats.states.total() - images
        print(f"--- after {done} more images", file=sys.stderr)
        for line in grown:
            where = " < ".join(str(frame) for frame in reversed(line.traceback))
            print(f"{line.size_diff:+10} B {line.count_diff:+7}  {where}", file=sys.stderr)
        print((_types() - types).most_common(15), file=sys.stderr, flush=True)


def _types() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects())


def main() -> None:
    """Crawl with the settings of the environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--trace", action="store_true", help="tell which lines hold memory")
    given = parser.parse_args()
    asyncio.run(crawl(given.workspace, given.every, trace=given.trace))


if __name__ == "__main__":
    main()
