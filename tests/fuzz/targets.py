"""What is fuzzed: each target takes any bytes and raises only where a promise is broken."""

# ruff: noqa: PT017 - either end is fine, and both are looked at
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import httpx

from crawler.adapters import sidecar
from crawler.adapters.base import ApiStatus
from crawler.adapters.danbooru import Danbooru, answers
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.adapters.danbooru.listing import Listing, Position
from crawler.adapters.danbooru.post import BadPost, to_candidate
from crawler.errors import TrawlError, UsageError
from crawler.http import replies
from crawler.http.content_range import parse_content_range
from crawler.http.guard import BadUrl, Guard
from crawler.http.retry_after import LONGEST, parse_retry_after
from crawler.site import Site
from filters.archive import Archive, ArchiveLimits
from filters.containers import sniff, structure
from filters.limits import Limits, PictureError
from filters.picture import Picture
from storage.errors import BadQuery
from storage.query.language import parse
from storage.query.sql import compile_query
from storage.query.vocabulary import Vocabulary
from storage.rows import dumps
from storage.schema import migrate

SMALL = Limits(
    max_pixels=1_000_000,
    max_frames=20,
    max_frame_pixels=2_000_000,
    max_bytes=1 << 20,
    formats=("jpg", "png", "webp", "avif", "gif", "zip"),
)
"""So that each picture costs little: the walk through the file is the same."""
SITE = Site("danbooru", "danbooru", "https://danbooru.example")


def picture(data: bytes) -> None:
    """Any bytes are a picture or a PictureError; of a picture everything can be asked."""
    try:
        with Picture.open(data, SMALL) as opened:
            assert opened.width * opened.height <= SMALL.max_pixels
            assert 1 <= opened.orientation <= 8
            assert opened.rgb.size == (opened.display_width, opened.display_height)
            assert opened.gray.shape == opened.rgb.size[::-1]
    except PictureError as error:
        assert error.reason


def containers(data: bytes) -> None:
    """A walk ends, and what it counts lies in the file."""
    format = sniff(data[:64])
    for walked in (
        (format,) if format not in (None, "zip") else ("jpg", "png", "gif", "webp", "avif")
    ):
        try:
            found = structure(walked, data)
        except PictureError as error:
            assert error.reason
        else:
            assert found.width is None or found.width >= 0
            assert found.scans <= len(data)


def archive(data: bytes) -> None:
    """A zip is its numbered pictures, whole and within bounds, or a PictureError."""
    limits = ArchiveLimits(max_entries=50, max_bytes=1 << 20)
    try:
        frames = list((opened := Archive(data, limits)).frames())
    except PictureError as error:
        assert error.reason
    else:
        assert len(frames) == len(opened.names) == len(set(opened.names)) <= 50
        assert sum(map(len, frames)) <= 1 << 20


def retry_after(data: bytes) -> None:
    """A wait is never negative and never beyond the cap."""
    value, _, date = data.decode("latin-1").partition("\n")
    seconds = parse_retry_after(value, date or None)
    assert seconds is None or 0 <= seconds <= LONGEST


def content_range(data: bytes) -> None:
    """A range lies in its file."""
    found = parse_content_range(data.decode("latin-1"))
    assert found is None or 0 <= found[0] <= found[1] < found[2]


def reply(data: bytes) -> None:
    """Headers and a body: X-Robots-Tag, challenges, lengths."""
    head, _, body = data.partition(b"\n\n")
    lines = [line.partition(b":") for line in head.split(b"\n")]
    headers = httpx.Headers([(name, value.strip()) for name, colon, value in lines if colon])
    for status in (200, 403, 503):
        replies.is_challenge(status, headers, body)
    replies.is_text(headers, body)
    replies.is_encoded(headers)
    length = replies.length_of(headers)
    assert length is None or length >= 0
    assert replies.keeps_out(headers) in (None, *replies.KEPT_OUT.values())


def url(data: bytes) -> None:
    """A URL is refused, or plain and of the web."""
    try:
        checked = Guard().check_url(data.decode("utf-8", "replace"))
    except BadUrl:
        return
    assert checked.scheme in ("http", "https")
    assert not checked.userinfo
    assert not set(checked.raw_host) & set(b" /\\@?#%\0\r\n")


def read_json(data: bytes) -> Any:
    """As HTTP answers and sidecars are read."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def danbooru_post(data: bytes) -> None:
    """Any JSON is a post that can be stored, or a bad post."""
    try:
        candidate = to_candidate(read_json(data), SITE)
    except BadPost:
        return
    dumps([dict(candidate.tags), dict(candidate.metadata), candidate.source_url]).encode()
    assert all(rung.location.startswith(("http://", "https://")) for rung in candidate.ladder)


class _Answer:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Any:
        return self.answer


def danbooru_page(data: bytes) -> None:
    """Any JSON is a page with a place to go on from, or an error of ours."""
    answer = read_json(data)
    listing = Listing(SITE.base_url, "cirno", _Answer(answer))
    step = listing.next(Position())
    try:
        step.send(None)
    except StopIteration as end:
        rows, after = end.value
        assert Position.of(after.cursor)
        assert len(rows) <= len(data)
    except TrawlError:
        pass
    answers.meaning(ApiStatus(422, answer, SITE.base_url))


def danbooru_search(data: bytes) -> None:
    """Any words are a search in one spelling, or wrong usage."""
    adapter = Danbooru(SITE, DanbooruOptions())
    try:
        query = adapter.canonical([data.decode("utf-8", "replace")])
    except UsageError:
        return
    assert adapter.canonical([query]) == query


def orientation(data: bytes) -> None:
    """Any EXIF block gives an orientation of 1 to 8, and the picture all the same."""
    block = b"Exif\0\0" + data[:60_000]
    head = b"\xff\xd8\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    with Picture.open(head + _jpeg()[2:], SMALL) as opened:
        assert 1 <= opened.orientation <= 8


def _jpeg() -> bytes:
    from tests.fuzz.seeds import sound  # made once there

    return sound("JPEG")


@lru_cache(maxsize=1)
def _catalog() -> sqlite3.Connection:
    """An empty catalog to ask."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    migrate(db)
    return db


def query(data: bytes) -> None:
    """Any words are a query whose every text is a parameter, or a bad query."""
    db = _catalog()
    try:
        words = parse(data.decode("utf-8", "replace").split("\n"), Vocabulary(db))
        compiled = compile_query(db, words)
    except BadQuery:
        return
    for part in compiled.parts:
        assert part.clause.sql.count("?") == len(part.clause.values)
        assert not set(part.clause.sql) & set('";\0')


def beside(data: bytes) -> None:
    """Any JSON object is a sidecar, any text a caption; what they say can be stored."""
    found = read_json(data)
    if isinstance(found, dict):
        told = sidecar.from_json(found, 10)
        dumps([dict(told.tags), told.caption, told.source]).encode()
        assert told.rating in (None, "g", "s", "q", "e")
    tags, caption = sidecar.read_caption(data.decode("utf-8", "replace"))
    dumps([tags, caption]).encode()


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        target.__name__: target
        for target in (
            *(picture, containers, archive, orientation),
            *(retry_after, content_range, reply, url),
            *(danbooru_post, danbooru_page, danbooru_search, beside, query),
        )
    }
)
