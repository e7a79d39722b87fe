"""The engine: ends when it should, loses nothing when stopped, breaks in order when broken."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler import engine as engine_module
from crawler.adapters.base import Page
from crawler.demo.faults import Fault, Faults, Stall, Status
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.errors import (
    AuthenticationFailed,
    BadAnswer,
    ChallengePage,
    Interrupted,
    LimitReached,
    NoSpace,
    RateLimited,
    TrawlError,
    UsageError,
)
from crawler.run import Run
from crawler.workspace import Workspace
from storage.files import FileStore
from storage.reader import Reader
from storage.records import Candidate, Rung
from tests.crawler.shelf import SMALL, Shelf, Works, events, start, states, until

Settings = Callable[..., Any]


@pytest.fixture
def ws(tmp_path: Path, settings: Settings) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


async def ended(run: Run) -> Any:
    async with asyncio.timeout(20):
        return await run


# -- ending -----------------------------------------------------------------------------------


async def test_a_crawl_ends_at_the_end_of_its_source(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1"), works.small("2")], [works.gone("3")]], [[works("4")]]])
    summary = await ended(start(ws, shelf, want=10))
    assert (summary.state, summary.accepted, summary.error) == ("finished", 2, None)
    assert states(ws) == {
        "1": "accepted",
        "2": "rejected:too_small",
        "3": "failed:gone",
        "4": "accepted",
    }


async def test_a_crawl_ends_at_its_target_with_the_first_works(ws: Workspace, works: Works) -> None:
    pages = [[works.small("1"), works("2"), works("3")], [works("4"), works("5")], [works("6")]]
    shelf = Shelf([pages])
    summary = await ended(start(ws, shelf, want=3))
    assert summary.accepted == 3
    assert states(ws) == {
        "1": "rejected:too_small",
        "2": "accepted",
        "3": "accepted",
        "4": "accepted",
        "5": "pending",
    }
    assert shelf.asked == [("tier0", 0), ("tier0", 1)]


@pytest.mark.parametrize("want", [0, None, 5])
async def test_an_empty_source_is_no_trouble(ws: Workspace, want: int | None) -> None:
    summary = await ended(start(ws, Shelf([[], [[]], []]), want=want))
    assert (summary.state, summary.accepted, summary.rows) == ("finished", 0, ())


async def test_a_crawl_that_wants_nothing_asks_for_nothing(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1")]]])
    await ended(start(ws, shelf, want=0))
    assert shelf.asked == []


async def test_many_works_are_loaded_in_pieces(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "LOAD", 3)
    monkeypatch.setattr(engine_module, "LOW_WATER", 2)
    shelf = Shelf([[[works(f"{page}-{n}") for n in range(5)] for page in range(4)]])
    summary = await ended(start(ws, shelf))
    assert (summary.state, summary.accepted) == ("finished", 20)


async def test_a_work_met_by_several_tiers_is_one_work(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1")]], [[works("1"), works("2")]], [[works("2"), works("1")]]])
    summary = await ended(start(ws, shelf))
    assert summary.accepted == 2
    assert states(ws) == {"1": "accepted", "2": "accepted"}


async def test_a_pending_work_that_a_later_page_rejects_does_not_keep_the_crawl_from_ending(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pending is counted: a count that is too high would wait for ever."""
    monkeypatch.setattr(engine_module, "LOAD", 1)
    kept = [works(str(n)) for n in range(6)]
    comics = [replace(w, tags={"general": ("comic",)}) for w in kept[2:5]]
    shelf = Shelf([[kept], [comics]])
    limited = crawler.open(ws.path, settings=ws.settings)
    summary = await ended(start(limited, shelf, want=100))
    assert summary.state == "finished"
    assert sum(row.count for row in summary.rows) == 6
    assert not [row for row in summary.rows if row.state == "pending"]


