"""A person decides, asks and stops from other processes while an engine crawls slowly."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from crawler.demo.faults import Delay, Fault, Faults
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU
from storage.database import open_reader
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, wait_for
from tests.scenarios.outcome import assert_sound
from tests.scenarios.worlds import file_of, reimu_posts

WANT = 25
CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--want", str(WANT))


def rows(workspace: Path, sql: str) -> list[tuple[Any, ...]]:
    db = open_reader(workspace / "catalog.db")
    try:
        return [tuple(row) for row in db.execute(sql).fetchall()]
    finally:
        db.close()


def in_state(workspace: Path, state: str) -> list[str]:
    return [
        name
        for (name,) in rows(
            workspace,
            "SELECT c.site || ':' || c.site_id FROM works w JOIN candidates c"
            f" ON c.id = w.candidate_id WHERE w.state = '{state}' AND w.reason IS NOT"
            " 'blocked_content' ORDER BY w.position",
        )
    ]


def slow(world: World, serve: Serve, *faults: Fault) -> DemoSite:
    return serve(world, faults=Faults(faults, latency=0.25))


def started(
    tmp_path: Path, site: DemoSite, *words: str, files: int = 5
) -> tuple[Trawl, subprocess.Popen[str]]:
    trawl = Trawl(tmp_path, address(site), {"TRAWL_LIMITS__CONCURRENCY": "4"})
    process = trawl.start(*(words or CRAWL))
    wait_for(lambda: len(site.ledger.originals()) >= files, "the first files")
    wait_for(lambda: len(in_state(tmp_path / "set", "accepted")) >= 3, "three pictures")
    return trawl, process


def test_decisions_while_it_crawls_count_in_this_very_run(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    # One file that is long on its way: the run lasts for as long as the commands need.
    late = [post for post in reimu_posts(world) if post.kind == "highres_solo"][3]
    site = slow(world, serve, Fault(Delay(8.0), match=file_of(late)))
    trawl, process = started(tmp_path, site)
    workspace = tmp_path / "set"
    first, second, *_ = in_state(workspace, "accepted")
    trawl("reject", first, second, "-w", "set", "--note", "no")
    trawl("undo", "-w", "set")
    trawl("reject", second, "-w", "set")
    wanted = [w for w in in_state(workspace, "rejected") if w != second]
    if wanted:
        trawl("accept", wanted[0], "-w", "set")
    assert trawl("query", "state:rejected", "-w", "set", "--format", "json").code == 0
    assert "running" in trawl("status", "-w", "set").out
    assert process.poll() is None, "it was to be asked while it crawls"
    done = trawl.finish(process)
    assert done.code == 0, done.err
    accepted = in_state(workspace, "accepted")
    assert len(accepted) >= WANT
    assert second not in accepted
    assert first in accepted
    assert not wanted or wanted[0] in accepted
    assert_sound(workspace)
    events = rows(workspace, "SELECT kind, payload FROM events ORDER BY seq")
    reasons = [json.loads(payload)["reason"] for kind, payload in events if kind == "retracted"]
    assert reasons.count("by_person") == 3


def test_a_run_is_stopped_from_elsewhere_and_goes_on_later(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    site = slow(world, serve)
    trawl, process = started(tmp_path, site)
    (crawl,) = rows(tmp_path / "set", "SELECT id FROM crawls")[0]
    wrong = trawl("stop", "ffff", "-w", "set", code=2)
    assert f"crawl {crawl} is" in wrong.err
    told = trawl("stop", crawl, "-w", "set")
    assert told.seconds < 6
    assert f"crawl {crawl} is stopped" in told.out
    assert f"trawl resume {crawl}" in told.out
    done = trawl.finish(process)
    assert done.code == 130
    assert "stopped by `trawl stop`" in done.err
    assert "E_INTERRUPTED" in done.err
    assert "to lay it out" not in done.out
    assert "stopped by `trawl stop`" in trawl("status", "-w", "set").out
    assert_sound(tmp_path / "set")
    trawl("resume", "-w", "set")
    assert len(in_state(tmp_path / "set", "accepted")) == WANT


@pytest.mark.parametrize("now", [False, True], ids=["what is on its way may finish", "now"])
def test_what_is_on_its_way_may_finish_unless_it_is_to_stop_now(
    world: World, serve: Serve, tmp_path: Path, now: bool
) -> None:
    stuck = next(post for post in reimu_posts(world) if post.kind == "highres_solo")
    site = slow(world, serve, Fault(Delay(30.0 if now else 4.0), match=file_of(stuck)))
    trawl, process = started(tmp_path, site, *CRAWL[:-2], "--all")
    told = trawl("stop", "-w", "set", "--json", *(["--now"] if now else []))
    assert json.loads(told.out)["state"] == "stopped"
    assert trawl.finish(process).code == 130
    fate = "pending" if now else "accepted"
    assert f"danbooru:{stuck.id}" in in_state(tmp_path / "set", fate)
    assert_sound(tmp_path / "set")
