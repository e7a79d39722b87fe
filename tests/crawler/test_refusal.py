"""What is never sent, wherever a search comes from: a person, an alias or an old crawl."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crawler
from crawler.adapters.base import Predicate
from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.errors import RefusedQuery
from crawler.refusal import refuse_blocked
from crawler.settings import Settings
from crawler.workspace import Workspace
from storage import crawls
from storage.records import CrawlSpec
from storage.workspace import CATALOG
from storage.writer import Writer


@pytest.fixture
def ws(tmp_path: Path, settings: Callable[..., Settings]) -> Workspace:
    return crawler.open(tmp_path / "ws", settings=settings())


def rated(*ratings: str) -> dict[str, Any]:
    return {"content": {"ratings": ratings}}


def test_the_hint_tells_how_it_can_be_asked() -> None:
    with pytest.raises(RefusedQuery, match="rated general") as refused:
        refuse_blocked(["child"], ("g", "s"))
    assert refused.value.hint == "add --rating g"
    refuse_blocked(["child"], ("g",))


def test_a_word_that_is_never_sent_has_no_way_round() -> None:
    with pytest.raises(RefusedQuery, match="never asks for this") as refused:
        refuse_blocked(["loli"], ("g",))
    assert not refused.value.hint


def test_a_wildcard_can_be_written_out() -> None:
    with pytest.raises(RefusedQuery, match="could match"):
        refuse_blocked(["lol*"])


@pytest.mark.parametrize("policy", [{}, rated("q", "e"), rated("g", "s", "q", "e")])
async def test_age_coded_words_are_searched_for_only_among_general_works(
    ws: Workspace, policy: dict[str, Any]
) -> None:
    with pytest.raises(RefusedQuery):
        ws.crawl("danbooru", "child", policy=policy)
    with pytest.raises(RefusedQuery):
        await ws.dry_run("danbooru", "child", policy=policy)
    ws.crawl("danbooru", "child", policy=rated("g"))


def test_the_path_of_a_folder_is_no_search(ws: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "young"
    folder.mkdir()
    ws.crawl("folder", str(folder))


@pytest.mark.parametrize("ratings", [("g", "s"), ("q", "e"), ()])
def test_what_an_alias_leads_to_is_refused_too(ratings: tuple[str, ...]) -> None:
    danbooru = Danbooru(Danbooru.default_site, DanbooruOptions())
    with pytest.raises(RefusedQuery):
        danbooru.partitions("child", Predicate(ratings=ratings))
    (part,) = danbooru.partitions("child", Predicate(ratings=("g",)))
    assert part.listing["tags"].endswith("rating:g")


@pytest.mark.parametrize(
    ("query", "resolved", "ratings", "refused"),
    [
        ("cirno", "cirno", ("g", "s"), False),
        ("kid_alias", "child", ("g",), False),
        ("kid_alias", "child", ("g", "s"), True),
        ("child", "cirno", ("q", "e"), True),
        ("cirno", "loli", ("g",), True),
    ],
)
async def test_a_stored_crawl_is_looked_at_again(
    ws: Workspace, query: str, resolved: str, ratings: tuple[str, ...], refused: bool
) -> None:
    site = ws.settings.site("danbooru", Danbooru.default_site)
    ws.path.mkdir()
    writer = Writer(ws.path / CATALOG)
    await writer.start()
    spec = CrawlSpec("danbooru", "danbooru", site.base_url, query, {})
    await writer.do(
        lambda db: crawls.create(
            db,
            spec,
            resolved=resolved,
            predicate={},
            policy=rated(*ratings),
            want=1,
            partitions=[],
        )
    )
    await writer.close()
    if refused:
        with pytest.raises(RefusedQuery):
            ws.resume()
    else:
        ws.resume()
