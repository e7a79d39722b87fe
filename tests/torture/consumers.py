"""Three consumers of one crawl, killed again and again, and so is the engine that they follow.

    python -m tests.torture.consumers [--works 10000] [--kills 100] [--seed 1]

A program that answers out of order, a script behind ``trawl stream --ack-stdin``, and a folder that
a tool watches. Whatever is killed is started again with the same command. At the end nothing may be
lost, and nothing may have been done twice.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.export.disk import is_temp
from storage import consumers
from storage.database import open_reader, write_once
from storage.workspace import CATALOG
from tests.scenarios.driver import ROOT
from tests.scenarios.outcome import sha256
from tests.torture import effects
from tests.torture.promises import Promises

NAMES = ("python", "script", "folder")
DEADLINE = 60.0
"""Seconds in which the consumers have done all, once the engine has, beyond a second for 20 works.
"""


@dataclass
class Actor:
    """A process that is started again whenever it is killed."""

    name: str
    command: Sequence[str]
    log: Path
    kills: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        words = [sys.executable, "-m", *self.command]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                words, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, rng: random.Random) -> None:
        """SIGKILL, to all it started or to itself alone, and start it again."""
        if rng.random() < 0.5:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()  # what it started is to find out by itself
        self.process.wait()
        self.kills += 1
        self.start()

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            return -1
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Watcher:
    """A tool that watches a folder: it looks all the time, and takes what it sees for finished."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bare: list[str] = []
        """Pictures that were seen without their caption."""
        self.looks = 0

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen: set[str] = set()
        while not self._over.wait(0.02):
            self.looks += 1
            names = set(os.listdir(self._folder)) if self._folder.is_dir() else set()
            pictures = {name for name in names if name.endswith(".png") and name[0] != "."}
            for name in pictures - seen:
                caption = (self._folder / name).with_suffix(".txt")
                # One that went meanwhile went before its caption did.
                if not caption.exists() and (self._folder / name).exists():
                    self.bare.append(name)
            seen = pictures


def kill_consumers(
    promises: Promises, home: Path, *, works: int, kills: int, seed: int, pace: float = 0.02
) -> None:
    """Let ``works`` be accepted and consumed under ``kills``, and note what is promised of it."""
    workspace, out, files = home / "set", home / "out", home / "effects"
    rng = random.Random(seed)
    feeder = Actor(
        "engine",
        ["tests.torture.feeder", str(workspace), str(works), "--pace", str(pace)],
        home / "engine.log",
    )
    folder = ["crawler.cli.main", "stream", "-w", str(workspace), "--consumer", "folder"]
    words: Mapping[str, Sequence[str]] = {
        "python": ["tests.torture.effects", "python", str(workspace), str(seed)],
        "script": ["tests.torture.effects", "script", str(workspace), str(files), str(seed)],
        "folder": [*folder, "--folder", str(out), "--follow"],
    }
    readers = [Actor(name, words[name], home / f"{name}.log") for name in NAMES]
    feeder.start()
    _await_catalog(workspace)
    write_once(workspace / CATALOG, effects.prepare)
    with Watcher(out) as watcher:
        for reader in readers:
            reader.start()
        began = time.monotonic()
        _kill_all(workspace, [feeder, *readers], works, kills, rng)
        lags = _await_done(workspace, feeder, readers, works)
        took = time.monotonic() - began
        codes = {reader.name: reader.end() for reader in readers}
    told = ", ".join(f"{actor.name} {actor.kills}" for actor in (feeder, *readers))
    print(f"{works} works, killed: {told}; {took:.0f} s, {watcher.looks} looks at the folder")
    killed = sum(actor.kills for actor in (feeder, *readers))
    promises.hold("kills", f">= {kills}", killed, killed >= kills)
    promises.none("consumers that have not done all", [f"{n}: {lag}" for n, lag in lags if lag])
    strange = [f"{name}: exit {code}" for name, code in codes.items() if code not in (143, -15)]
    promises.none("consumers that do not end when told to", strange)
    _judge(promises, workspace, out, files)
    promises.none("pictures seen in the folder without a caption", watcher.bare)


