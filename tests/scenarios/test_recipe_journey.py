"""One set of two sources with quotas, killed again and again, comes to the undisturbed set."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from crawler.demo.posts import World
from tests.scenarios.driver import Trawl, address, kill, serving
from tests.scenarios.outcome import assert_sound, sha256
from tests.torture.folder_kills import contents

RECIPE = """
target = 20
[policy.content]
ratings = "general,sensitive"
[[source]]
name = "official"
from = "danbooru"
query = "hakurei_reimu"
tiers = "official"
share = 0.3
[[source]]
name = "rest"
from = "danbooru"
query = "hakurei_reimu -official_art"
tiers = "rest"
[quota.artist]
max_share = 0.15
[quota.rating]
general = 4
sensitive = 1
[export]
layout = "kohya"
out = "set"
"""
KILLS = 4


def made_by(trawl: Trawl, *, kills: int = 0, seconds: float = 0.0, seed: int = 7) -> Any:
    trawl.home.mkdir()
    (trawl.home / "reimu.toml").write_text(RECIPE)
    rng, words = random.Random(seed), ("run", "reimu.toml", "-w", "ws", "--json", "-q")
    hit = 0
    for _ in range(kills):
        process = trawl.start(*words)
        # Early: what killed runs have done shortens the next.
        time.sleep(0.4 + seconds * rng.random() / 3)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            hit += 1
        kill(process)
    assert hit >= kills // 2, "too few kills fell into a run"
    done = trawl(*words)
    assert_sound(trawl.home / "ws")
    return json.loads(done.out), done.seconds


def set_of(document: Any) -> list[tuple[str, str, str]]:
    return [(one["source"], one["site_id"], one["sha256"]) for one in document["images"]]


def test_a_recipe_that_is_killed_comes_to_the_same_set(world: World, tmp_path: Path) -> None:
    with serving(world) as site:
        settings = {"TRAWL_SITES__DANBOORU__RATE": "20"}
        whole, seconds = made_by(Trawl(tmp_path / "whole", address(site), settings))
        trawl = Trawl(tmp_path / "broken", address(site), settings)
        broken, _ = made_by(trawl, kills=KILLS, seconds=seconds)
        again = json.loads(trawl("run", "reimu.toml", "-w", "ws", "--json", "-q").out)
    assert whole["selected"] == 20
    assert set_of(broken) == set_of(whole)
    assert contents(tmp_path / "broken" / "set") == contents(tmp_path / "whole" / "set")
    sheets = [(tmp_path / name / "set.sheet.jpg").read_bytes() for name in ("whole", "broken")]
    assert sha256(sheets[0]) == sha256(sheets[1])
    assert (again["file_requests"], again["export"]["written"]) == (0, 0)
