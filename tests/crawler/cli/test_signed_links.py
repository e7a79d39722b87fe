"""What is printed or exported of a work tells where it is from, and opens nothing to a reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.workspace import Workspace
from storage.database import open_reader
from storage.records import Candidate, Rung
from tests.crawler.cli.conftest import Trawl
from tests.crawler.shelf import Shelf, Works, start

SIGNED = "https://canaryuser:canarypw@h.example/{}.png?id=7&signature=canarysig"
PUBLIC = "https://h.example/{}.png?id=7"
CANARIES = ("canaryuser", "canarypw", "canarysig")


@pytest.fixture
async def ws(tmp_path: Path, settings: Callable[..., Any]) -> Workspace:
    """One picture that was taken from a local file, one that its rating rejects."""
    claims: dict[str, Any] = {
        "page_url": SIGNED.format("page"),
        "source_url": SIGNED.format("source"),
        "metadata": {"large": [SIGNED.format("large")]},
    }
    local = Works(tmp_path / "a?key=1")("1", **claims)
    ladder = (Rung(SIGNED.format("rung"), "url"),)
    rejected = Candidate("folder", "", "2", ladder, rating="e", **claims)
    made = crawler.open(tmp_path / "ws", settings=settings())
    await start(made, Shelf([[[local, rejected]]]))
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("query", "--format", "json"),
        ("query", "--format", "ndjson"),
        ("query", "--format", "csv"),
        ("show", "folder:1"),
        ("show", "folder:2", "--json"),
    ],
    ids=" ".join,
)
async def test_commands_print_what_is_public(
    ws: Workspace, trawl: Trawl, words: tuple[str, ...]
) -> None:
    printed = trawl(*words, "-w", ws.path)
    assert printed.code == 0
    assert not [canary for canary in CANARIES if canary in printed.out]
    assert PUBLIC.format("page") in printed.out
    if words[0] == "show":
        for name in ("source", "large", *(["rung"] if "folder:2" in words else [])):
            assert PUBLIC.format(name) in printed.out


async def test_the_path_of_a_local_file_is_told_as_it_is(ws: Workspace, trawl: Trawl) -> None:
    told = json.loads(trawl("query", "id:1", "--format", "json", "-w", ws.path).out)
    assert Path(told[0]["file_url"]).is_file()
    shown = json.loads(trawl("show", "folder:1", "--json", "-w", ws.path).out)
    assert Path(shown["ladder"][0]["location"]).is_file()


@pytest.mark.parametrize("layout", ["kohya", "imagefolder"])
async def test_exported_tables_tell_what_is_public(
    ws: Workspace, tmp_path: Path, layout: str
) -> None:
    assert ws.export(layout, tmp_path / "out").written == 1
    for table in (tmp_path / "out").rglob("*.jsonl"):
        text = table.read_text()
        assert not [canary for canary in CANARIES if canary in text]
        row = json.loads(text)
        assert row["page_url"] == PUBLIC.format("page")
        assert row["source_url"] == PUBLIC.format("source")


async def test_the_catalog_keeps_the_whole_link(ws: Workspace) -> None:
    db = open_reader(ws.path / "catalog.db")
    (row,) = db.execute("SELECT location FROM rungs WHERE kind = 'url'").fetchall()
    db.close()
    assert row["location"] == SIGNED.format("rung")
