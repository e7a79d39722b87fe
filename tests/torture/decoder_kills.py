"""Kills only the process that decodes, again and again, while a crawl goes on."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import psutil

from crawler.demo.world import REIMU
from tests.scenarios.driver import DemoProcess, Trawl, kill
from tests.scenarios.outcome import assert_sound, outcome
from tests.torture.promises import Promises
from tests.torture.serve import MODULE

DECODER = "crawler.decoding"
CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--all", "-q", "--min-side", "700")
SETTINGS = {"TRAWL_LIMITS__MIN_FREE": "0"}
WORDS = ("--world", "odd", "--latency", "5", "30")
GIVEN_UP = ("decoder_crash", "out_of_memory")
"""Reasons of a picture whose decoder was killed twice: systems that lack memory kill, too."""
READY = 1.0
"""Seconds after which a decoder is at work, and after which a picture has had its second chance."""


def kill_decoders(promises: Promises, home: Path, *, kills: int, seed: int) -> None:
    """Kill the decoder ``kills`` times over as many crawls as that takes."""
    home.mkdir()
    rng = random.Random(seed + 2)
    (home / "ledger.jsonl").touch()
    words = (*WORDS, "--count", "40")
    with DemoProcess(home / "ledger.jsonl", words, MODULE) as site:
        (home / "whole").mkdir()
        Trawl(home / "whole", site.address, SETTINGS)(*CRAWL)
        whole = outcome(home / "whole" / "set").table
        landed = rounds = 0
        other: list[str] = []
        unsound: list[str] = []
        given_up = 0
        while landed < kills and rounds < 2 * kills:
            rounds += 1
            place = home / f"round-{rounds}"
            place.mkdir()
            trawl = Trawl(place, site.address, SETTINGS)
            landed += _round(trawl, rng, kills - landed)
            try:
                assert_sound(place / "set")
            except AssertionError as error:
                unsound.append(f"crawl {rounds}: {error}")
            found = outcome(place / "set").table
            crashed = {row[0] for row in found if row[2] in GIVEN_UP}
            given_up += len(crashed)
            other += [str(row) for row in found if row not in whole and row[0] not in crashed]
            gone = {row[0] for row in whole} - {row[0] for row in found}
            other += sorted(gone)
    promises.hold("decoders killed", str(kills), landed, landed == kills)
    most = kills // 2  # it takes two deaths
    promises.hold("pictures given up for them", f"<= {most}", given_up, given_up <= most)
    promises.none("catalogs and files that do not agree then", unsound)
    promises.none("other works lost or changed", other)


def _round(trawl: Trawl, rng: random.Random, most: int) -> int:
    """One crawl whose decoders are killed now and then; returns how many were."""
    process = trawl.start(*CRAWL)
    killed = 0
    try:
        while process.poll() is None and killed < most:
            time.sleep(rng.uniform(0.05, 0.5))
            for decoder in _decoders(process):
                decoder.kill()
                killed += 1
                time.sleep(READY)
        done = trawl.finish(process)
    finally:
        kill(process)
    assert done.code == 0, f"exit {done.code}\n{done.err}"
    return killed


def _decoders(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        family = psutil.Process(process.pid).children(recursive=True)
        late = time.time() - READY
        return [one for one in family if DECODER in one.cmdline() and one.create_time() < late]
    except psutil.NoSuchProcess:
        return []
