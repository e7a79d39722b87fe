"""Kills the commands that write a folder: ``trawl export`` and ``trawl character``."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crawler.demo.world import REIMU
from stages.export.state import STATE
from tests.scenarios.driver import DemoProcess, Trawl, kill
from tests.scenarios.outcome import assert_sound, outcome, sha256
from tests.torture.promises import Promises
from tests.torture.serve import MODULE

WORDS = ("--world", "few", "--count", "2")
SETTINGS = {"TRAWL_LIMITS__MIN_FREE": "0"}
CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--all", "-q")
LAYOUTS = ("kohya", "imagefolder")


def contents(folder: Path) -> Mapping[str, str]:
    """Relative path -> sha256, of every file in a folder but the memory of when it was written."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != STATE)
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()) for path in files}


def kill_export(promises: Promises, home: Path, *, kills: int, seed: int) -> None:
    """Kill ``trawl export`` of every layout, then let it finish."""
    home.mkdir()
    (home / "ledger.jsonl").touch()
    rng = random.Random(seed)
    with DemoProcess(home / "ledger.jsonl", WORDS, MODULE) as site:
        trawl = Trawl(home, site.address, SETTINGS)
        trawl(*CRAWL)
        for number, layout in enumerate(LAYOUTS):
            whole, broken = f"whole-{layout}", f"broken-{layout}"
            words = ("-w", "set", "--layout", layout)
            took = trawl("export", whole, *words).seconds
            share = kills // len(LAYOUTS) + (number < kills % len(LAYOUTS))
            hunt = _Hunt(trawl, ("export", broken, *words), home / broken, took, rng)
            hunt.kill(promises, share, f"export {layout}")
            what = f"export {layout}: files that differ"
            promises.none(what, _differing(home / whole, home / broken))


def kill_character(promises: Promises, home: Path, *, kills: int, seed: int) -> None:
    """Kill ``trawl character`` anywhere between its start and its contact sheet."""
    home.mkdir()
    (home / "ledger.jsonl").touch()
    rng = random.Random(seed + 1)
    with DemoProcess(home / "ledger.jsonl", (*WORDS, "--latency", "5", "30"), MODULE) as site:
        tables = []
        took = 1.0
        for name in ("whole", "broken"):
            (home / name).mkdir()
            trawl = Trawl(home / name, site.address, SETTINGS)
            words = ("character", REIMU, "--out", "reimu", "--want", "20", "-q")
            if name == "broken":
                hunt = _Hunt(trawl, words, home / name, took, rng)
                hunt.kill(promises, kills, "character")
            else:
                took = trawl(*words).seconds
            (workspace,) = (path.parent for path in (home / name).rglob("catalog.db"))
            with promises.asserted(f"character: {name} catalog and files agree"):
                assert_sound(workspace)
            tables.append(outcome(workspace).table)
    # Which works a killed run had begun may differ beyond the last that is wanted; the set may not.
    accepted = [{row for row in table if row[1] == "accepted"} for table in tables]
    promises.none(
        "character: accepted works that differ", sorted(map(str, accepted[0] ^ accepted[1]))
    )
    differing = _differing(home / "whole" / "reimu", home / "broken" / "reimu")
    promises.none("character: files that differ", differing)


@dataclass
class _Hunt:
    """Kills a command at instants of its run; ``afresh`` is emptied when one got away whole."""

    trawl: Trawl
    words: tuple[str, ...]
    afresh: Path
    longest: float
    """Seconds that a run takes."""
    rng: random.Random

    def kill(self, promises: Promises, kills: int, what: str) -> None:
        """Kill so often, and let the last run end."""
        landed = 0
        for _ in range(3 * kills):
            if landed == kills:
                break
            process = self.trawl.start(*self.words)
            end = time.monotonic() + self.rng.uniform(0.1, 1.0) * self.longest
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.001)
            got_away = process.poll() is not None
            kill(process)
            if got_away:
                shutil.rmtree(self.afresh)
                self.afresh.mkdir()
            landed += not got_away
        self.trawl(*self.words)
        promises.hold(f"{what}: kills that landed", str(kills), landed, landed == kills)


def _differing(whole: Path, broken: Path) -> list[str]:
    """Relative paths that only one folder has, or that hold different bytes."""
    return sorted({path for path, _ in contents(whole).items() ^ contents(broken).items()})