async def test_a_work_whose_file_is_replaced_while_the_crawl_goes_on_is_taken_again(
    ws: Workspace, works: Works
) -> None:
    before, after = works.sure("1", "before"), works.sure("1", "after")
    shelf = Shelf([[[before]], [[after, works("2")]]])
    shelf.pause = _after_the_first(ws, shelf)
    summary = await ended(start(ws, shelf, want=2))
    assert summary.accepted == 2
    assert states(ws) == {"1": "accepted", "2": "accepted"}
    assert [kind for kind, _ in events(ws)] == [
        "accepted",
        "retracted",
        *("accepted", "accepted", "crawl_finished"),
    ]


def _after_the_first(ws: Workspace, shelf: Shelf) -> Callable[[], Any]:
    """Pages after the first come when the first work is accepted."""

    async def pause() -> None:
        if shelf.asked:
            await until(lambda: "accepted" in states(ws).values())

    return pause


# -- duplicates and the target ----------------------------------------------------------------


async def test_certain_duplicates_cost_no_bytes_and_no_place(ws: Workspace, works: Works) -> None:
    twins = [works.sure(str(n), "same") for n in range(4)]
    shelf = Shelf([[[*twins, works.sure("4"), works.sure("5")]]])
    summary = await ended(start(ws, shelf, want=2))
    assert states(ws) == {
        "0": "accepted",
        **{str(n): "duplicate:same_file" for n in (1, 2, 3)},
        "4": "accepted",
        "5": "pending",
    }
    assert summary.accepted == 2
    with Reader(ws.path) as reader:
        outcomes = [a["outcome"] for n in range(4) for a in reader.show(f"folder:{n}")["attempts"]]
    assert outcomes == ["fetched", "known", "known", "known"]


async def test_a_twin_that_turns_out_to_be_another_picture_does_not_exceed_the_target(
    ws: Workspace, works: Works
) -> None:
    """Two works claim one md5; the file of the first has been replaced since."""
    claimed = works.sure("1", "old")
    shelf = Shelf([[[claimed, replace(claimed, site_id="2"), works("3")]]])
    Path(claimed.ladder[0].location).write_bytes(b"something else, the md5 does not hold")
    shelf.again["1"] = works.sure("1", "new")
    shelf.again["2"] = works.sure("2", "newer")
    summary = await ended(start(ws, shelf, want=1))
    assert summary.accepted == 1
    assert states(ws)["1"] == "accepted"


async def test_a_work_that_reads_as_blocked_on_second_sight_is_forgotten(
    ws: Workspace, works: Works
) -> None:
    gone = works.gone("66", tags={"general": ("secret_tag",)})
    shelf = Shelf([[[gone, works("1")]]])
    Path(gone.ladder[0].location).write_bytes(b"not what is claimed")
    shelf.pages = [[[replace(gone, ladder=(replace(gone.ladder[0], md5="0" * 32),)), works("1")]]]
    shelf.again["66"] = replace(gone, tags={"general": ("loli", "secret_tag")})
    summary = await ended(start(ws, shelf))
    assert shelf.reread == ["66"]
    assert summary.accepted == 1
    assert states(ws) == {"66": "rejected:blocked_content", "1": "accepted"}
    with Reader(ws.path) as reader:
        about = reader.show("folder:66")
        assert (about["tags"], about["ladder"], about["attempts"]) == (None, [], [])
        assert list(reader.query(["secret_tag"])) == []
        assert reader.db.execute("SELECT 1 FROM tags WHERE name LIKE 'secret%'").fetchall() == []


# -- other crawls -----------------------------------------------------------------------------


async def test_a_second_crawl_fetches_no_picture_that_the_first_has(
    ws: Workspace, works: Works
) -> None:
    page = [works("1"), works.small("2")]
    await ended(start(ws, Shelf([[page]], query="one")))
    for path in works.folder.iterdir():
        path.unlink()  # nothing could be fetched again
    second = await ended(start(ws, Shelf([[page]], query="two")))
    assert states(ws, second.crawl_id) == {"1": "accepted", "2": "rejected:too_small"}
    assert [kind for kind, _ in events(ws)].count("accepted") == 2  # once per picture and crawl


# -- running again ----------------------------------------------------------------------------


