"""A filter that breaks amid a crawl: its works wait for the next run, all others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import crawler
from crawler import plugins
from crawler.engine import Engine
from crawler.opening import Request
from crawler.run import Run, Summary
from crawler.verdicts import Rules
from crawler.workspace import Workspace
from filters.base import BaseFilter, Claims, Measures, Rejection
from filters.content import Content
from filters.picture import Picture
from filters.policy import Judge, Policy
from storage.reader import Reader
from storage.records import CrawlSpec
from tests.crawler.shelf import SMALL, Shelf, Works, events, states


class Fragile(BaseFilter):
    """Breaks at one moment, on works that are tagged ``breaks`` or pictures of 50 pixels a side."""

    name: ClassVar[str] = "fragile"
    order: ClassVar[int] = 60

    def __init__(self, moment: str) -> None:
        self.moment = moment

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        if self.moment == "prescreen" and "breaks" in claims.tags.get("general", ()):
            raise ZeroDivisionError("of the filter's own")
        return None

    def measure(self, picture: Picture) -> Measures:
        if self.moment == "measure" and picture.width == 50:
            raise ZeroDivisionError("of the filter's own")
        return {"width": picture.width}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        if self.moment == "judge" and measures["width"] == 50:
            raise ZeroDivisionError("of the filter's own")
        return None


class BrokenContent(Content):
    """Content safety that cannot read some works."""

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        if "breaks" in claims.tags.get("general", ()):
            raise ZeroDivisionError("of content safety's own")
        return super().prescreen(claims, policy)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")


@pytest.fixture
def ws(tmp_path: Path, settings: Any) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


def judge_with(*more: BaseFilter, without: str = "") -> Judge:
    return Judge([f for f in plugins.judge().filters if f.name != without] + list(more))


async def crawled(
    ws: Workspace, shelf: Shelf, judge: Judge, policy: dict[str, Any] | None = None
) -> Summary:
    rules = Rules(judge, judge.policy(policy or SMALL))
    spec = CrawlSpec("shelf", "folder", "", shelf.query, {})
    async with asyncio.timeout(20):
        return await Run(Engine(Request(shelf, spec, rules, None)), ws)


def forget_sources(works: Works) -> None:
    """Nothing can be fetched any more."""
    for path in works.folder.iterdir():
        path.unlink()


def shelf_of(works: Works) -> Shelf:
    fragile = works("2", side=50, tags={"general": ("breaks",)})
    return Shelf([[[works("1"), fragile, works("3")]]])


@pytest.mark.parametrize("moment", ["prescreen", "measure", "judge"])
async def test_its_works_fail_and_the_next_run_tries_them_again(
    ws: Workspace, works: Works, moment: str
) -> None:
    shelf = shelf_of(works)
    summary = await crawled(ws, shelf, judge_with(Fragile(moment)))
    assert (summary.state, summary.error) == ("finished", None)
    assert states(ws) == {"1": "accepted", "2": "failed:filter_failed", "3": "accepted"}
    (warning,) = summary.warnings
    assert "fragile" in warning
    assert "ZeroDivisionError: of the filter's own" in warning
    with Reader(ws.path) as reader:
        (work,) = reader.show("folder:2")["works"]
        assert work["filter"] == "fragile"
        assert "ZeroDivisionError" in work["measured"]
    again = await crawled(ws, shelf, judge_with(Fragile("never")))
    assert (again.accepted, again.warnings) == (3, ())
    assert set(states(ws).values()) == {"accepted"}


async def test_a_filter_that_breaks_on_everything_does_not_end_the_crawl(
    ws: Workspace, works: Works
) -> None:
    page = [works(str(n), side=50) for n in range(25)]
    summary = await crawled(ws, Shelf([[page, [works("good")]]]), judge_with(Fragile("measure")))
    assert (summary.state, summary.error) == ("finished", None)
    assert list(states(ws).values()).count("failed:filter_failed") == 25
    assert states(ws)["good"] == "accepted"
    assert len(summary.warnings) == 1


async def test_a_work_of_another_crawl_that_could_not_be_measured_is_measured_anew(
    ws: Workspace, works: Works
) -> None:
    """Rejected for another reason it is kept, without what the broken filter would have said."""
    large = {"resolution": {"min_side": 60, "min_pixels": 1}}
    small = works("2", side=50)
    await crawled(ws, Shelf([[[small]]], query="one"), judge_with(Fragile("measure")), large)
    assert states(ws) == {"2": "rejected:too_small"}
    second = Shelf([[[small]]], query="two")
    summary = await crawled(ws, second, judge_with(Fragile("never")))
    assert summary.accepted == 1
    with Reader(ws.path) as reader:
        measures = reader.show("folder:2")["picture"]["measures"]
        assert measures["fragile"] == {"version": 1, "width": 50}


async def test_judged_again_by_a_filter_that_breaks_a_work_fails_and_comes_back_without_bytes(
    ws: Workspace, works: Works
) -> None:
    shelf = shelf_of(works)
    await crawled(ws, shelf, judge_with(Fragile("never")))
    forget_sources(works)
    other = {**SMALL, "integrity": {"tolerance": 0.03}}  # no threshold that the catalog can judge
    await crawled(ws, shelf, judge_with(Fragile("judge")), other)
    assert states(ws) == {"1": "accepted", "2": "failed:filter_failed", "3": "accepted"}
    await crawled(ws, shelf, judge_with(Fragile("never")), other)
    assert set(states(ws).values()) == {"accepted"}
    assert [kind for kind, _ in events(ws)].count("retracted") == 1


async def test_what_content_safety_cannot_read_is_never_fetched(
    ws: Workspace, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _note_what_is_fetched(monkeypatch)
    broken = judge_with(BrokenContent(), without="content")
    for _ in range(2):  # nor by the next run, which tries it again
        summary = await crawled(ws, shelf_of(works), broken)
        assert states(ws) == {"1": "accepted", "2": "failed:filter_failed", "3": "accepted"}
        assert any("content" in line for line in summary.warnings)
    assert sorted(asked) == ["1", "3"]
    await crawled(ws, shelf_of(works), judge_with())
    assert states(ws)["2"] == "accepted"


async def test_what_content_safety_cannot_read_again_is_withdrawn(
    ws: Workspace, works: Works
) -> None:
    shelf = shelf_of(works)
    await crawled(ws, shelf, judge_with())
    assert set(states(ws).values()) == {"accepted"}
    broken = judge_with(BrokenContent(), without="content")
    other = {**SMALL, "integrity": {"tolerance": 0.03}}  # no threshold that the catalog can judge
    await crawled(ws, shelf, broken, other)
    assert states(ws)["2"] == "failed:filter_failed"


def _note_what_is_fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from crawler import carry

    asked: list[str] = []
    spool: Callable[..., Any] = carry.spool

    async def noted(rung: Any, into: Path, *, max_bytes: int) -> Any:
        asked.append(Path(rung.location).stem)
        return await spool(rung, into, max_bytes=max_bytes)

    monkeypatch.setattr(carry, "spool", noted)
    return asked
