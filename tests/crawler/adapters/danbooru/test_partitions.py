"""Tiers and the part of the policy that the site filters by itself."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.adapters.base import Predicate
from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.adapters.danbooru.query import parse
from crawler.errors import UsageError
from crawler.site import Credentials

ALL = ("official", "highres", "rest")
ANYTHING = Predicate(ratings=())


def adapter(account: bool = False, **options: Any) -> Danbooru:
    site = Danbooru.default_site
    if account:
        site = replace(site, credentials=Credentials("me", "key"))
    return Danbooru(site, DanbooruOptions(**options))


def tags(partitions: Any) -> dict[str, str]:
    return {partition.name: partition.listing["tags"] for partition in partitions}


def test_the_best_come_first() -> None:
    found = tags(adapter(tiers=ALL, deleted=True).partitions("cirno", ANYTHING))
    assert found == {
        "official": "cirno official_art",
        "highres": "cirno solo (width:>=1600 or height:>=1200)",
        "rest": "cirno",
    }
    assert list(found) == ["official", "highres", "rest"]


def test_a_plain_crawl_lists_the_query_itself() -> None:
    assert list(tags(adapter().partitions("cirno", ANYTHING))) == ["rest"]


def test_size_type_rating_and_deletion_are_filtered_by_the_site() -> None:
    predicate = Predicate(768, 700, 900_000, ("jpg", "png", "webp", "avif"), ("g", "s"))
    assert tags(adapter().partitions("cirno", predicate))["rest"] == (
        "cirno -status:deleted filetype:jpg,png,webp,avif width:>=768 height:>=700"
        " mpixels:>=0.900 rating:g,s"
    )


def test_all_ratings_need_no_filter() -> None:
    predicate = Predicate(ratings=("e", "q", "s", "g"))
    assert tags(adapter(deleted=True).partitions("cirno", predicate))["rest"] == "cirno"


def test_formats_that_the_site_never_has_do_not_empty_the_listing() -> None:
    found = tags(adapter(deleted=True).partitions("cirno", Predicate(formats=("bmp",), ratings=())))
    assert found["rest"] == "cirno"


def test_alternatives_stay_together() -> None:
    found = tags(adapter(account=True, tiers=ALL).partitions("a or b", ANYTHING))
    assert found["official"] == "(a or b) official_art -status:deleted"


def test_a_search_by_status_keeps_its_own() -> None:
    assert tags(adapter().partitions("a status:deleted", ANYTHING))["rest"] == "a status:deleted"


@given(
    st.builds(
        Predicate,
        min_width=st.integers(0, 5000),
        min_height=st.integers(0, 5000),
        min_pixels=st.integers(0, 30_000_000),
        formats=st.sets(st.sampled_from(["jpg", "jpeg", "png", "gif", "bmp"])).map(tuple),
        ratings=st.sets(st.sampled_from("gsqe"), min_size=1).map(tuple),
    ),
    st.integers(1, 6000),
    st.integers(1, 6000),
)
def test_the_site_never_drops_what_the_policy_accepts(
    predicate: Predicate, width: int, height: int
) -> None:
    (partition,) = adapter().partitions("cirno", predicate)
    asked = {t.metatag: t.value.removeprefix(">=") for t in parse(partition.listing["tags"]).terms}
    accepted = (
        width >= predicate.min_width
        and height >= predicate.min_height
        and width * height >= predicate.min_pixels
    )
    if accepted:
        assert width >= int(asked.get("width", 0))
        assert height >= int(asked.get("height", 0))
        assert width * height / 1_000_000 >= float(asked.get("mpixels", 0))
    assert parse(partition.listing["tags"]).cost == 1


def test_without_room_in_the_tag_limit_a_tier_is_skipped_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = tags(adapter(tiers=ALL).partitions("cirno wings", ANYTHING))
    assert list(found) == ["rest"]
    assert "official: skipped" in caplog.text


def test_without_any_tier_left_the_command_is_wrong() -> None:
    with pytest.raises(UsageError, match="no room"):
        adapter(tiers=("official",)).partitions("cirno wings", ANYTHING)


def test_with_an_account_the_site_decides_what_fits() -> None:
    found = adapter(account=True, tiers=ALL).partitions("cirno wings", ANYTHING)
    assert [(p.name, p.listing["optional"]) for p in found] == [
        ("official", True),
        ("highres", True),
        ("rest", False),
    ]


def test_a_rating_that_the_policy_refuses_is_not_searched_for_in_vain() -> None:
    with pytest.raises(UsageError, match="rating:explicit") as told:
        adapter().partitions("cirno rating:explicit", Predicate(ratings=("g", "s")))
    assert "--rating e" in told.value.hint


def test_an_unknown_tier_is_an_error() -> None:
    with pytest.raises(UsageError, match="official, highres, rest"):
        adapter(tiers=("best",))