async def test_a_finished_crawl_that_is_run_again_does_nothing_twice(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works("1"), works("2"), works.gone("3")]]])
    first = await ended(start(ws, shelf, want=2))
    again = await ended(start(ws, shelf, want=2))
    assert (again.crawl_id, again.accepted, again.state) == (first.crawl_id, 2, "finished")
    assert [kind for kind, _ in events(ws)] == ["accepted", "accepted", "crawl_finished"]


async def test_a_crawl_short_of_its_target_looks_for_what_is_new(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works("1")]]])
    await ended(start(ws, shelf, want=5))
    shelf.pages[0].append([works("2")])  # type: ignore[attr-defined]
    summary = await ended(start(ws, shelf, want=5))
    assert summary.accepted == 2
    assert shelf.asked == [("tier0", 0), ("tier0", 1)]
    assert [kind for kind, _ in events(ws)] == [
        *("accepted", "crawl_finished", "accepted", "crawl_finished")
    ]


async def test_a_higher_target_goes_on_where_the_crawl_stopped(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works(str(n)) for n in range(6)]]])
    for want, accepted in ((2, 2), (4, 4), (3, 4)):
        summary = await ended(start(ws, shelf, want=want))
        assert (summary.accepted, summary.state) == (accepted, "finished")
    assert shelf.asked == [("tier0", 0)]


async def test_another_policy_judges_again_what_was_had(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1"), works.small("2"), works("3", side=40)]]])
    await ended(start(ws, shelf))
    assert set(states(ws).values()) == {"accepted", "rejected:too_small"}
    for path in works.folder.iterdir():
        path.unlink()
    tiny = {"resolution": {"min_side": 1, "min_pixels": 1}}
    wider = await ended(start(ws, shelf, policy=tiny))
    assert wider.accepted == 3  # from what is on disk
    large = {"resolution": {"min_side": 44, "min_pixels": 1}}
    narrower = await ended(start(ws, shelf, policy=large))
    assert narrower.accepted == 1


async def test_fresh_begins_the_next_generation(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1")]]])
    first = await ended(start(ws, shelf))
    second = await ended(start(ws, shelf, fresh=True))
    assert second.crawl_id == f"{first.crawl_id}.2"
    assert states(ws, second.crawl_id) == {"1": "accepted"}


# -- stopping ---------------------------------------------------------------------------------


@pytest.fixture
async def stalling(
    demo_world: World, tmp_path: Path, settings: Settings
) -> AsyncIterator[Workspace]:
    """A workspace whose site begins to send files and then says nothing more."""
    faults = Faults((Fault(Stall(0.5, 60.0), match="/original/*"),))
    async with DemoSite(demo_world, faults=faults) as site:
        yield crawler.open(tmp_path / "ws", settings=settings(site))


async def test_a_second_stop_gives_back_what_is_in_flight(stalling: Workspace) -> None:
    run = stalling.crawl("danbooru", "hakurei_reimu", want=5)
    running = asyncio.ensure_future(ended(run))
    await until(lambda: run.stats.bytes_fetched > 0)
    run.stop()
    run.stop()
    summary = await asyncio.wait_for(running, 5)
    assert isinstance(summary.error, Interrupted)
    assert (summary.state, summary.accepted) == ("stopped", 0)
    assert [row.state for row in summary.rows].count("pending") == 1
    assert list(FileStore(stalling.path).tmp.iterdir()) == []


async def test_a_stop_ends_by_itself_when_what_is_in_flight_takes_too_long(
    stalling: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GRACE", 0.2)
    run = stalling.crawl("danbooru", "hakurei_reimu", want=5)
    running = asyncio.ensure_future(ended(run))
    await until(lambda: run.stats.bytes_fetched > 0)
    run.stop()
    summary = await asyncio.wait_for(running, 5)
    assert summary.state == "stopped"


async def test_the_first_stop_finishes_what_is_in_flight(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works(str(n)) for n in range(40)]]])
    run = start(ws, shelf)
    run.observe(lambda report: run.stop() if report["type"] == "accepted" else None)
    summary = await ended(run)
    assert summary.state == "stopped"
    assert summary.accepted >= 1
    assert summary.accepted == list(states(ws).values()).count("accepted")
    resumed = await ended(start(ws, shelf))
    assert (resumed.accepted, resumed.state) == (40, "finished")
    assert [kind for kind, _ in events(ws)].count("accepted") == 40


