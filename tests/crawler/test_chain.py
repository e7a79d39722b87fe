"""A crawl, stages and exports in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import crawler
from crawler.errors import LimitReached, UsageError
from crawler.workspace import Workspace
from storage.database import open_reader
from storage.lock import engine_running
from tests.crawler.shelf import Shelf, Works, start

SHRINK = {"max_pixels": 70 * 70}


@pytest.fixture
def ws(tmp_path: Path, settings: Callable[..., Any]) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    works = Works(tmp_path / "pictures")
    tags = {"general": ("hat", "bow")}
    return Shelf([[[works("1", side=90, tags=tags), works("2", side=60), works.small("3")]]])


async def test_a_crawl_is_followed_by_a_stage_and_an_export(
    ws: Workspace, shelf: Shelf, tmp_path: Path
) -> None:
    chain = start(ws, shelf).through("shrink", **SHRINK).export("imagefolder", tmp_path / "out")
    done = await chain
    assert done.summary.accepted == 2
    assert [(i.site_id, i.width) for i in done.images] == [("1", 70), ("2", 60)]
    (report,) = done.reports
    assert report.written == 2
    exported = sorted(p for p in (tmp_path / "out").rglob("*.png"))
    sizes = set()
    for path in exported:
        with Image.open(path) as picture:
            sizes.add(picture.size)
    assert sizes == {(70, 70), (60, 60)}
    assert not engine_running(ws.path)


async def test_a_picture_that_needs_no_change_goes_on_as_it_is(ws: Workspace, shelf: Shelf) -> None:
    done = await start(ws, shelf).through("shrink", **SHRINK)
    originals = {i.site_id: i.sha256 for i in ws.images()}
    assert done.images[0].sha256 != originals["1"]
    assert done.images[1].sha256 == originals["2"]
    assert all(image.path and image.path.exists() for image in done.images)


def lineage(ws: Workspace) -> list[tuple[Any, ...]]:
    db = open_reader(ws.path / "catalog.db")
    rows = [tuple(r) for r in db.execute("SELECT id, sha256, created_at FROM derived ORDER BY id")]
    db.close()
    return rows


async def test_what_was_made_is_not_made_again(ws: Workspace, shelf: Shelf) -> None:
    first = await start(ws, shelf).through("shrink", **SHRINK)
    before = lineage(ws)
    second = await start(ws, shelf).through("shrink", **SHRINK)
    assert lineage(ws) == before
    assert [i.sha256 for i in second.images] == [i.sha256 for i in first.images]
    third = await start(ws, shelf).through("shrink", max_pixels=4_096)
    assert [i.width for i in third.images] == [64, 60]
    assert len(lineage(ws)) == 2


async def test_a_derived_file_that_is_gone_is_made_again(ws: Workspace, shelf: Shelf) -> None:
    first = await start(ws, shelf).through("shrink", **SHRINK)
    assert first.images[0].path is not None
    first.images[0].path.unlink()
    second = await start(ws, shelf).through("shrink", **SHRINK)
    assert second.images[0].path is not None
    assert second.images[0].path.exists()


async def test_stages_follow_each_other(ws: Workspace, shelf: Shelf) -> None:
    done = await start(ws, shelf).through("shrink", **SHRINK).through("shrink", max_pixels=4_096)
    assert [i.width for i in done.images] == [64, 60]


async def test_an_export_alone_and_several_exports(
    ws: Workspace, shelf: Shelf, tmp_path: Path
) -> None:
    folder, sheet = tmp_path / "a", tmp_path / "b.jpg"
    done = await start(ws, shelf).export("kohya", folder).export("sheet", sheet)
    assert len(done.reports) == 2
    assert len(list(folder.rglob("*.txt"))) == 2
    assert sheet.exists()


async def test_chains_are_values(ws: Workspace, shelf: Shelf, tmp_path: Path) -> None:
    run = start(ws, shelf)
    plain = run.export("imagefolder", tmp_path / "plain")
    small = run.through("shrink", **SHRINK).export("imagefolder", tmp_path / "small")
    await plain
    await small
    assert [i.width for i in (await plain).images] == [90, 60]
    assert [i.width for i in (await small).images] == [70, 60]


async def test_what_ended_the_crawl_early_ends_the_chain(
    ws: Workspace, shelf: Shelf, tmp_path: Path
) -> None:
    with pytest.raises(LimitReached):
        await start(ws, shelf, max_time=0).export("imagefolder", tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_picture_that_a_stage_cannot_use_costs_only_itself(
    ws: Workspace, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    run = start(ws, shelf)
    assert (await run.through("shrink", **SHRINK)).skipped == {}
    (first,) = [image for image in ws.images() if image.site_id == "1"]
    assert first.path is not None
    first.path.unlink()
    done = await run.through("shrink", max_pixels=2_000).through("shrink", max_pixels=1_000)
    assert [i.site_id for i in done.images] == ["2"]
    assert done.skipped == {"missing": 1}
    assert "shrink skips folder:1" in caplog.text
    assert list((ws.path / "files" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("stage", "options"), [("shrunk", {}), ("shrink", {"max_pixel": 1}), ("shrink", {"x": "y"})]
)
async def test_what_does_not_exist_is_told_with_what_does(
    ws: Workspace, shelf: Shelf, stage: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        await start(ws, shelf).through(stage, **options)
