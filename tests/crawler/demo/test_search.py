"""Searches in the default world find what plain Python finds."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.demo.posts import Post, World
from crawler.demo.search import Search, like


def found(world: World, text: str) -> list[int]:
    return [post.id for post in Search.of(text, world).ordered()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", lambda p: True),
        ("solo", lambda p: "solo" in p.tags),
        ("solo -hat", lambda p: "solo" in p.tags and "hat" not in p.tags),
        ("~hat ~moon", lambda p: "hat" in p.tags or "moon" in p.tags),
        ("solo (hat or moon)", lambda p: "solo" in p.tags and bool({"hat", "moon"} & {*p.tags})),
        ("*_ribbon", lambda p: "hair_ribbon" in p.tags),
        ("rating:g,s", lambda p: p.rating in "gs"),
        ("rating:explicit", lambda p: p.rating == "e"),
        ("-status:deleted", lambda p: not p.is_deleted),
        ("status:banned", lambda p: p.is_banned),
        ("filetype:jpg,webp", lambda p: p.media.ext in ("jpg", "webp")),
        ("width:>=1200 height:<1000", lambda p: p.media.width >= 1200 and p.media.height < 1000),
        ("mpixels:>2", lambda p: p.media.width * p.media.height > 2e6),
        ("score:10..20", lambda p: 10 <= p.score <= 20),
        ("parent:any", lambda p: p.parent_id is not None),
        ("child:any", lambda p: p.has_children),
        ("is:sfw has:source", lambda p: p.rating in "gs" and p.source),
        ("marisa", lambda p: "kirisame_marisa" in p.tags),
        ("pixiv:none", lambda p: p.pixiv_id is None),
        ("tagcount:>20", lambda p: len(p.tags) > 20),
        ("arttags:0", lambda p: not p.tags.artist),
        ("duration:any", lambda p: p.media.duration is not None),
        ("user:somebody", lambda p: False),
        ("no_such_tag", lambda p: False),
        ("width:nonsense", lambda p: False),
        ("a or", lambda p: False),
    ],
)  # fmt: skip
def test_finds_the_posts_that_fit(world: World, text: str, wanted: Callable[[Post], bool]) -> None:
    expected = [post.id for post in reversed(world.posts) if wanted(post)]
    assert found(world, text) == expected


def test_orders(world: World) -> None:
    scores = [post.score for post in Search.of("order:score", world).ordered()]
    assert scores == sorted(scores, reverse=True)
    assert found(world, "order:id") == sorted(found(world, ""))
    sizes = [post.media.size for post in Search.of("order:filesize_asc", world).ordered()]
    assert sizes == sorted(sizes)
    assert found(world, "order:date") == found(world, "")


def test_custom_order_keeps_the_ids_as_listed(world: World) -> None:
    ids = [world.ids[5], world.ids[2], world.ids[9]]
    assert found(world, f"id:{','.join(map(str, ids))} order:custom") == ids


def test_a_random_sample_has_the_size_asked_for(world: World) -> None:
    assert len(found(world, "solo random:7")) == 7


@given(text=st.text(max_size=40))
def test_any_text_can_be_searched_for(world: World, text: str) -> None:
    assert len(found(world, text)) <= len(world.posts)


@given(pattern=st.text(alphabet="ab*", max_size=12), name=st.text(alphabet="ab", max_size=12))
def test_wildcards_are_those_of_a_shell(pattern: str, name: str) -> None:
    assert (like(pattern).fullmatch(name) is not None) == fnmatchcase(name, pattern)