async def test_what_is_committed_while_a_run_stops_is_told(ws: Workspace, works: Works) -> None:
    """Works whose pictures we hold settle without a fetch, many at once."""
    held = [works.sure(str(number)) for number in range(40)]
    await ended(start(ws, Shelf([[held]])))
    again = [replace(work, site_id=f"{work.site_id}-again") for work in held]
    run, told = start(ws, Shelf([[again]], query="another")), Counter[str]()

    def observe(report: dict[str, Any]) -> None:
        told[report["type"]] += 1
        if told["accepted"] == 3:
            run.stop()

    run.observe(observe)
    summary = await ended(run)
    assert summary.state == "stopped"
    assert told["accepted"] == summary.accepted == summary.stats.accepted
    assert told["accepted"] < 40


async def test_stops_that_come_before_the_run_has_begun_are_heard(
    ws: Workspace, works: Works
) -> None:
    run = start(ws, Shelf([[[works("1")]]]))
    run.stop()
    run.stop()
    with pytest.raises(Interrupted):
        await ended(run)


@pytest.mark.parametrize("pauses", range(0, 60, 7))
async def test_stopping_at_any_moment_ends_the_run_and_loses_nothing(
    ws: Workspace, works: Works, pauses: int
) -> None:
    shelf = Shelf([[[works.sure(str(n)) for n in range(12)]]])
    run = start(ws, shelf)
    running = asyncio.ensure_future(ended(run))
    for _ in range(pauses):
        await asyncio.sleep(0.001)
    run.stop()
    run.stop()
    summary = (await asyncio.gather(running, return_exceptions=True))[0]
    if not isinstance(summary, Interrupted):
        assert summary.accepted == list(states(ws).values()).count("accepted")
    resumed = await ended(start(ws, shelf))
    assert (resumed.accepted, resumed.state) == (12, "finished")
    assert [kind for kind, _ in events(ws)].count("accepted") == 12


async def test_a_stop_while_a_consumer_holds_everything_up_ends_the_run(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "GRACE", 0.2)
    shelf = Shelf([[[works(str(n)) for n in range(100)]]])
    run = start(ws, shelf)
    images = run.accepted()
    await anext(images)
    await until(lambda: run.stats.accepted > 32)  # more than fit between them
    run.stop()
    summary = await ended(run)
    assert summary.accepted == list(states(ws).values()).count("accepted")
    await images.aclose()  # type: ignore[attr-defined]


