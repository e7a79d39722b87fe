"""A Danbooru that answers anything at all: its own errors at most, and nothing made up."""

# ruff: noqa: PT017, SIM905 - either end is fine; lists of pieces read better as words
from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crawler.adapters.base import ApiStatus, Page, Partition, Predicate
from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.adapters.danbooru.listing import Position
from crawler.adapters.danbooru.post import CATEGORIES, BadPost, to_candidate
from crawler.errors import TrawlError
from crawler.site import Site
from storage.records import Candidate
from storage.rows import dumps

SITE = Site("danbooru", "danbooru", "https://danbooru.example")
KEYS = (
    *("id", "md5", "file_url", "file_ext", "file_size", "image_width", "image_height", "rating"),
    *("source", "parent_id", "created_at", "updated_at", "score", "is_deleted", "is_banned"),
    *(f"tag_string_{category}" for category in CATEGORIES),
    *("media_asset", "duration", "pixel_hash", "name", "post_count", "counts", "posts", "value"),
    *("antecedent_name", "consequent_name", "status", "is_deprecated", "error", "message"),
)
odd = st.sampled_from(
    [
        *(-1, 0, 1, 2**31, 2**53, 2**64, 10**400, 0.5, 1e308, float("inf"), float("nan")),
        *("", " ", "\0", "\ud800", "../..", "https://", "http://[", "//x/y.png", "javascript:x"),
        *("https://cdn.example/a.png", "file:///etc/passwd", "a" * 5000, "1girl  solo\tx\n"),
        *("0" * 32, "F" * 32, "9999-12-31T23:59:59+23:59", "0001-01-01T00:00:00-23:59", "2024"),
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | odd
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=12,
)
rows = st.dictionaries(st.sampled_from(KEYS), anything, max_size=12)
posts = st.builds(lambda number, row: {**row, "id": number}, st.integers(1, 10**6), rows)


def assert_usable(candidate: Candidate) -> None:
    """It can be stored and shown, and leads nowhere but to the web."""
    for rung in candidate.ladder:
        assert rung.location.startswith(("http://", "https://"))
        assert rung.md5 is None or len(rung.md5) == 32
    assert candidate.unavailable or candidate.ladder
    stored = dumps([dict(candidate.tags), dict(candidate.metadata), candidate.source_url])
    stored.encode("utf-8")
    assert "NaN" not in stored
    assert "Infinity" not in stored


@given(posts | rows | anything)
def test_any_json_in_place_of_a_post_is_a_candidate_or_a_bad_post(row: Any) -> None:
    try:
        candidate = to_candidate(row, SITE)
    except BadPost:
        return
    assert candidate.site_id == str(row["id"])
    assert_usable(candidate)


class Anything:
    """Answers everything with the same value, or with the same refusal."""

    def __init__(self, answer: Any, status: int) -> None:
        self.answer, self.status, self.asked = answer, status, 0

    async def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Any:
        self.asked += 1
        if self.status != 200:
            raise ApiStatus(self.status, self.answer, url)
        return self.answer


answers = st.builds(
    Anything,
    anything | st.lists(posts | anything, max_size=6),
    st.sampled_from([200, 200, 200, 200, 404, 410, 422, 500]),
)
adapter = Danbooru(SITE, DanbooruOptions())


async def listed(http: Anything) -> list[Page]:
    pages: list[Page] = []
    part = Partition("rest", {"tags": "cirno", "optional": True})
    try:
        async for page in adapter.discover(part, None, http):
            pages.append(page)
            if len(pages) == 3:
                break
    except TrawlError:
        pass
    return pages


@given(answers)
def test_any_answer_to_a_listing_is_pages_or_an_error_of_ours(http: Anything) -> None:
    for page in asyncio.run(listed(http)):
        json.dumps(page.cursor)
        assert Position.of(page.cursor)
        for candidate in page.candidates:
            assert_usable(candidate)
    assert http.asked <= 12


@given(answers)
def test_any_answer_to_a_question_is_taken_or_an_error_of_ours(http: Anything) -> None:
    async def ask() -> None:
        known = Candidate("danbooru", SITE.base_url, "7")
        part = Partition("rest", {"tags": "cirno", "optional": True})
        for question in (
            adapter.resolve("cirno touhou", http),
            adapter.refresh(known, http),
            adapter.estimate(part, http),
        ):
            try:
                await question
            except TrawlError as error:
                assert str(error).isprintable() or "\n" in str(error)

    asyncio.run(ask())


words = st.sampled_from(
    "( ) - ~ or and * \\ \" ' : rating:e rating: -rating:g order:score id:>1 cirno loli".split(" ")
)


@given(st.lists(words | st.text(max_size=6), max_size=8))
def test_any_words_are_a_search_in_one_spelling_or_an_error_of_ours(search: list[str]) -> None:
    try:
        query = adapter.canonical(search)
        assert adapter.canonical([query]) == query
        adapter.partitions(query, Predicate(768, 768, 900_000))
    except TrawlError:
        return
    assert "loli" not in query.split() or "-loli" in query
