"""The adapter before the demo site: names, single posts, counts, and its own doctor."""

from dataclasses import replace
from typing import Any

import pytest

from crawler.adapters.base import Check, Examinable, Partition
from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.demo.faults import Fault, Faults, Status
from crawler.demo.posts import Tags, World
from crawler.demo.site import DemoSite
from crawler.errors import ChallengePage, UnknownTag
from tests.crawler.adapters.danbooru.demo_posts import TAGS, a_demo_post, a_file
from tests.crawler.adapters.danbooru.posts import a_post
from tests.crawler.adapters.loopback import Answer, Respond, face, loopback, site_at

REST = Partition("rest", {"tags": "hakurei_reimu", "optional": False})
WORLD = World(
    [
        a_demo_post(1),
        a_demo_post(2, replacement=a_file("replacement")),
        a_demo_post(3, hidden=True, is_banned=True, tags=Tags(general=("solo",))),
        a_demo_post(4),
    ],
    aliases={"reimu": "hakurei_reimu"},
    empty_tags={"nobody_(touhou)": "character"},
    deprecated=frozenset({"long_hair"}),
)


def adapter(base_url: str) -> Danbooru:
    return Danbooru(site_at(base_url), DanbooruOptions())


async def resolve(*words: str) -> tuple[str, int]:
    """The query and how many requests it took to know it."""
    async with DemoSite(WORLD) as site, face(site_at(site.base_url)) as http:
        danbooru = adapter(site.base_url)
        query = await danbooru.resolve(danbooru.canonical(words), http)
        return query, len(site.ledger.entries)


async def test_known_tags_take_one_request_together() -> None:
    assert await resolve("hakurei_reimu", "solo") == ("hakurei_reimu solo", 1)


async def test_a_search_without_tags_takes_none() -> None:
    assert await resolve("rating:g", "so*") == ("rating:g so*", 0)


async def test_aliases_are_replaced_in_their_place() -> None:
    assert await resolve("reimu", "-solo") == ("-solo hakurei_reimu", 2)
    assert (await resolve("(reimu or solo) width:>5"))[0] == "(hakurei_reimu or solo) width:>5"


@pytest.mark.parametrize(
    ("misspelt", "close"),
    [
        ("hakurei", "hakurei_reimu"),
        ("reimu_hakurei", "hakurei_reimu"),
        ("hakuri_reimu", "hakurei_reimu"),
    ],
)
async def test_a_tag_that_is_not_there_names_the_close_ones(misspelt: str, close: str) -> None:
    with pytest.raises(UnknownTag, match=f"no such tag: {misspelt}; did you mean {close}"):
        await resolve(misspelt)


@pytest.mark.parametrize("word", ["qqqqq", "a,b", "水", "100%"])
async def test_a_tag_like_no_other_is_told_without_guesses(word: str) -> None:
    with pytest.raises(UnknownTag, match=f"no such tag: {word}$"):
        await resolve(word)


async def test_a_tag_without_posts_ends_the_command_unless_others_can_stand_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(UnknownTag, match="no posts have the tag"):
        await resolve("nobody_(touhou)")
    assert (await resolve("~nobody_(touhou)", "~solo"))[0] == "~nobody_(touhou) ~solo"
    assert "nobody_(touhou) has no posts" in caplog.text


async def test_a_deprecated_tag_is_told(caplog: pytest.LogCaptureFixture) -> None:
    await resolve("long_hair")
    assert "long_hair is deprecated" in caplog.text


async def test_a_replaced_file_is_found_by_reading_its_post_again() -> None:
    async with DemoSite(WORLD) as site, face(site_at(site.base_url)) as http:
        danbooru = adapter(site.base_url)
        (page,) = [p async for p in danbooru.discover(REST, None, http)]
        old = next(c for c in page.candidates if c.site_id == "2")
        new = await danbooru.refresh(old, http)
    assert old.md5 == a_file("2").md5
    assert new.md5 == a_file("replacement").md5
    assert new == replace(old, ladder=new.ladder, pixel_hash=new.pixel_hash)


async def test_the_count_is_the_sites_own() -> None:
    async with DemoSite(WORLD) as site, face(site_at(site.base_url)) as http:
        assert (await adapter(site.base_url).estimate(REST, http)).count == 3


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"counts": {"posts": None}}),
        (200, {"counts": []}),
        (200, []),
        (500, {"success": False, "error": "ActiveRecord::QueryCanceled"}),
    ],
)
async def test_a_count_that_took_too_long_is_unknown(status: int, answer: Any) -> None:
    async with (
        loopback(lambda path, params: (status, answer)) as site,
        face(site_at(site.base_url)) as http,
    ):
        assert (await adapter(site.base_url).estimate(REST, http)).count is None


async def test_a_challenge_stops_at_once() -> None:
    faults = Faults([Fault(Status(403, html=True))])
    async with DemoSite(WORLD, faults=faults) as site, face(site_at(site.base_url)) as http:
        with pytest.raises(ChallengePage):
            await anext(adapter(site.base_url).discover(REST, None, http))
        assert len(site.ledger.entries) == 1


async def examine(base_url: str) -> dict[str, Check]:
    danbooru = adapter(base_url)
    assert isinstance(danbooru, Examinable)
    async with face(site_at(base_url)) as http:
        return {check.name: check async for check in danbooru.doctor(http)}


async def test_the_doctor_finds_the_site_as_assumed() -> None:
    async with DemoSite(World([*WORLD.posts, a_demo_post(5), a_demo_post(6)])) as site:
        checks = await examine(site.base_url)
        assert len(site.ledger.entries) <= 8
    assert [check for check in checks.values() if not check.ok] == []
    assert checks["hidden posts have no file"].detail == "1 banned posts give none"
    assert "refused, as expected" in checks["tag limit"].detail


def misbehaving(path: str, params: dict[str, str]) -> Answer:
    """A site that sorts by something else, ignores searches and shows what is banned."""
    if path == "/posts.json":
        return 200, [a_post(n) for n in (7, 9, 8)]
    return 200, [{"name": "else"}] if path != "/counts/posts.json" else {}


@pytest.mark.parametrize(
    "respond",
    [
        misbehaving,
        lambda path, params: (200, [{}]),
        lambda path, params: (200, {"posts": []}),
        lambda path, params: (404, {"success": False}),
    ],
)
async def test_the_doctor_tells_every_assumption_that_fails(respond: Respond) -> None:
    async with loopback(respond) as site:
        checks = await examine(site.base_url)
    assert len(checks) == 8
    well = {name for name, check in checks.items() if check.ok}
    assert well <= {"tag limit", "free metatags and alternatives"}
    assert all(check.detail for check in checks.values())


async def test_the_doctor_stops_where_the_host_cannot_be_reached() -> None:
    async with loopback(misbehaving) as site:
        gone = site.base_url
    checks = await examine(gone)
    assert [check.ok for check in checks.values()] == [False]
    assert "7 more not tried" in checks["listing: keys and order"].detail


def test_the_demo_posts_have_the_tags_that_the_doctor_asks_for() -> None:
    assert {"1girl", "solo", "long_hair"} <= set(TAGS)
