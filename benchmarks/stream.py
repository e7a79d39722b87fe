"""How soon a consumer hears of an accepted picture, and how many answers a second it can give.

    python -m benchmarks.stream [--works 2000] [--acks 20000] [--rounds 3] [--save]

An engine in a process of its own accepts pictures as a crawl does (files synced and renamed, the
one writer with group commits, fsync for each). Here a consumer follows and answers.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import crawler
from benchmarks.report import Report, note, spread
from storage import consumers, crawls, listing, stream, works
from storage.database import write_once
from storage.files import FileStore
from storage.lock import EngineLock
from storage.platform import fsync_file
from storage.records import Candidate, CrawlSpec, Image, Ruling
from storage.stream import EVERYTHING
from storage.workspace import CATALOG
from storage.writer import Writer

RATES = (100, 200, 300)
"""Pictures a second that are accepted."""
P50, P99, ACKS = 10.0, 50.0, 2_000
INFLIGHT = 64
"""A small window, beside the usual one of 1000."""
SPEC = CrawlSpec("source", "site", "https://site.test", "all", {})

NOTES = """\
Pictures are accepted at random moments (Poisson) by an engine that does all a crawl does for them
but the download and the decode. Milliseconds count from the moment at which the engine knows that
the picture is accepted, its commit having returned, to the moment at which `async for event in
ws.stream(..., follow=True)` hands it out, with the picture's path, tags and measures read from the
catalog. A negative time is a consumer that knew before the engine did: it is counted as 0. The
consumer answers every event, so that engine and consumer take turns with the catalog. "From before
the commit" adds what the engine waits for: the fsync of the commit, and the commits before it.
"""


def new_crawl(db: sqlite3.Connection) -> str:
    """A crawl without a target or a policy."""
    return crawls.create(
        db, SPEC, resolved="all", predicate={}, policy={}, want=None, partitions=[("all", {})]
    ).id


async def accept(workspace: Path, count: int, rate: float) -> None:
    """The engine: accept pictures at ``rate``; print the times at which each was known."""
    writer, store = Writer(workspace / CATALOG, checkpoint=True), FileStore(workspace)
    rng = random.Random(count)
    with EngineLock(workspace):
        await writer.start()
        crawl = await writer.do(new_crawl)
        page = [
            (
                Candidate("site", SPEC.origin, str(n), tags={"general": ("1girl",)}),
                Ruling("pending"),
            )
            for n in range(count)
        ]
        await writer.do(lambda db: listing.commit_page(db, crawl, 0, page, None, {}))
        waiting = await writer.do(lambda db: works.unsettled(db, crawl, 0, count))

        async def one(candidate_id: int) -> None:
            data = f"picture {candidate_id}".encode().ljust(1000)
            temp, digest = store.temp(), hashlib.sha256(data).hexdigest()
            temp.write_bytes(data)
            fsync_file(temp)
            image = Image(digest, hashlib.md5(data).hexdigest(), "png", 800, 900, 1000, {})
            asked = time.monotonic()
            await writer.do(
                lambda db: works.settle_picture(
                    db, store, crawl, candidate_id, image, Ruling("accepted"), temp=temp
                )
            )
            print(candidate_id, asked, time.monotonic(), flush=True)

        tasks = []
        due = time.monotonic()
        for work in waiting:
            due += rng.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.append(asyncio.create_task(one(work.candidate_id)))
        await asyncio.gather(*tasks)
        await writer.close()


@contextmanager
def engine(workspace: Path, count: int, rate: float) -> Iterator[subprocess.Popen[str]]:
    """An engine in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.stream", "--accept", str(workspace)]
    words += ["--works", str(count), "--rate", str(rate)]
    with open(workspace / "accepted.txt", "w", encoding="utf-8") as out:
        process = subprocess.Popen(words, stdout=out, text=True)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


