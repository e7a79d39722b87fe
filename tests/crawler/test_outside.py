"""A run notices what others do to its workspace: decisions count at once, and it can be stopped."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler import carry, deciding
from crawler.errors import Interrupted
from crawler.run import Run, Summary
from crawler.workspace import Workspace
from storage import stopping
from storage.database import open_reader, write_once
from storage.errors import NoWorkspace
from storage.lock import engine_running
from storage.reader import Reader
from storage.records import Candidate, CrawlStatus, Rung
from storage.workspace import CATALOG
from tests.crawler.shelf import Shelf, Works, start, states, until


@pytest.fixture
def ws(tmp_path: Path, settings: Any) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


class Gate:
    """Holds the files of the works in ``shut`` until they are taken out of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shut: set[str] = set()
        self.asked: list[str] = []
        real = carry.spool

        async def spool(rung: Rung, into: Path, *, max_bytes: int) -> Any:
            name = Path(rung.location).stem
            self.asked.append(name)
            while name in self.shut:
                await asyncio.sleep(0.005)
            return await real(rung, into, max_bytes=max_bytes)

        monkeypatch.setattr(carry, "spool", spool)


def going(run: Run) -> asyncio.Task[Summary]:
    async def ended() -> Summary:
        async with asyncio.timeout(30):
            return await run

    return asyncio.create_task(ended())


async def said(ws: Workspace, word: Any, *refs: str) -> Any:
    """What another process decides, on a connection of its own."""
    return await asyncio.to_thread(deciding.decide, ws.path, word, [f"folder:{r}" for r in refs])


async def undone(ws: Workspace) -> Any:
    action = deciding.last_action(ws.path)
    assert action is not None
    return await asyncio.to_thread(deciding.undo, ws.path, action)


def asked_to_stop(ws: Workspace, level: int = 1) -> None:
    write_once(ws.path / CATALOG, lambda db: stopping.ask(db, level))


def seen(ws: Workspace) -> dict[str, str]:
    try:
        return states(ws)
    except NoWorkspace:
        return {}


def comic(works: Works, site_id: str) -> Candidate:
    """A work that the policy leaves out unseen."""
    return works(site_id, tags={"general": ("comic",)})


