"""What a crawl would do is what it then does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.demo.site import DemoSite
from crawler.dry_run import DryRun, dry_run
from crawler.errors import UnknownTag
from crawler.workspace import Workspace
from storage.reader import Reader
from tests.crawler.shelf import Shelf, Works, request, start, states


@pytest.fixture
def ws(demo: DemoSite, tmp_path: Path, settings: Callable[..., Any]) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings(demo))


async def test_a_dry_run_tells_what_the_crawl_then_does(ws: Workspace) -> None:
    dry = await ws.dry_run("danbooru", "hakurei_reimu", want=None)
    assert not ws.path.exists()  # it writes nothing
    summary = await ws.crawl("danbooru", "hakurei_reimu", want=None)
    assert dry.complete
    assert dry.listed == sum(row.count for row in summary.rows)
    by_claims: Counter[str] = Counter()
    fetched = size = 0
    with Reader(ws.path) as reader:
        for image in reader.query([]):
            about = reader.show(f"danbooru:{image.site_id}")
            if any(a["outcome"] != "known" for a in about["attempts"]):
                fetched += 1
                size += about["bytes"]
            else:
                by_claims["duplicate" if image.state == "duplicate" else str(image.reason)] += 1
    assert dry.fetch == fetched
    assert dry.rejected == by_claims
    assert dry.unsized == 0
    assert dry.bytes == pytest.approx(size, rel=0.05)  # replaced files have another size by now


async def test_a_dry_run_stops_where_the_crawl_would(demo: DemoSite, ws: Workspace) -> None:
    dry = await ws.dry_run("danbooru", "hakurei_reimu", want=5)
    assert (dry.fetch, dry.complete) == (5, True)
    files = [e.path for e in demo.ledger if e.path.startswith("/original/")]
    assert files == []


async def test_a_tag_nobody_knows_is_told(ws: Workspace) -> None:
    with pytest.raises(UnknownTag):
        await ws.dry_run("danbooru", "hakurei_reimuu")


async def dry(shelf: Shelf, want: int | None) -> DryRun:
    asked = request(shelf)
    return await dry_run(shelf, "query", asked.rules, None, want)  # type: ignore[arg-type]


@pytest.mark.parametrize("want", [None, 1, 3, 5, 100])
async def test_every_target_is_estimated_as_it_comes_out_where_nothing_fails(
    tmp_path: Path, settings: Callable[..., Any], want: int | None
) -> None:
    works = Works(tmp_path / "pictures")
    comic = works("c", tags={"general": ("comic",)})
    tiers = [
        [[works.sure("1"), comic, works.sure("2")], [works.sure("3", "2"), works.sure("4")]],
        [[works.sure("4"), works.sure("5")], [works.sure("6")]],
    ]
    expected = await dry(Shelf(tiers), want)
    ws = crawler.open(tmp_path / "ws", settings=settings())
    summary = await start(ws, Shelf(tiers), want=want)
    assert expected.fetch == summary.accepted
    assert expected.listed == len(states(ws))
    assert expected.complete
    assert expected.unsized == expected.fetch  # folders' works claim no size here


async def test_it_is_a_question_and_no_crawl(tmp_path: Path) -> None:
    works = Works(tmp_path / "pictures")
    shelf = Shelf([[[works(str(n))] for n in range(100)]])
    answer = await dry(shelf, None)
    assert not answer.complete
    assert len(shelf.asked) == 25
