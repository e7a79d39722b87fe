"""Walking a search by id: every post once, whatever the site does meanwhile."""

from collections.abc import Sequence
from typing import Any

import pytest

from crawler.adapters.base import Page, Partition
from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.errors import BadAnswer, UsageError
from tests.crawler.adapters.danbooru.posts import Posts, a_post
from tests.crawler.adapters.loopback import Answer, Loopback, Respond, face, loopback, site_at

REST = Partition("rest", {"tags": "cirno", "optional": False})
OFFICIAL = Partition("official", {"tags": "cirno official_art", "optional": True})
TOO_MANY = {
    "success": False,
    "error": "PostQuery::TagLimitError",
    "message": "You cannot search for more than 2 tags at a time.",
}


async def walk(
    respond: Respond, cursor: Any = None, partition: Partition = REST
) -> tuple[list[Page], Loopback]:
    async with loopback(respond) as site, face(site_at(site.base_url)) as http:
        adapter = Danbooru(site_at(site.base_url), DanbooruOptions())
        pages = [page async for page in adapter.discover(partition, cursor, http)]
    return pages, site


def ids(pages: Sequence[Page]) -> list[int]:
    return [int(candidate.site_id) for page in pages for candidate in page.candidates]


async def test_posts_come_newest_first_two_hundred_at_a_time() -> None:
    pages, site = await walk(Posts.numbered(range(1, 451)).respond)
    assert ids(pages) == list(range(450, 0, -1))
    assert [len(page.candidates) for page in pages] == [200, 200, 50]
    assert site.pages[1:] == ["b251", "b51"]
    assert {params["limit"] for _, params in site.ledger} == {"200"}


async def test_only_the_fields_we_use_are_asked_for() -> None:
    _, site = await walk(Posts.numbered([5]).respond)
    fields = site.ledger[0][1]["only"].split(",")
    assert {"id", "md5", "file_url", "tag_string_general"} <= set(fields)
    assert "media_asset[id" in fields
    assert not any("preview" in field or "large_file" in field for field in fields)


async def test_a_short_page_is_the_end() -> None:
    _, site = await walk(Posts.numbered(range(1, 201 + 199)).respond)
    assert len(site.ledger) == 2


async def test_an_empty_page_is_asked_once_more_before_it_is_the_end() -> None:
    pages, site = await walk(Posts.numbered(range(1, 401)).respond)
    assert ids(pages) == list(range(400, 0, -1))
    assert site.pages[2:] == ["b1", "b1"]
    assert pages[-1].cursor["below"] is None


@pytest.mark.parametrize("glitch", [1, 2, 3])
async def test_an_empty_page_for_no_reason_loses_nothing(glitch: int) -> None:
    pages, _ = await walk(Posts.numbered(range(1, 451), empty=frozenset({glitch})).respond)
    assert ids(pages) == list(range(450, 0, -1))


async def test_nothing_at_all_is_said_once_and_ends() -> None:
    pages, site = await walk(Posts().respond)
    assert [page.candidates for page in pages] == [[]]
    assert len(site.ledger) == 2


async def test_after_the_end_only_newer_posts_are_asked_for() -> None:
    posts = Posts.numbered(range(1, 251))
    pages, _ = await walk(posts.respond)
    again, site = await walk(posts.respond, pages[-1].cursor)
    assert again == []
    assert len(site.ledger) == 1
    posts.ids += [260, 300]
    new, site = await walk(posts.respond, pages[-1].cursor)
    assert ids(new) == [300, 260]
    assert site.ledger[0][1]["tags"] == "cirno id:>250"
    posts.ids.append(301)
    assert ids((await walk(posts.respond, new[-1].cursor))[0]) == [301]


async def test_posts_that_arrive_during_a_walk_come_after_its_end() -> None:
    posts = Posts.numbered(range(1, 451))
    pages, _ = await walk(posts.respond)
    posts.ids.append(500)
    rest, _ = await walk(posts.respond, pages[0].cursor)
    assert ids(rest) == list(range(250, 0, -1))
    assert ids((await walk(posts.respond, rest[-1].cursor))[0]) == [500]


async def test_an_interrupted_look_for_new_posts_goes_on_where_it_stopped() -> None:
    posts = Posts.numbered(range(1, 11))
    pages, _ = await walk(posts.respond)
    posts.ids += list(range(100, 400))
    first, _ = await walk(posts.respond, pages[-1].cursor)
    rest, _ = await walk(posts.respond, first[0].cursor)
    assert ids(first) == list(range(399, 99, -1))
    assert ids(rest) == list(range(199, 99, -1))


@pytest.mark.parametrize("windowed", [False, True])
async def test_a_page_of_far_more_posts_than_were_asked_for_is_a_bad_answer(windowed: bool) -> None:
    def respond(path: str, params: dict[str, str]) -> Answer:
        if windowed and params["limit"] == "200":
            return 500, {"success": False, "error": "ActiveRecord::QueryCanceled"}
        if params["only"] == "id":
            return 200, [{"id": 9_000}]
        return 200, [{"id": number} for number in range(8_000, 1_000, -1)]

    with pytest.raises(BadAnswer, match="lists 7000 posts"):
        await walk(respond)