async def latencies(workspace: Path, count: int, rate: float) -> tuple[list[float], list[float]]:
    """Milliseconds from the returned commit, and from before it, to the consumer; sorted."""
    heard: dict[int, float] = {}
    answers: set[asyncio.Task[None]] = set()
    write_once(workspace / CATALOG, lambda db: consumers.join(db, "bench", EVERYTHING))
    async with crawler.open(workspace) as ws:
        with engine(workspace, count, rate) as process:
            async for event in ws.stream("bench", follow=True):
                heard[event.event.candidate_id or 0] = time.monotonic()
                task = asyncio.create_task(event.ack())
                answers.add(task)
                task.add_done_callback(answers.discard)
                if len(heard) == count:
                    break
            await asyncio.gather(*answers)
            process.wait(timeout=60)
    known, asked = [], []
    for line in (workspace / "accepted.txt").read_text("utf-8").splitlines():
        work, before, after = line.split()
        known.append(max(0.0, heard[int(work)] - float(after)) * 1000)
        asked.append((heard[int(work)] - float(before)) * 1000)
    return sorted(known), sorted(asked)


def fill(workspace: Path, count: int) -> None:
    """So many events that are about nothing."""

    def write(db: sqlite3.Connection) -> None:
        for _ in range(count):
            stream.append(db, "retagged")

    write_once(workspace / CATALOG, write)


async def answered(workspace: Path, name: str, inflight: int, count: int) -> float:
    """Answers a second of a consumer with so many events on their way."""
    async with crawler.open(workspace) as ws:
        began, done = time.monotonic(), 0
        answers: set[asyncio.Task[None]] = set()
        async for event in ws.stream(name, max_inflight=inflight):
            if inflight == 1:
                await event.ack()
            else:
                task = asyncio.create_task(event.ack())
                answers.add(task)
                task.add_done_callback(answers.discard)
            done += 1
            if done == count:
                break
        await asyncio.gather(*answers)
        seconds = time.monotonic() - began
        assert ws.consumer(name).status().acked_seq == count
    return count / seconds


def at(values: list[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def measure_latency(out: Report, count: int, rounds: int) -> None:
    rows = []
    for rate in RATES:
        known, asked = [], []
        for number in range(rounds):
            note(f"{rate} pictures/s, round {number + 1}")
            with tempfile.TemporaryDirectory(prefix="trawl-stream-") as folder:
                found = asyncio.run(latencies(Path(folder), count, rate))
            known.append(found[0])
            asked.append(found[1])
        p50, p99 = ([at(v, share) for v in known] for share in (0.5, 0.99))
        met = statistics.median(p50) <= P50 and statistics.median(p99) <= P99
        rows.append(
            [
                f"{rate} pictures/s",
                spread(p50, 1),
                spread(p99, 1),
                spread([at(v, 0.5) for v in asked], 1),
                spread([at(v, 0.99) for v in asked], 1),
                "met" if met else "not met",
            ]
        )
    before = "from before the commit"
    target = f"p50 <= {P50:g}, p99 <= {P99:g}"
    out.table(["ms", "p50", "p99", f"p50 {before}", f"p99 {before}", target], rows)


def measure_answers(out: Report, count: int, rounds: int) -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="trawl-stream-") as folder:
        fill(Path(folder), count)
        for inflight in (1_000, INFLIGHT, 1):
            few = count if inflight > 1 else count // 5
            rates = []
            for number in range(rounds):
                note(f"{inflight} on their way, round {number + 1}")
                name = f"{inflight}-{number}"
                rates.append(asyncio.run(answered(Path(folder), name, inflight, few)))
            how = "one after the other" if inflight == 1 else f"{inflight} on their way"
            met = "met" if statistics.median(rates) >= ACKS else "not met"
            rows.append([how, spread(rates, 0), met])
    out.table(["answers", "a second", f">= {ACKS}"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="The stream: latency and answers a second.")
    parser.add_argument("--works", type=int, default=2_000, help="pictures of each round")
    parser.add_argument("--acks", type=int, default=20_000, help="events to answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    parser.add_argument("--accept", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.accept is not None:
        asyncio.run(accept(given.accept, given.works, given.rate))
        return
    title = "Accepted pictures to a consumer, and its answers"
    with Report("stream", title, sys.argv[1:], save=given.save) as out:
        out.say(NOTES)
        measure_latency(out, given.works, given.rounds)
        out.say(
            "Answers in a catalog to which nobody else writes; reading the events is part of the"
            " time. An answer outlives every kill, and is not synced for itself: a power cut may"
            " undo the last ones, and their events come again.\n"
        )
        measure_answers(out, given.acks, given.rounds)


if __name__ == "__main__":
    main()