async def test_a_picture_rejected_meanwhile_leaves_its_place_to_the_next(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    gate.shut = {"2"}
    run = going(start(ws, Shelf([[[works("1"), works("2"), works("3"), works("4")]]]), want=2))
    await until(lambda: seen(ws).get("1") == "accepted")
    await said(ws, "reject", "1")
    await until(lambda: seen(ws).get("3") == "accepted")  # before the second is here
    gate.shut.clear()
    summary = await run
    assert (summary.state, summary.accepted) == ("finished", 2)
    assert states(ws) == {
        "1": "rejected:by_person",
        "2": "accepted",
        "3": "accepted",
        "4": "pending",
    }


async def test_a_work_accepted_meanwhile_is_fetched_by_the_same_run(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    gate.shut = {"2"}
    run = going(start(ws, Shelf([[[comic(works, "1"), works("2"), works("3")]]]), want=1))
    await until(lambda: "2" in gate.asked)
    await said(ws, "accept", "1")
    await until(lambda: seen(ws)["1"] == "accepted:by_person")
    gate.shut.clear()
    await run
    assert states(ws) == {"1": "accepted:by_person", "2": "accepted", "3": "pending"}


async def test_a_work_rejected_in_flight_stays_rejected_and_one_taken_back_goes_on(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    gate.shut = {"1", "2"}
    run = going(start(ws, Shelf([[[works("1"), works("2")]]]), want=5))
    await until(lambda: len(gate.asked) == 2)
    await said(ws, "reject", "1")
    await said(ws, "reject", "2")
    await undone(ws)
    gate.shut.clear()
    summary = await run
    assert states(ws) == {"1": "rejected:by_person", "2": "accepted"}
    assert (summary.accepted, summary.stats.accepted) == (1, 1)


async def test_what_is_accepted_after_the_end_is_fetched_by_the_next_run_although_it_is_full(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    shelf = Shelf([[[works("1"), comic(works, "2"), works("3")]]])
    await going(start(ws, shelf, want=1))
    done = await said(ws, "accept", "2")
    assert sum(done.waiting.values()) == 1
    gate.asked.clear()
    summary = await going(start(ws, shelf, want=1))
    assert states(ws) == {"1": "accepted", "2": "accepted:by_person", "3": "pending"}
    assert gate.asked == ["2"]
    assert summary.state == "finished"


async def test_what_is_rejected_after_the_end_is_made_up_for_by_the_next_run(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works("1"), works("2")], [works("3")]]])
    await going(start(ws, shelf, want=2))
    await said(ws, "reject", "1")
    await going(start(ws, shelf, want=2))
    assert states(ws) == {"1": "rejected:by_person", "2": "accepted", "3": "accepted"}


async def test_a_rejected_work_is_never_fetched_again(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    shelf = Shelf([[[works("1"), works("2")]]])
    await going(start(ws, shelf, want=1))
    await said(ws, "reject", "2")
    await going(start(ws, shelf, want=None))
    await going(start(ws, Shelf(shelf.pages, query="another"), want=None))
    assert "2" not in gate.asked


async def test_an_accepted_work_that_fails_is_failed(ws: Workspace, works: Works) -> None:
    gone = replace(works.gone("1"), tags={"general": ("comic",)})
    shelf = Shelf([[[gone, works("2")]]])
    await going(start(ws, shelf, want=1))
    await said(ws, "accept", "1")
    summary = await going(start(ws, shelf, want=1))
    assert states(ws) == {"1": "failed:gone", "2": "accepted"}
    assert summary.state == "finished"


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_counted_twice_however_decisions_and_commits_meet(
    ws: Workspace, works: Works, seed: int
) -> None:
    chance = random.Random(seed)
    pages = [[works(f"{page}-{n}") for n in range(8)] for page in range(6)]
    shelf = Shelf([pages])

    async def pause() -> None:
        await asyncio.sleep(0.15)

    shelf.pause = pause
    run = going(start(ws, shelf, want=30))
    while not run.done():
        known = [*seen(ws)]
        match chance.choice(["accept", "reject", "undo"]):
            case "undo" if known and deciding.last_action(ws.path) is not None:
                await undone(ws)
            case "accept" | "reject" as word if known:
                await said(ws, word, *chance.sample(known, min(3, len(known))))
        await asyncio.sleep(0.03)
    assert run.result().state == "finished"
    again = await going(start(ws, shelf, want=30))
    now = list(states(ws).values())
    kept = sum(state.startswith("accepted") for state in now)
    assert again.accepted == again.stats.accepted == kept
    assert kept >= 30 or "pending" not in now


# -- being stopped ----------------------------------------------------------------------------


def note(ws: Workspace) -> tuple[str, str | None]:
    db = open_reader(ws.path / CATALOG)
    try:
        return tuple(db.execute("SELECT state, note FROM crawls").fetchone())
    finally:
        db.close()


async def test_a_run_that_is_asked_to_stop_finishes_what_is_on_its_way(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    limits = replace(ws.settings.limits, concurrency=1)
    ws = crawler.open(ws.path, settings=replace(ws.settings, limits=limits))
    gate.shut = {"1"}
    run = going(start(ws, Shelf([[[works("1"), works("2")]]])))
    await until(lambda: gate.asked == ["1"])
    asked_to_stop(ws)
    await asyncio.sleep(0.6)
    gate.shut.clear()
    summary = await run
    assert isinstance(summary.error, Interrupted)
    assert summary.error.exit_code == 130
    assert (summary.state, states(ws)) == ("stopped", {"1": "accepted", "2": "pending"})
    assert note(ws) == ("stopped", "stopped by `trawl stop`")
    assert gate.asked == ["1"]


async def test_a_run_that_is_to_stop_now_gives_back_what_is_on_its_way(
    ws: Workspace, works: Works, gate: Gate
) -> None:
    gate.shut = {"1"}
    run = going(start(ws, Shelf([[[works("1")]]])))
    await until(lambda: gate.asked == ["1"])
    asked_to_stop(ws)
    await asyncio.sleep(0.6)
    assert not run.done()
    asked_to_stop(ws, level=2)
    async with asyncio.timeout(2):
        await run
    assert states(ws) == {"1": "pending"}


async def test_a_run_can_be_stopped_while_its_source_is_still_asked_what_the_query_means(
    ws: Workspace, works: Works
) -> None:
    class Silent(Shelf):
        async def resolve(self, query: str, http: Any) -> str:
            await asyncio.sleep(60)
            return query

    run = going(start(ws, Silent([[[works("1")]]])))
    await until(lambda: (ws.path / "engine.lock").exists() and _open(ws))
    while not run.done():  # a request that came before the run was ready is not for it
        asked_to_stop(ws)
        await asyncio.sleep(0.2)
    with pytest.raises(Interrupted):
        await run


def _open(ws: Workspace) -> bool:
    return _quietly(lambda: open_reader(ws.path / CATALOG).close())


def _quietly(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Exception:
        return False
    return True


async def test_a_request_that_nobody_heard_does_not_stop_the_next_run(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works("1")]]])
    await going(start(ws, shelf))
    asked_to_stop(ws, level=2)
    other = Shelf([[[works("1"), works("2")]]], query="another")
    other.pause = partial(asyncio.sleep, 0.6)
    summary = await going(start(ws, other))
    assert (summary.state, summary.accepted) == ("finished", 2)


async def test_a_crawl_that_was_killed_is_not_taken_for_the_one_that_runs(
    ws: Workspace, works: Works
) -> None:
    class Silent(Shelf):
        async def resolve(self, query: str, http: Any) -> str:
            await asyncio.sleep(60)
            return query

    await going(start(ws, Shelf([[[works("1")]]])))
    killed = "UPDATE crawls SET state = 'running'"  # as a kill leaves it
    write_once(ws.path / CATALOG, lambda db: db.execute(killed))
    run = going(start(ws, Silent([[[works("2")]]], query="another")))
    await until(lambda: engine_running(ws.path))
    await until(lambda: not any(status.running for status in told(ws)))
    assert not run.done()
    run.cancel()
    await asyncio.wait((run,))


def told(ws: Workspace) -> list[CrawlStatus]:
    with Reader(ws.path) as reader:
        return reader.crawls()


async def test_what_was_said_at_the_last_moment_counts_before_the_run_ends(
    ws: Workspace, works: Works, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.outside.LOOK", 60.0)
    gate.shut = {"2"}
    run = going(start(ws, Shelf([[[works("1"), works("2"), works("3")]]]), want=2))
    await until(lambda: seen(ws).get("1") == "accepted" and "2" in gate.asked)
    await said(ws, "reject", "1")
    gate.shut.clear()
    summary = await run
    assert states(ws) == {"1": "rejected:by_person", "2": "accepted", "3": "accepted"}
    assert (summary.state, summary.accepted) == ("finished", 2)