async def test_a_page_of_a_few_posts_more_than_were_asked_for_loses_nothing() -> None:
    def generous(path: str, params: dict[str, str]) -> Answer:
        below = int(params["page"].removeprefix("b"))
        most = int(params["limit"]) + 7
        return 200, [a_post(number) for number in range(min(below - 1, 500), 0, -1)[:most]]

    def slow(path: str, params: dict[str, str]) -> Answer:
        if params["limit"] == "200":
            return 500, {"success": False, "error": "ActiveRecord::QueryCanceled"}
        return generous(path, params)

    for respond in (generous, slow):
        pages, _ = await walk(respond)
        assert ids(pages) == list(range(500, 0, -1))


async def test_a_search_too_slow_for_the_database_is_asked_in_windows_of_ids() -> None:
    numbers = [3, 999_000, 1_000_500, 2_400_000, 2_400_001, 4_700_000]
    pages, site = await walk(Posts.numbered(numbers, slow=1_000_001).respond)
    assert ids(pages) == sorted(numbers, reverse=True)
    assert pages[-1].cursor == {"below": None, "head": 4_700_000, "floor": 4_700_000}
    assert len([1 for _, params in site.ledger if params["limit"] == "200"]) < 5


async def test_a_window_that_holds_more_than_a_page_is_read_to_its_end() -> None:
    numbers = [*range(1, 151), *range(1_500_000, 1_500_250)]
    pages, _ = await walk(Posts.numbered(numbers, slow=1_000_001, most=100).respond)
    assert ids(pages) == sorted(numbers, reverse=True)


async def test_a_resumed_walk_of_windows_loses_nothing() -> None:
    posts = Posts.numbered(range(1, 3_000_000, 100_003), slow=1_000_001)
    pages, _ = await walk(posts.respond)
    for number, page in enumerate(pages):
        rest, _ = await walk(posts.respond, page.cursor)
        assert ids(rest) == ids(pages[number + 1 :])


async def test_a_search_too_slow_even_in_windows_is_given_up() -> None:
    with pytest.raises(BadAnswer, match="slow"):
        await walk(Posts.numbered([5, 5_000_000], slow=1000).respond)


async def test_too_many_tags_are_told_in_the_words_of_the_site() -> None:
    with pytest.raises(UsageError, match="more than 2 tags at a time"):
        await walk(lambda path, params: (422, TOO_MANY))


async def test_a_tier_that_the_account_has_no_room_for_is_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pages, _ = await walk(lambda path, params: (422, TOO_MANY), partition=OFFICIAL)
    assert pages == []
    assert "official: skipped" in caplog.text


async def test_another_complaint_about_a_tier_is_not_skipped() -> None:
    answer = {"success": False, "error": "PostQuery::Error", "message": "'order:' twice\x1b[2J"}
    with pytest.raises(UsageError, match="twice") as told:
        await walk(lambda path, params: (422, answer), partition=OFFICIAL)
    assert "\x1b" not in told.value.message


@pytest.mark.parametrize("status", [404, 410, 501])
async def test_other_refusals_are_answers_we_do_not_understand(status: int) -> None:
    with pytest.raises(BadAnswer, match=str(status)):
        await walk(lambda path, params: (status, {"success": False, "error": "X"}))


@pytest.mark.parametrize("answer", [{"success": False}, "posts", 3, None])
async def test_an_answer_that_is_no_list_is_not_an_end(answer: Any) -> None:
    with pytest.raises(BadAnswer, match="expected a list"):
        await walk(lambda path, params: (200, answer))


async def test_a_site_that_ignores_where_to_go_on_does_not_hold_us_for_ever() -> None:
    def respond(path: str, params: dict[str, str]) -> Answer:
        return 200, [a_post(number) for number in range(400, 200, -1)]

    with pytest.raises(BadAnswer, match="does not page by id"):
        await walk(respond)


async def test_one_bad_post_does_not_stop_its_page() -> None:
    rows = [a_post(9), {"no": "id"}, a_post(7, tag_string_general=None), None, a_post(5)]
    (page,), _ = await walk(lambda path, params: (200, rows))
    assert [(c.site_id, c.unavailable) for c in page.candidates] == [
        ("9", None),
        ("7", "bad_post"),
        ("5", None),
    ]
    assert page.dropped == {"bad_post": 2}


async def test_a_post_that_breaks_its_reader_costs_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(value: Any) -> str:
        if value == "boom":
            raise ZeroDivisionError
        return str(value)

    monkeypatch.setattr("crawler.adapters.danbooru.post.storable", broken)
    rows = [a_post(9), a_post(7, source="boom"), a_post(5)]
    (page,), _ = await walk(lambda path, params: (200, rows))
    assert [(c.site_id, c.unavailable) for c in page.candidates] == [
        ("9", None),
        ("7", "bad_post"),
        ("5", None),
    ]
    assert "post 7 cannot be read" in caplog.text
