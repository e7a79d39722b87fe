"""``python -m tests.torture.signals``: SIGINT and SIGTERM at seeded times, some of them twice.

One crawl is stopped again and again. Each time it is to be gone within ten seconds, with the code
of its signal and a table of what there is; in the end it comes to what nobody's signal disturbed.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crawler.demo.world import REIMU
from tests.scenarios.driver import DemoProcess, Trawl, kill
from tests.scenarios.outcome import assert_sound, outcome
from tests.torture.crawl_kills import SETTINGS, Follower, Table, md5_of
from tests.torture.promises import Promises, percentile
from tests.torture.serve import MODULE
from tests.torture.snapshot import EMPTY, Snapshot, snapshot

LIMIT = 10.0
"""Seconds in which a stopped run is to be gone."""
AT_ONCE = 3.0
"""Seconds in which a run that is stopped twice is to be gone."""
WORKS_A_SIGNAL = 14
CRAWL = (
    *("crawl", "danbooru", REIMU, "-w", "set", "--all"),
    *("--min-side", "200", "--min-pixels", "0.04M"),
)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@dataclass(frozen=True)
class Stop:
    """One run that was stopped."""

    number: signal.Signals
    aim: str
    """``starting``, ``fetching`` or ``twice``."""
    seconds: float
    """Between the (second) signal and the end of the process."""
    problem: str | None
    needless: Sequence[str]
    """Files that were asked for although their works had been settled by an earlier run."""
    left: Snapshot


@dataclass
class StoppedCrawl:
    """A crawl in ``home`` that is stopped ``signals`` times by one signal, ``twice`` by two."""

    home: Path
    site: DemoProcess
    signals: int
    twice: int
    seed: int
    stops: list[Stop] = field(default_factory=list)
    _left: Snapshot = EMPTY

    def run(self) -> None:
        """Stop it and go on, again and again; then let it finish."""
        rng = random.Random(self.seed)
        starting = max(1, self.signals // 8)
        aims = ["starting"] * starting + ["fetching"] * (self.signals - starting)
        aims += ["twice"] * self.twice
        rng.shuffle(aims)
        trawl = Trawl(self.home, self.site.address, SETTINGS, timeout=900)
        for position, aim in enumerate(aims):
            known = bool(self._left.states)
            words = ("resume", "-w", "set") if known and position % 5 == 4 else CRAWL
            stop = self._stop(trawl, words, aim, rng, len(aims) - position)
            self.stops.append(stop)
            self._left = stop.left
        trawl(*CRAWL)

    def _stop(
        self, trawl: Trawl, words: Sequence[str], aim: str, rng: random.Random, rounds: int
    ) -> Stop:
        number = rng.choice(tuple(CODES))
        asked = Follower(self.site.ledger_file)
        process = trawl.start(*words)
        try:
            end = time.monotonic() + 60
            files = 0
            if aim == "starting":
                end = time.monotonic() + rng.uniform(0.05, 0.7)
            else:
                files = rng.randint(1, max(1, self._left.pending // rounds))
            while process.poll() is None and time.monotonic() < end:
                if files and asked.text.count('"/original/') >= files:
                    break
                time.sleep(0.001)
            if aim != "starting":
                time.sleep(rng.uniform(0.0, 0.1))
            over = process.poll() is not None
            began = time.monotonic()
            if not over:
                process.send_signal(number)
            if aim == "twice" and not over:
                time.sleep(rng.uniform(0.0, 0.3))
                began = time.monotonic()
                if process.poll() is None:
                    process.send_signal(rng.choice(tuple(CODES)))
            done = trawl.finish(process, timeout=60)
        finally:
            kill(process)
        seconds = time.monotonic() - began
        problem = "it was over before the signal" if over else None
        table = "accepted" in done.out and "is stopped" in done.out
        # Until its own handlers are there, Python ends on the signal by itself.
        codes = {CODES[number], -number} if aim == "starting" else {CODES[number]}
        if done.code not in codes:
            problem = f"exit {done.code} after {number.name}: {done.err.strip()}"
        elif done.code > 0 and ("Traceback" in done.err or "E_INTERRUPTED" not in done.err):
            problem = done.err.strip()
        elif aim != "starting" and not table:
            problem = f"no table: {done.out}{done.err}"
        elif seconds > (AT_ONCE if aim == "twice" else LIMIT):
            problem = f"gone after {seconds:.1f} s"
        left = snapshot(self.home / "set")
        needless = [path for path in asked.originals() if self._left.settled(md5_of(path))]
        return Stop(number, aim, seconds, problem and f"{aim}: {problem}", needless, left)


def stop_crawl(
    promises: Promises, home: Path, *, signals: int, twice: int, seed: int, stalling: bool = True
) -> None:
    """Stop a crawl and note what came of it. ``stalling``: some files never end."""
    more = (signals + twice) * WORKS_A_SIGNAL
    words = ("--count", str(more), "--latency", "5", "60")
    table = _undisturbed(home / "undisturbed", words)
    home = home / "stopped"
    home.mkdir()
    (home / "ledger.jsonl").touch()
    # With them some runs have something to give up.
    endless = ("--stall", str(max(8, more // 6))) if stalling else ()
    with DemoProcess(home / "ledger.jsonl", (*words, *endless), MODULE) as site:
        crawl = StoppedCrawl(home, site, signals, twice, seed)
        crawl.run()
    stops = crawl.stops
    once = [stop.seconds for stop in stops if stop.aim != "twice"]
    for aim, count in Counter(stop.aim for stop in stops).most_common():
        middle = statistics.median(stop.seconds for stop in stops if stop.aim == aim)
        print(f"  {count:3} {aim}, gone after {middle:.2f} s (median)")
    told = " / ".join(f"{percentile(once, share):.2f}" for share in (0.5, 0.99, 1.0))
    inside = sum(seconds <= LIMIT for seconds in once)
    promises.hold(
        "signals answered in time",
        f"{signals} of {signals}",
        f"{inside}; p50/p99/max {told} s",
        inside == signals,
    )
    good = [stop for stop in stops if stop.problem is None]
    promises.hold(
        "code, line and table as promised", str(len(stops)), len(good), len(good) == len(stops)
    )
    for stop in stops:
        if stop.problem:
            print(f"  BROKEN {stop.problem}")
    damaged = [what for stop in stops for what in stop.left.trouble]
    promises.none("catalogs or files damaged by a signal", damaged)
    promises.none("settled works asked for again", [p for stop in stops for p in stop.needless])
    found = outcome(home / "set").table
    promises.none("works lost or changed", [str(row) for row in table if row not in found])
    promises.none("works too many", [str(row) for row in found if row not in table])
    with promises.asserted("files, rows and events agree; no orphan, no double"):
        assert_sound(home / "set")


def _undisturbed(home: Path, words: Sequence[str]) -> Table:
    home.mkdir()
    (home / "ledger.jsonl").touch()
    with DemoProcess(home / "ledger.jsonl", words, MODULE) as site:
        Trawl(home, site.address, SETTINGS, timeout=900)(*CRAWL)
    return outcome(home / "set").table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run this part; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.signals", description=__doc__)
    parser.add_argument("--signals", type=int, default=50)
    parser.add_argument("--twice", type=int, default=12, help="runs that get a second signal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--result", type=Path, help="keep the promises as JSON")
    given = parser.parse_args(arguments)
    promises = Promises("signals")
    with tempfile.TemporaryDirectory(prefix="trawl-signals-") as folder:
        stop_crawl(
            promises, Path(folder), signals=given.signals, twice=given.twice, seed=given.seed
        )
    return promises.end(given.result)


if __name__ == "__main__":
    sys.exit(main())
