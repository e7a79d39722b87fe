"""What is remembered of an export, also of one that fails, and of files that are not ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.workspace import Workspace
from stages.errors import BadOption, FolderNotOurs
from storage.database import open_reader
from tests.crawler.shelf import Shelf, Works, start


@pytest.fixture
async def ws(tmp_path: Path, settings: Callable[..., Any]) -> Workspace:
    made = crawler.open(tmp_path / "ws", settings=settings())
    works = Works(tmp_path / "pictures")
    await start(made, Shelf([[[works("1"), works("2")]]]))
    return made


def remembered(ws: Workspace) -> set[tuple[str, str]]:
    db = open_reader(ws.path / "catalog.db")
    rows = {tuple(row) for row in db.execute("SELECT sha256, path FROM exported")}
    db.close()
    return rows


@pytest.mark.parametrize("layout", ["kohya", "imagefolder", "sheet"])
async def test_exactly_what_was_made_is_remembered(
    ws: Workspace, tmp_path: Path, layout: str
) -> None:
    out = tmp_path / ("out.jpg" if layout == "sheet" else "out")
    for _ in range(2):
        report = ws.export(layout, out)
        assert remembered(ws) == {(sha256, str(path)) for sha256, path in report.files}
        assert all(path.exists() for _, path in report.files)


async def test_files_of_somebody_else_are_never_taken_for_ours(
    ws: Workspace, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    name = ws.export("imagefolder", tmp_path / "other").files[0][1].name
    before = remembered(ws)
    (out / "train").mkdir(parents=True)
    (out / "train" / name).write_bytes(b"a holiday")
    with pytest.raises(FolderNotOurs):
        ws.export("imagefolder", out)
    assert remembered(ws) == before


async def test_an_export_that_cannot_be_made_leaves_nothing_to_remember(
    ws: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(BadOption):
        ws.export("sheet", tmp_path / "sheet.jpg", {"columns": 1, "cell": 40_000})
    assert remembered(ws) == set()
