"""Reading one post: every field, and every way in which it can be nonsense."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.adapters.danbooru.post import BadPost, to_candidate
from crawler.site import Site
from storage.records import Rung
from tests.crawler.adapters.danbooru.posts import a_post

SITE = Site("danbooru", "danbooru", "https://danbooru.example.org")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_a_post_says_everything_before_it_is_fetched() -> None:
    row = a_post(7, parent_id=3, media_asset={"id": 9, "duration": None, "pixel_hash": "ab" * 16})
    candidate = to_candidate(row, SITE)
    md5 = row["md5"]
    assert candidate.ladder == (Rung(row["file_url"], "url", 1200, 1600, 500_000, md5, "jpg"),)
    assert candidate.tags == {
        "general": ("1girl", "red_bow", "solo"),
        "character": ("hakurei_reimu",),
        "copyright": ("touhou",),
        "artist": ("someone",),
        "meta": ("highres",),
    }
    assert (candidate.site, candidate.origin) == ("danbooru", "https://danbooru.example.org")
    assert (candidate.site_id, candidate.parent, candidate.rating) == ("7", "3", "g")
    assert candidate.page_url == "https://danbooru.example.org/posts/7"
    assert candidate.source_url == "https://www.pixiv.net/artworks/118000001"
    assert candidate.posted_at == "2026-05-01T16:00:00+00:00"
    assert (candidate.pixel_hash, candidate.animated) == ("ab" * 16, False)
    assert candidate.unavailable is None
    assert candidate.metadata["score"] == 12
    assert candidate.metadata["media_asset_id"] == 9


def test_a_source_that_is_no_address_is_kept_as_it_is() -> None:
    candidate = to_candidate(a_post(1, source="Comic Market 99, page 3"), SITE)
    assert candidate.source_url is None
    assert candidate.metadata["source"] == "Comic Market 99, page 3"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"md5": ..., "file_url": ..., "media_asset": {"id": 3, "duration": None}}, "hidden"),
        ({"md5": ..., "file_url": ..., "is_banned": True}, "hidden"),
        ({"md5": ..., "file_url": ..., "is_banned": True, "is_deleted": True}, "hidden"),
        ({"md5": ..., "file_url": ..., "is_deleted": True}, "deleted"),
        ({"md5": ...}, "hidden"),
        ({"file_url": None}, "hidden"),
        ({"md5": "not a hash"}, "bad_post"),
        ({"md5": 12}, "bad_post"),
        ({"file_url": ["x"]}, "bad_post"),
        ({"file_url": "ftp://cdn.example.org/x.jpg"}, "bad_post"),
        ({"file_url": "file:///etc/passwd"}, "bad_post"),
        ({"tag_string_general": None}, "bad_post"),
        ({"tag_string_general": ...}, "bad_post"),
        ({"tag_string_meta": {"a": 1}}, "bad_post"),
    ],
)
def test_a_post_without_a_file_is_never_given_one(changes: dict[str, Any], reason: str) -> None:
    candidate = to_candidate(a_post(11, **changes), SITE)
    assert candidate.unavailable == reason
    assert candidate.ladder == ()
    assert candidate.pixel_hash is None


def test_a_deleted_post_with_its_file_is_a_work_like_any_other() -> None:
    assert to_candidate(a_post(1, is_deleted=True), SITE).ladder


def test_relative_addresses_belong_to_the_instance() -> None:
    own = replace(SITE, base_url="http://booru.example.net:3000")
    candidate = to_candidate(a_post(1, file_url="/data/original/ab/cd/x.png"), own)
    assert candidate.ladder[0].location == "http://booru.example.net:3000/data/original/ab/cd/x.png"


@pytest.mark.parametrize(
    ("changes", "animated"),
    [
        ({}, False),
        ({"file_ext": "gif"}, False),
        ({"file_ext": "gif", "media_asset": {"duration": 1.2}}, True),
        ({"file_ext": "zip", "media_asset": ...}, True),
        ({"file_ext": "mp4"}, True),
        ({"file_ext": "png", "tag_string_meta": "animated animated_png"}, True),
        ({"file_ext": "gif", "media_asset": ...}, None),
        ({"file_ext": "jpg", "media_asset": ...}, False),
    ],
)
def test_what_moves_is_known_before_it_is_fetched(
    changes: dict[str, Any], animated: bool | None
) -> None:
    candidate = to_candidate(a_post(1, **changes), SITE)
    assert candidate.animated is animated
    if animated:
        assert candidate.pixel_hash is None


def test_half_a_surrogate_pair_can_be_stored() -> None:
    candidate = to_candidate(a_post(1, tag_string_artist="x\ud800", source="\udfff"), SITE)
    assert str(candidate).encode("utf-8")


@pytest.mark.parametrize("number", [..., None, "7", 7.0, True, -1])
def test_a_post_without_an_id_can_only_be_counted(number: Any) -> None:
    with pytest.raises(BadPost):
        to_candidate(a_post(1) | {"id": number} if number is not ... else {}, SITE)


@given(st.dictionaries(st.sampled_from(sorted(a_post(1))), JSON))
def test_no_nonsense_in_a_post_is_more_than_a_bad_post(changes: dict[str, Any]) -> None:
    row = a_post(5) | changes | {"id": 5}
    candidate = to_candidate(row, SITE)
    assert candidate.site_id == "5"
    assert bool(candidate.ladder) == (candidate.unavailable is None)
    for rung in candidate.ladder:
        assert rung.location.startswith(("http://", "https://"))
        assert rung.md5
        assert len(rung.md5) == 32
        for size in (rung.width, rung.height, rung.bytes):
            assert size is None or size > 0
