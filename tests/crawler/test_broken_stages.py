"""A stage of somebody else's that breaks on one picture costs that picture, not the chain."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.errors import NoSpace, TrawlError, UsageError
from crawler.workspace import Workspace
from tests.crawler.shelf import Shelf, Works, start
from tests.scenarios.plugin import install

STAGE = """
import errno
from dataclasses import dataclass
from crawler.errors import UsageError
from stages.base import Derived

@dataclass(frozen=True)
class Options:
    trouble: str = ""

def nothing(image): pass
def breaks(image): raise ValueError(f"odd: {image.site_id}")
def no_number(image): yield Derived(b"data", "png", "wide", 8)
def no_bytes(image): yield Derived("text", "png", 8, 8)
def no_format(image): yield Derived(b"data", "../x", 8, 8)
def no_result(image): yield None
def other_file(image): open("/nowhere/at/all")
def full(image): raise OSError(errno.ENOSPC, "no room")
def memory(image): raise MemoryError
def ours(image): raise UsageError("asked for too much")

class Stage:
    name, version, group_by, Options = "fragile", 1, "image", Options

    def __init__(self, options):
        self.trouble = globals()[options.trouble]

    def process(self, inputs):
        if inputs[0].site_id != "3":
            yield from self.trouble(inputs[0]) or ()
"""


@pytest.fixture
def ws(tmp_path: Path, settings: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    install(tmp_path / "plugin", "fragile", STAGE, "[trawl.stages]\nfragile = fragile:Stage\n")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    works = Works(tmp_path / "pictures")
    return Shelf([[[works("1"), works("2"), works("3")]]])


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("breaks", "ValueError: odd: 1"),
        ("no_number", "size in pixels"),
        ("no_bytes", "no picture"),
        ("no_format", "../x"),
        ("no_result", "NoneType"),
        ("other_file", "/nowhere/at/all"),
    ],
)
async def test_it_is_counted_told_once_and_the_others_are_exported(
    ws: Workspace,
    shelf: Shelf,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
    told: str,
) -> None:
    run = start(ws, shelf)
    done = await run.through("fragile", trouble=trouble).export("imagefolder", tmp_path / "out")
    assert done.skipped == {"stage_failed": 2}
    assert [image.site_id for image in done.images] == ["3"]
    assert done.reports[0].written == 1
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "fragile" in warning
    assert told in warning
    assert list((ws.path / "files" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("trouble", "error"), [("full", NoSpace), ("memory", MemoryError), ("ours", UsageError)]
)
async def test_what_is_not_the_stages_fault_ends_the_chain(
    ws: Workspace, shelf: Shelf, trouble: str, error: type[TrawlError]
) -> None:
    with pytest.raises(error):
        await start(ws, shelf).through("fragile", trouble=trouble)


async def test_a_stage_that_changes_nothing_fails_nothing(ws: Workspace, shelf: Shelf) -> None:
    done = await start(ws, shelf).through("fragile", trouble="nothing")
    assert (done.skipped, len(done.images)) == ({}, 3)