def _kill_all(
    workspace: Path, actors: Sequence[Actor], works: int, kills: int, rng: random.Random
) -> None:
    """Kill one after the other, spread over the time that the engine takes."""
    order = [actors[n % len(actors)] for n in range(kills)]
    rng.shuffle(order)
    for number, actor in enumerate(order):
        # The next kill is due when so many works are accepted; and every process gets to work.
        due = works * (number + rng.random()) / kills
        until = time.monotonic() + 10
        while _settled(workspace) < due and time.monotonic() < until:
            _revive(actors)
            time.sleep(0.05)
        time.sleep(rng.random())
        actor.kill(rng)


def _await_done(
    workspace: Path, feeder: Actor, readers: Sequence[Actor], works: int
) -> list[tuple[str, int]]:
    """Wait until all is written and done; what each has left, -1 where it never read."""
    deadline = time.monotonic() + DEADLINE + works / 20
    while True:
        _revive(readers)
        lag = _lag(workspace)
        written = feeder.process.poll() == 0
        if feeder.process.poll() not in (0, None):
            feeder.start()
        if (written and not any(lag.values())) or time.monotonic() > deadline:
            return list(lag.items())
        time.sleep(0.1)


def _revive(actors: Sequence[Actor]) -> None:
    """Start again what ended because a part of it was killed, or its consumer was still read."""
    for actor in actors:
        if actor.process.poll() not in (0, None):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(actor.process.pid, signal.SIGKILL)
            actor.start()


def _await_catalog(workspace: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            if _settled(workspace) > 0:
                return
        time.sleep(0.05)
    raise AssertionError("the engine has not begun")


def _rows(workspace: Path, sql: str) -> list[sqlite3.Row]:
    with contextlib.closing(open_reader(workspace / CATALOG)) as db:
        return db.execute(sql).fetchall()


def _settled(workspace: Path) -> int:
    return int(_rows(workspace, "SELECT count(*) FROM works WHERE state != 'pending'")[0][0])


def _lag(workspace: Path) -> dict[str, int]:
    with contextlib.closing(open_reader(workspace / CATALOG)) as db:
        found = {c.name: c.lag + c.dead for c in consumers.every(db)}
    return {name: found.get(name, -1) for name in NAMES}


def _judge(promises: Promises, workspace: Path, out: Path, files: Path) -> None:
    seqs = {row[0] for row in _rows(workspace, "SELECT seq FROM events")}
    did = Counter(row[0] for row in _rows(workspace, "SELECT seq FROM effects"))
    promises.hold("events", "no gap", len(seqs), seqs == set(range(1, len(seqs) + 1)))
    promises.none("program: events lost", [str(seq) for seq in sorted(seqs - did.keys())])
    promises.none("program: effects twice", [str(seq) for seq, n in did.items() if n > 1])
    promises.none("program: effects of nothing", [str(seq) for seq in did.keys() - seqs])

    accepted = {
        effects.key({"sha256": row[0]})
        for row in _rows(workspace, "SELECT sha256 FROM events WHERE kind = 'accepted'")
    }
    found = {path.name for path in files.iterdir() if not path.name.startswith(".")}
    promises.none("script: effects lost", sorted(accepted - found))
    promises.none("script: effects too many", sorted(found - accepted))

    live = {row[0] for row in _rows(workspace, "SELECT sha256 FROM accepted")}
    shown = Counter(sha256(path.read_bytes()) for path in out.glob("*.png"))
    promises.none("folder: pictures lost", sorted(live - shown.keys()))
    promises.none("folder: pictures too many", sorted(shown.keys() - live))
    promises.none("folder: pictures twice", [name for name, n in shown.items() if n > 1])
    captions = {path.stem for path in out.glob("*.txt")}
    promises.none(
        "folder: captions and pictures that stand alone",
        sorted(captions ^ {path.stem for path in out.glob("*.png")}),
    )
    promises.none("folder: leftovers", [path.name for path in out.iterdir() if is_temp(path.name)])
    exported = {row[0] for row in _rows(workspace, "SELECT path FROM exported")}
    mine = {str(path) for path in out.iterdir() if path.suffix in (".png", ".txt")}
    promises.none("folder: files that a purge would not find", sorted(mine - exported))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this part; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.consumers", description=__doc__)
    parser.add_argument("--works", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path, help="keep the promises as JSON")
    given = parser.parse_args(arguments)
    promises = Promises("consumers")
    with tempfile.TemporaryDirectory(prefix="trawl-consumers-") as folder:
        kill_consumers(
            promises, Path(folder), works=given.works, kills=given.kills, seed=given.seed
        )
    return promises.end(given.result)


if __name__ == "__main__":
    sys.exit(main())
