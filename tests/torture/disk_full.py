"""``python -m tests.torture.disk_full``: the disk is full at seeded points; nothing is lost.

Crawls run on small disks: from too small for a catalog up to nearly enough, some with room that
is to stay free, some filled up midway by a file of somebody else. Each ends with exit 3 and one
line; when there is room again, the same command comes to what an undisturbed crawl comes to.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from crawler.demo.world import REIMU
from tests.scenarios.driver import DemoProcess, Done, Trawl, wait_for
from tests.scenarios.outcome import assert_sound, outcome
from tests.torture.crawl_kills import Follower, Table, md5_of
from tests.torture.disks import PAGE, Disk, way_to_mount
from tests.torture.promises import Promises
from tests.torture.serve import MODULE
from tests.torture.snapshot import EMPTY, Snapshot, snapshot

WORDS = ("--world", "few", "--count", "1", "--latency", "0", "10")
AMPLE = 256 << 20
KEEP_FREE = 4 << 20
"""What ``min_free`` is where it is in force."""
MOUNTED = "--mounted"
Kind: TypeAlias = Literal["small", "whole home", "min_free", "foreign", "stepwise"]
KINDS: tuple[Kind, ...] = ("small", "small", "whole home", "min_free", "foreign", "stepwise")


@dataclass(frozen=True)
class Point:
    """One disk. ``sizes`` are those it has until it is large enough, in bytes."""

    number: int
    kind: Kind
    sizes: tuple[int, ...]
    after: int = 0
    """Files that are asked for before somebody else's file fills the disk."""

    def __str__(self) -> str:
        sizes = ", ".join(f"{size // 1024} KiB" for size in self.sizes)
        return f"point {self.number} ({self.kind}, {sizes})"


@dataclass
class Tally:
    """What the points came to."""

    full: Counter[str] = field(default_factory=Counter)
    """kind -> points where the disk was full."""
    runs: int = 0
    wrong_ends: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)


