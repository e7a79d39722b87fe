"""What every adapter must do, as tests: subclass ``AdapterConformance``, give it a ``subject``."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler.adapters.base import Adapter, Http, Page, Partition, Predicate
from storage.records import Candidate, Json

ANYTHING = Predicate(ratings=())


@dataclass
class Watched:
    """An Http that notes what is asked."""

    http: Http
    urls: list[str] = field(default_factory=list)

    async def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Json:
        self.urls.append(url)
        return await self.http.get_json(url, params)


@dataclass
class Subject:
    """An adapter before a source that holds at least two pages for ``words``.

    ``spellings`` mean the same as ``words``. ``add`` puts new works into the source and returns
    their ids. ``relists`` says that the adapter cannot know what is new and lists all again.
    """

    adapter: Adapter
    http: Watched
    words: Sequence[str]
    spellings: Sequence[Sequence[str]]
    add: Callable[[], Awaitable[set[str]]]
    relists: bool = False

    async def parts(self) -> Sequence[Partition]:
        query = await self.adapter.resolve(self.adapter.canonical(self.words), self.http)
        return self.adapter.partitions(query, ANYTHING)

    async def pages(self, part: Partition, cursor: Json | None = None) -> list[Page]:
        # Cursors are stored as JSON: what does not survive that is no cursor.
        kept = json.loads(json.dumps(cursor))
        return [page async for page in self.adapter.discover(part, kept, self.http)]


def ids(pages: Sequence[Page]) -> list[str]:
    return [candidate.site_id for page in pages for candidate in page.candidates]


class AdapterConformance:
    """The contract of ``crawler/adapters/base.py``, one sentence a test."""

    async def test_a_query_has_one_spelling(self, subject: Subject) -> None:
        canonical = subject.adapter.canonical(subject.words)
        for words in subject.spellings:
            assert subject.adapter.canonical(words) == canonical

    async def test_partitions_are_plain_json_with_names_of_their_own(
        self, subject: Subject
    ) -> None:
        parts = await subject.parts()
        assert parts
        assert len({part.name for part in parts}) == len(parts)
        for part in parts:
            assert json.loads(json.dumps(part.listing)) == part.listing
        assert parts == await subject.parts()

    async def test_every_work_is_listed_once_and_always_in_the_same_order(
        self, subject: Subject
    ) -> None:
        for part in await subject.parts():
            first, second = await subject.pages(part), await subject.pages(part)
            assert len(first) >= 2
            assert len(set(ids(first))) == len(ids(first))
            assert first == second

    async def test_a_walk_goes_on_from_every_cursor(self, subject: Subject) -> None:
        for part in await subject.parts():
            pages = await subject.pages(part)
            for number, page in enumerate(pages[:-1]):
                rest = await subject.pages(part, page.cursor)
                assert ids(rest) == ids(pages[number + 1 :])

    async def test_after_the_end_only_what_is_new_is_listed(self, subject: Subject) -> None:
        (part, *_) = await subject.parts()
        pages = await subject.pages(part)
        again = await subject.pages(part, pages[-1].cursor)
        assert ids(again) == (ids(pages) if subject.relists else [])
        new = await subject.add()
        assert new
        more = await subject.pages(part, (again or pages)[-1].cursor)
        assert len(ids(more)) == len(set(ids(more)))
        assert set(ids(more)) - set(ids(again)) == new

    async def test_candidates_are_what_the_engine_expects(self, subject: Subject) -> None:
        for part in await subject.parts():
            for page in await subject.pages(part):
                for candidate in page.candidates:
                    check(candidate)
                assert all(count > 0 for count in page.dropped.values())

    async def test_reading_a_work_again_says_the_same(self, subject: Subject) -> None:
        (part, *_) = await subject.parts()
        candidate = (await subject.pages(part))[0].candidates[0]
        assert await subject.adapter.refresh(candidate, subject.http) == candidate

    async def test_a_work_that_is_no_more_is_gone(self, subject: Subject) -> None:
        (part, *_) = await subject.parts()
        candidate = (await subject.pages(part))[0].candidates[0]
        missing = replace(candidate, site_id="99999999")
        refreshed = await subject.adapter.refresh(missing, subject.http)
        assert (refreshed.unavailable, refreshed.ladder) == ("gone", ())

    async def test_an_estimate_is_none_or_enough(self, subject: Subject) -> None:
        for part in await subject.parts():
            estimate = await subject.adapter.estimate(part, subject.http)
            listed = len(ids(await subject.pages(part)))
            assert estimate.count is None or estimate.count >= listed

    async def test_nothing_outside_the_site_is_asked(self, subject: Subject) -> None:
        for part in await subject.parts():
            pages = await subject.pages(part)
            await subject.adapter.estimate(part, subject.http)
            await subject.adapter.refresh(pages[0].candidates[0], subject.http)
            origin = pages[0].candidates[0].origin
            for url in subject.http.urls:
                assert url.startswith(f"{origin}/")


def check(candidate: Candidate) -> None:
    """Whether a candidate keeps the promises of ``storage.records.Candidate``."""
    assert candidate.site
    assert candidate.origin
    assert candidate.site_id
    assert bool(candidate.ladder) == (candidate.unavailable is None)
    assert candidate.rating in (None, "g", "s", "q", "e")
    sizes = [(rung.width or 0) * (rung.height or 0) for rung in candidate.ladder]
    assert sizes == sorted(sizes, reverse=True)
    for rung in candidate.ladder:
        if rung.kind == "url":
            parts = urlsplit(rung.location)
            assert parts.scheme in ("http", "https")
            assert parts.hostname
        else:
            assert Path(rung.location).is_absolute()
        assert rung.md5 is None or re.fullmatch(r"[0-9a-f]{32}", rung.md5)
        assert rung.format is None or re.fullmatch(r"[a-z0-9]+", rung.format)
        assert all(n is None or n > 0 for n in (rung.width, rung.height, rung.bytes))
    for category, names in candidate.tags.items():
        assert category in ("general", "artist", "copyright", "character", "meta", "")
        assert all(names)
    assert plain_json(candidate.metadata)
    assert str(candidate).encode("utf-8")


def plain_json(value: Any) -> bool:
    return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