async def test_cancelling_the_run_leaves_a_workspace_that_goes_on(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works(str(n)) for n in range(20)]]])
    running = asyncio.ensure_future(ended(run := start(ws, shelf)))
    await until(lambda: run.stats.accepted > 0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    resumed = await ended(start(ws, shelf))
    assert (resumed.accepted, resumed.state) == (20, "finished")


# -- limits -----------------------------------------------------------------------------------


async def test_max_time_ends_a_run(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1")]]], pause=lambda: asyncio.sleep(60))
    summary = await ended(start(ws, shelf, max_time=0.1))
    assert isinstance(summary.error, LimitReached)
    assert summary.state == "stopped"


async def test_max_bytes_ends_a_run_after_what_is_in_flight(
    demo: DemoSite, tmp_path: Path, settings: Settings
) -> None:
    ws = crawler.open(tmp_path / "ws", settings=settings(demo, limits__concurrency=2))
    summary = await ended(ws.crawl("danbooru", "hakurei_reimu", want=50, max_bytes=1_000))
    assert isinstance(summary.error, LimitReached)
    assert 1 <= summary.accepted <= 3


async def test_a_limit_used_up_by_what_meets_the_target_is_no_limit_reached(
    demo: DemoSite, tmp_path: Path, settings: Settings
) -> None:
    ws = crawler.open(tmp_path / "ws", settings=settings(demo))
    summary = await ended(ws.crawl("danbooru", "hakurei_reimu", want=1, max_bytes=1_000))
    assert summary.stats.bytes_fetched > 1_000
    assert (summary.state, summary.accepted, summary.error) == ("finished", 1, None)


async def test_a_workspace_that_goes_away_ends_the_run_with_a_reason(
    ws: Workspace, works: Works
) -> None:
    async def vanish() -> None:
        if shelf.asked:
            shutil.rmtree(ws.path)
            await asyncio.sleep(1.2)

    shelf = Shelf([[[works("1")], [works("2")], [works("3")]]], pause=vanish)
    with pytest.raises(TrawlError, match=str(ws.path)):
        raise (await ended(start(ws, shelf))).error


async def test_too_little_room_on_the_disk_ends_a_run(
    tmp_path: Path, works: Works, settings: Settings
) -> None:
    ws = crawler.open(tmp_path / "ws", settings=settings(limits__min_free=10**18))
    summary = await ended(start(ws, Shelf([[[works("1")]]])))
    assert isinstance(summary.error, NoSpace)
    assert summary.error.exit_code == 3


async def test_strict_tells_of_works_that_failed_for_good(ws: Workspace, works: Works) -> None:
    shelf = Shelf([[[works("1"), works.gone("2")]]])
    summary = await ended(start(ws, shelf, strict=True))
    assert summary.state == "finished"
    assert summary.error is not None
    assert summary.error.exit_code == 6


# -- trouble ----------------------------------------------------------------------------------


async def test_an_observer_that_breaks_ends_the_run_in_order_and_is_told(
    ws: Workspace, works: Works
) -> None:
    shelf = Shelf([[[works(str(n)) for n in range(50)]]])
    run = start(ws, shelf)

    def broken(report: dict[str, Any]) -> None:
        if report["type"] == "accepted":
            raise LookupError("of the observer's own")

    run.observe(broken)
    with pytest.raises(LookupError, match="of the observer's own"):
        await ended(run)
    assert not [state for state in states(ws).values() if state.startswith("failed")]
    resumed = await ended(start(ws, shelf))
    assert resumed.accepted == 50


class Broken(Shelf):
    """Some pages never come: those of ``bad``, as (partition, number), for so many times each."""

    bad: dict[tuple[str, int], int]
    error: type[Exception] = ZeroDivisionError

    async def discover(self, partition: Any, cursor: Any, http: Any) -> AsyncIterator[Page]:
        async for page in super().discover(partition, cursor, http):
            place = (partition.name, page.cursor - 1)
            if self.bad.get(place, 0) > 0:
                self.bad[place] -= 1
                raise self.error("of the adapter's own")
            yield page


def broken(pages: Any, bad: dict[tuple[str, int], int]) -> Broken:
    shelf = Broken(pages)
    shelf.bad = bad
    return shelf


async def test_a_page_that_cannot_be_had_at_first_is_tried_again(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = broken([[[works("1")], [works("2")], [works("3")]]], {("tier0", 1): 3})
    with caplog.at_level(logging.CRITICAL):
        summary = await ended(start(ws, shelf))
    assert (summary.state, summary.error, summary.accepted) == ("finished", None, 3)
    assert shelf.asked == [("tier0", n) for n in (0, 1, 1, 1, 1, 2)]


async def test_a_page_that_never_comes_costs_the_rest_of_its_part_of_the_crawl(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    tiers = [
        [[works("1")], [works("2")], [works("3")]],
        [[works("4")], [works("5")]],
    ]
    shelf = broken(tiers, {("tier0", 1): 1000})
    with caplog.at_level(logging.ERROR):
        summary = await ended(start(ws, shelf))
    assert isinstance(summary.error, BadAnswer)
    assert (summary.state, summary.error.exit_code) == ("failed", 5)
    assert "tier0" in str(summary.error)
    assert "ZeroDivisionError" in str(summary.error)
    assert caplog.text.count("Traceback") == 1
    assert states(ws) == {"1": "accepted", "4": "accepted", "5": "accepted"}
    shelf.bad.clear()
    shelf.asked.clear()
    resumed = await ended(start(ws, shelf))
    assert (resumed.state, resumed.accepted) == ("finished", 5)
    assert shelf.asked == [("tier0", 1), ("tier0", 2)]  # the page that was bad, and on from there


async def test_twenty_equal_troubles_with_pages_stop_the_source(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    tiers = [[[works(str(n))]] for n in range(20)]
    shelf = broken(tiers, {(f"tier{n}", 0): 1000 for n in range(20)})
    with caplog.at_level(logging.CRITICAL):
        summary = await ended(start(ws, shelf))
    assert isinstance(summary.error, BadAnswer)
    assert "20 pages in a row" in str(summary.error)
    assert len(shelf.asked) == 20


@pytest.mark.parametrize("error", [ChallengePage, AuthenticationFailed, RateLimited, UsageError])
async def test_what_a_source_means_for_good_is_not_asked_again(
    ws: Workspace, works: Works, error: type[Exception]
) -> None:
    shelf = broken([[[works("1")], [works("2")]], [[works("3")]]], {("tier0", 1): 1000})
    shelf.error = error
    summary = await ended(start(ws, shelf))
    assert type(summary.error) is error
    assert shelf.asked == [("tier0", 0), ("tier0", 1)]


async def test_a_part_set_aside_is_told_when_something_else_ended_the_run(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    tiers = [[[works("1")]], [[works("2")], [works("3")]]]
    shelf = broken(tiers, {("tier0", 0): 1000})
    run = start(ws, shelf)
    run.observe(lambda report: run.stop() if report["type"] == "accepted" else None)
    with caplog.at_level(logging.CRITICAL):
        summary = await ended(run)
    assert isinstance(summary.error, Interrupted)
    assert ["tier0" in line for line in summary.warnings] == [True]


async def test_a_part_set_aside_does_not_spoil_a_crawl_that_met_its_target(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    tiers = [[[works("1")]], [[works("2")], [works("3")]]]
    shelf = broken(tiers, {("tier0", 0): 1000})
    with caplog.at_level(logging.CRITICAL):
        summary = await ended(start(ws, shelf, want=2))
    assert (summary.state, summary.accepted, summary.error) == ("finished", 2, None)
    assert ["tier0" in line for line in summary.warnings] == [True]


class Crashing(Works):
    """Its pictures cannot even be opened in the way pictures are."""

    def __call__(self, site_id: str, *rest: Any, **claims: Any) -> Candidate:
        made = super().__call__(site_id, *rest, **claims)
        rung = replace(made.ladder[0], location="\0")  # no path at all
        return replace(made, ladder=(rung,))


async def test_a_bad_entry_is_told_as_it_is_recorded(ws: Workspace, works: Works) -> None:
    bad = replace(works("1"), ladder=(Rung("https://x.example/\ud800.png"),))
    run, told = start(ws, Shelf([[[bad, works("2")]]])), list[dict[str, Any]]()
    run.observe(told.append)
    summary = await ended(run)
    assert (summary.state, summary.accepted) == ("finished", 1)
    (report,) = [one for one in told if one["type"] == "unavailable"]
    assert (report["site_id"], report["reason"], report["url"]) == ("1", "bad_entry", None)


async def test_a_source_that_breaks_when_it_is_left_has_done_its_work(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    class Sulky(Shelf):
        async def discover(self, *given: Any) -> AsyncIterator[Page]:
            try:
                async for page in super().discover(*given):
                    yield page
            finally:
                raise ValueError("closed already")

    shelf = Sulky([[[works(str(number))] for number in range(6)]])
    summary = await ended(start(ws, shelf, want=2))
    assert (summary.state, summary.accepted) == ("finished", 2)
    assert "closed already" in caplog.text


async def test_unexpected_trouble_costs_one_work(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    crash = Crashing(works.folder)
    shelf = Shelf([[[works("1"), crash("2"), works("3")]]])
    with caplog.at_level(logging.CRITICAL):
        summary = await ended(start(ws, shelf))
    assert summary.state == "finished"
    assert states(ws) == {"1": "accepted", "2": "failed:crashed", "3": "accepted"}


async def test_trouble_of_one_kind_again_and_again_stops_the_source(
    ws: Workspace, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    crash = Crashing(works.folder)
    shelf = Shelf([[[crash(str(n)) for n in range(200)]]])
    with caplog.at_level(logging.CRITICAL):
        summary = await ended(start(ws, shelf))
    assert isinstance(summary.error, BadAnswer)
    assert summary.state == "failed"
    assert "pending" in states(ws).values()


async def test_a_full_disk_ends_the_run_and_costs_no_work(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shelf = Shelf([[[works(str(n)) for n in range(5)]]])
    monkeypatch.setattr("storage.files.fsync_dir", full)
    summary = await ended(start(ws, shelf))
    assert isinstance(summary.error, NoSpace)
    assert set(states(ws).values()) == {"pending"}
    monkeypatch.undo()
    resumed = await ended(start(ws, shelf))
    assert resumed.accepted == 5
    assert {p.stem for p in (ws.path / "files").glob("??/??/*")} == {i.sha256 for i in ws.images()}


@pytest.mark.parametrize("claimed", [10**15, None])
async def test_a_run_ends_while_there_is_room_for_what_is_on_its_way(
    tmp_path: Path, works: Works, settings: Settings, monkeypatch: pytest.MonkeyPatch, claimed: Any
) -> None:
    """Twice the largest file in flight stays free; nobody's claim counts beyond our own cap."""
    room = 1_000_000
    monkeypatch.setattr("crawler.limits.free_bytes", lambda folder: room)
    ws = crawler.open(tmp_path / "ws", settings=settings(net__max_file_bytes=room // 2 + 1))
    large = works("1")
    shelf = Shelf([[[replace(large, ladder=(replace(large.ladder[0], bytes=claimed),))]]])
    shelf.pages = [[[*shelf.pages[0][0], *(works(str(n)) for n in range(2, 6))]]]
    run = start(ws, shelf)
    monkeypatch.setattr("crawler.limits.LOOK_EVERY", 0.0)
    summary = await ended(run)
    assert isinstance(summary.error, NoSpace) is (claimed is not None)


async def test_a_challenge_stops_the_source_and_no_other_rung_is_tried(
    demo_world: World, tmp_path: Path, settings: Settings
) -> None:
    faults = Faults((Fault(Status(403, html=True), match="/original/*"),))
    async with DemoSite(demo_world, faults=faults) as site:
        ws = crawler.open(tmp_path / "ws", settings=settings(site, limits__concurrency=3))
        summary = await ended(ws.crawl("danbooru", "hakurei_reimu", want=20))
        asked = [entry.path for entry in site.ledger if not entry.path.endswith(".json")]
    assert isinstance(summary.error, ChallengePage)
    assert (summary.state, summary.accepted) == ("failed", 0)
    assert 1 <= len(asked) <= 3
    assert all(path.startswith("/original/") for path in asked)


# -- what is told -----------------------------------------------------------------------------


async def test_every_work_that_reaches_a_state_is_reported_once(
    ws: Workspace, works: Works
) -> None:
    told: list[tuple[str, str]] = []
    hidden = replace(works("4"), ladder=(), unavailable="hidden")
    shelf = Shelf([[[works("1"), works.small("2"), works.gone("3"), hidden]]])
    run = start(ws, shelf)
    run.observe(lambda r: told.append((r["type"], r.get("site_id", ""))))
    await ended(run)
    assert sorted(one for one in told[:-1] if one[0] != "progress") == [
        *(("accepted", "1"), ("failed", "3"), ("rejected", "2"), ("unavailable", "4"))
    ]
    assert told[-1] == ("summary", "")
    assert run.stats.states == {"accepted": 1, "failed": 1, "rejected": 1, "unavailable": 1}


async def test_rejected_bytes_are_kept_within_their_budget(
    tmp_path: Path, works: Works, settings: Settings
) -> None:
    ws = crawler.open(tmp_path / "ws", settings=settings(storage__rejected_budget=2_000))
    shelf = Shelf([[[works.small(str(n)) for n in range(10)]]])
    await ended(start(ws, shelf, policy=SMALL))
    size = sum(p.stat().st_size for p in (ws.path / "files").glob("??/??/*"))
    assert 0 < size <= 2_000