def points(number: int, seed: int, needed: int) -> list[Point]:
    """Seeded points: sizes spread evenly in their logarithm up to ``needed`` bytes."""
    rng = random.Random(seed)
    found = []
    for position in range(number):
        kind = KINDS[position % len(KINDS)]
        spread = (position + rng.random()) / number
        size = int(64 * 1024 * (0.9 * needed / (64 * 1024)) ** spread) // PAGE * PAGE
        match kind:
            case "foreign":
                found.append(Point(position, kind, (AMPLE,), rng.randint(1, 15)))
            case "stepwise":
                sizes = sorted({size, (size + needed) // 2 // PAGE * PAGE, needed // 10 * 9})
                found.append(Point(position, kind, tuple(sizes)))
            case "min_free":
                found.append(Point(position, kind, (size + KEEP_FREE,)))
            case _:
                found.append(Point(position, kind, (size,)))
    rng.shuffle(found)
    return found


@dataclass
class Prover:
    """Runs points against one server and compares with one undisturbed crawl."""

    folder: Path
    site: DemoProcess
    tally: Tally
    table: Table = field(default_factory=list)

    def undisturbed(self) -> int:
        """The crawl that nobody disturbs; returns the bytes that its workspace takes."""
        with Disk(self.folder / "whole", AMPLE) as disk:
            self._trawl(disk.path, "0")(*_crawl(disk))
            assert_sound(disk.path / "set")
            self.table = outcome(disk.path / "set").table
            return AMPLE - disk.free

    def prove(self, point: Point) -> None:
        """Run one point: full once or more, then large enough."""
        home = self.folder / f"home-{point.number}"
        home.mkdir()
        with Disk(self.folder / f"disk-{point.number}", point.sizes[0]) as disk:
            at_home = disk.path if point.kind in ("whole home", "foreign") else home
            trawl = self._trawl(at_home, str(KEEP_FREE) if point.kind == "min_free" else "0")
            left = EMPTY
            for size in point.sizes:
                if size != disk.size:
                    disk.grow(size)
                done = self._filled(trawl, disk, point)
                self.tally.runs += 1
                if done.code == 0:
                    break  # it was large enough after all
                self.tally.full[point.kind] += size == point.sizes[0]
                left = self._after_full(point, disk, done, left)
                self._look(point, trawl, disk)
            (disk.path / "foreign").unlink(missing_ok=True)
            disk.grow(AMPLE)
            self._after_all(point, trawl, disk, left)

    def _filled(self, trawl: Trawl, disk: Disk, point: Point) -> Done:
        """A run on a disk that is full, or becomes it."""
        if point.kind != "foreign":
            return trawl(*_crawl(disk), code=None)
        asked = Follower(self.site.ledger_file)
        process = trawl.start(*_crawl(disk))
        wait_for(
            lambda: process.poll() is not None or asked.text.count('"/original/') >= point.after,
            f"{point.after} files",
        )
        disk.fill()
        return trawl.finish(process)

    def _after_full(self, point: Point, disk: Disk, done: Done, before: Snapshot) -> Snapshot:
        told = [line for line in done.err.splitlines() if line.startswith("trawl:")]
        clear = len(told) == 1 and "[E_NO_SPACE]" in told[0] and "Traceback" not in done.err
        if done.code != 3 or not clear:
            self.tally.wrong_ends.append(f"{point}: exit {done.code}: {done.err.strip()}")
        if point.kind == "min_free" and disk.free < KEEP_FREE // 4:
            self.tally.taken.append(f"{point}: only {disk.free} bytes were left free")
        left = snapshot(disk.path / "set", hashes=True)
        self.tally.damaged += [f"{point}: {what}" for what in left.trouble]
        gone = sorted(before.stored.keys() - left.stored.keys())
        self.tally.lost += [f"{point}: {name} was there before" for name in gone]
        return left

    def _look(self, point: Point, trawl: Trawl, disk: Disk) -> None:
        """Whoever asks what there is gets an answer, or a reason in one line."""
        if point.number % 5:
            return
        done = trawl("status", "-w", disk.path / "set", code=None)
        if "Traceback" in done.err or "E_UNEXPECTED" in done.err:
            self.tally.blind.append(f"{point}: exit {done.code}: {done.err.strip()}")

    def _after_all(self, point: Point, trawl: Trawl, disk: Disk, left: Snapshot) -> None:
        asked = Follower(self.site.ledger_file)
        done = trawl(*_crawl(disk), code=None)
        if done.code != 0:
            self.tally.lost.append(f"{point}: with room again exit {done.code}: {done.err.strip()}")
            return
        found = outcome(disk.path / "set").table
        if found != self.table:
            lost = [row for row in self.table if row not in found]
            self.tally.lost.append(f"{point}: not as undisturbed: {lost[:3]}")
        again = [path for path in asked.originals() if left.settled(md5_of(path))]
        self.tally.needless += [f"{point}: {path}" for path in again]
        try:
            assert_sound(disk.path / "set")
        except AssertionError as error:
            self.tally.damaged.append(f"{point}: {' '.join(str(error).split())[:500]}")

    def _trawl(self, home: Path, min_free: str) -> Trawl:
        settings = {"TRAWL_LIMITS__MIN_FREE": min_free, "TRAWL_LIMITS__CONCURRENCY": "6"}
        return Trawl(home, self.site.address, settings)


def _crawl(disk: Disk) -> tuple[str | Path, ...]:
    return ("crawl", "danbooru", REIMU, "-w", disk.path / "set", "--all", "-q")


def prove(promises: Promises, folder: Path, *, number: int, seed: int) -> None:
    """Run the points and note what they came to."""
    tally = Tally()
    ledger = folder / "ledger.jsonl"
    ledger.touch()
    with DemoProcess(ledger, WORDS, MODULE) as site:
        prover = Prover(folder, site, tally)
        needed = prover.undisturbed()
        print(f"undisturbed: {len(prover.table)} works, {needed / 1e6:.1f} MB on the disk")
        made = points(number, seed, needed)
        for done, point in enumerate(made, start=1):
            prover.prove(point)
            if done % 10 == 0:
                print(f"  {done} of {number} points", flush=True)
    sizes = sorted(size for point in made for size in point.sizes)
    print(f"  {tally.runs} runs on full disks of {sizes[0] // 1024} to {sizes[-1] // 1024} KiB")
    print("  " + ", ".join(f"{count} {kind}" for kind, count in tally.full.items()))
    full = tally.full.total()
    promises.hold(
        "points where the disk was full", f">= {number * 9 // 10}", full, full >= number * 9 // 10
    )
    promises.none("runs that ended otherwise than with 3 and one line", tally.wrong_ends)
    promises.none("runs that took the room that was to stay free", tally.taken)
    promises.none("damaged catalogs, half files, orphans after all", tally.damaged)
    promises.none("works lost or changed after all", tally.lost)
    promises.none("settled works asked for again", tally.needless)
    promises.none("questions that a full disk left without an answer", tally.blind)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this part, in a mount namespace of its own; 1 where a promise was broken."""
    given_words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.torture.disk_full", description=__doc__)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path, help="keep the promises as JSON")
    parser.add_argument(MOUNTED, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(given_words)
    if not given.mounted:
        way = way_to_mount()
        if way is None:
            print("disk_full: left out, this system lets nobody mount a small disk")
            return 0
        again = [*way, sys.executable, "-m", "tests.torture.disk_full", MOUNTED, *given_words]
        return subprocess.run(again).returncode
    promises = Promises("disk_full")
    with tempfile.TemporaryDirectory(prefix="trawl-disks-") as folder:
        prove(promises, Path(folder), number=given.points, seed=given.seed)
    return promises.end(given.result)


if __name__ == "__main__":
    sys.exit(main())
