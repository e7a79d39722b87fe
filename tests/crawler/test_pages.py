"""Committing a page: an entry that no catalog can hold costs only itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.workspace import Workspace
from storage.reader import Reader
from storage.records import Candidate
from tests.crawler.shelf import Shelf, Works, start, states

Spoil = Callable[[Candidate], Candidate]

SPOILT: dict[str, Spoil] = {
    "half a character": lambda c: replace(c, caption="\ud800"),
    "half a character in a tag": lambda c: replace(c, tags={"general": ("solo", "\udfff")}),
    "a number that is too large": lambda c: replace(c, metadata={}, ladder=_wide(c, 2**70)),
    "a size in words": lambda c: replace(c, ladder=_wide(c, "large")),
    "an object in place of text": lambda c: replace(c, licence={"name": "CC0"}),  # type: ignore
    "metadata that is no JSON": lambda c: replace(c, metadata={"x": object()}),
    "tags that are a list": lambda c: replace(c, tags=["solo"]),  # type: ignore[arg-type]
    "a ladder of words": lambda c: replace(c, ladder=("here",)),  # type: ignore[arg-type]
}


def _wide(candidate: Candidate, width: Any) -> Any:
    return (replace(candidate.ladder[0], width=width),)


@pytest.fixture
def ws(tmp_path: Path, settings: Any) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path / "pictures")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", SPOILT)
async def test_an_entry_that_cannot_be_recorded_is_told_and_costs_itself(
    ws: Workspace, works: Works, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    page = [works("1"), SPOILT[how](works("2")), works("3")]
    async with asyncio.timeout(20):
        summary = await start(ws, Shelf([[page, [works("4")]]]))
    assert (summary.state, summary.error) == ("finished", None)
    assert states(ws) == {
        "1": "accepted",
        "2": "unavailable:bad_entry",
        "3": "accepted",
        "4": "accepted",
    }


@pytest.mark.parametrize("entry", [None, "a post", Candidate("folder", "", "\ud800")], ids=repr)
async def test_an_entry_without_an_id_is_counted(
    ws: Workspace, works: Works, entry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    page: list[Candidate] = [works("1"), entry, works("3")]
    async with asyncio.timeout(20):
        summary = await start(ws, Shelf([[page]]))
    assert (summary.state, summary.accepted) == ("finished", 2)
    with Reader(ws.path) as reader:
        assert reader.dropped(summary.crawl_id) == {"bad_entry": 1}


async def test_blocked_content_stays_blocked_however_its_entry_is_spoilt(
    ws: Workspace, works: Works
) -> None:
    marked = replace(works("2"), tags={"general": ("loli",)}, caption="\ud800")
    async with asyncio.timeout(20):
        await start(ws, Shelf([[[works("1"), marked, works("3", caption="\ud800")]]]))
    assert states(ws) == {
        "1": "accepted",
        "2": "rejected:blocked_content",
        "3": "unavailable:bad_entry",
    }
