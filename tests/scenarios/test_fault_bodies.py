"""Faulty bodies by the hundred, through the download of a running crawl: none gets by, none good
is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from crawler.demo.faults import (
    Action,
    Body,
    Bomb,
    CloseDelimited,
    Corrupt,
    FalseRange,
    Fault,
    Faults,
    Headers,
    Html,
    IgnoreRange,
    Overlong,
    Reset,
    Stall,
    Status,
    Truncate,
    Version,
)
from crawler.demo.posts import Post
from crawler.demo.site import DemoSite
from crawler.demo.world import big_world
from crawler.errors import FetchError
from crawler.http.session import Session, SiteHttp
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.scenarios.driver import CONTACT
from tests.scenarios.outcome import sha256
from tests.scenarios.worlds import file_of

EACH = 25
"""Bodies of every kind."""
PAGE = b"<html><body>Our servers are over capacity</body></html>"
OTHER = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 600
"""Another version of a file: longer than any of the world's."""
JSON = b'{"error": "over capacity"}'


@dataclass(frozen=True)
class Kind:
    """How a body is faulty, and what the source claims of it: nothing where it needs no claim."""

    do: Action
    claims: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """The reasons that it may be told by."""


CUT = ("truncated", "connect_failed")
SIZE, MD5, PAGE_INSTEAD = ("size_mismatch",), ("md5_mismatch",), ("not_an_image",)
KINDS = {
    "cut": Kind(Truncate(0.5), (), CUT),
    "cut-near-the-end": Kind(Truncate(0.9999), (), CUT),
    "cut-near-the-start": Kind(Truncate(0.001), (), CUT),
    "reset": Kind(Reset(0.5), (), CUT),
    "reset-without-length": Kind(CloseDelimited(0.7, reset=True), (), CUT),
    "honest-cut": Kind(Truncate(0.5, honest=True), ("bytes",), SIZE),
    "honest-cut-by-md5": Kind(Truncate(0.9, honest=True), ("md5",), MD5),
    "close-delimited": Kind(CloseDelimited(0.7), ("bytes",), SIZE),
    "close-delimited-by-md5": Kind(CloseDelimited(0.999), ("md5",), MD5),
    "longer-than-told": Kind(Overlong(0.7), ("bytes",), (*SIZE, *CUT)),
    "corrupt": Kind(Corrupt(64), ("bytes", "md5"), MD5),
    "one-byte-wrong": Kind(Corrupt(1), ("md5",), MD5),
    "another-version": Kind(Version(OTHER), ("bytes", "md5"), SIZE),
    "empty": Kind(Truncate(0.0, honest=True), (), ("truncated",)),
    "page": Kind(Html(), (), PAGE_INSTEAD),
    "page-called-a-picture": Kind(Body(PAGE), (), PAGE_INSTEAD),
    "json-called-a-picture": Kind(Body(JSON), (), PAGE_INSTEAD),
    "picture-called-a-page": Kind(Headers({"Content-Type": "text/html"}), (), PAGE_INSTEAD),
    "gzip": Kind(Bomb("gzip", 100_000), (), ("bad_encoding",)),
    "brotli": Kind(Bomb("br", 100_000), (), ("bad_encoding",)),
}


@asynccontextmanager
async def session(site: DemoSite, **net: float) -> AsyncIterator[SiteHttp]:
    """The network face of a run that may ask the image host of a site as fast as it likes."""
    host = site.cdn_url.removeprefix("http://")
    chosen = Net(
        contact=CONTACT,
        allow_hosts=frozenset((host,)),
        **{  # type: ignore[arg-type]
            "attempts": 1,
            "retry_first": 0.001,
            "retry_floor": 1e6,
            "breaker_after": 1000,
            **net,
        },
    )
    async with Session(chosen, Stats()) as opened:
        yield opened.site(Site("test", "test", "", rate=1e6, connections=16))


async def ending(http: SiteHttp, rung: Rung, into: Path) -> str:
    """The hash of what arrived, or why nothing did."""
    try:
        fetched = await http.fetch(rung, into)
    except FetchError as error:
        assert not into.exists(), "a faulty file was left behind"
        return error.reason
    assert sha256(into.read_bytes()) == fetched.sha256
    return fetched.sha256


async def test_of_five_hundred_faulty_bodies_none_is_accepted(tmp_path: Path) -> None:
    """And of five hundred good ones, fetched between them over the same connections, none lost."""
    world = big_world(EACH)
    faults = [Fault(kind.do, query=f"{name}=*") for name, kind in KINDS.items()]
    async with DemoSite(world, faults=Faults(faults)) as site, session(site) as http:

        async def fetch(name: str, post: Post) -> tuple[str, bool]:
            """How the faulty body ended, and whether the good one came."""
            url, into = f"{site.cdn_url}{file_of(post)}", tmp_path / f"{name}-{post.id}"
            bad = await ending(http, rung(f"{url}?{name}=1", post, KINDS[name].claims), into)
            good = await ending(http, rung(f"{url}?good={name}", post), into)
            return bad, good == sha256(post.media.read())

        jobs = [(name, fetch(name, post)) for name in KINDS for post in world.posts]
        random.Random(3).shuffle(jobs)
        results = await asyncio.gather(*(job for _, job in jobs))
    endings = Counter((name, bad) for (name, _), (bad, _) in zip(jobs, results, strict=True))
    assert sum(endings.values()) == 500
    assert {key: n for key, n in endings.items() if key[1] not in KINDS[key[0]].reasons} == {}
    assert [good for _, good in results] == [True] * 500


def rung(url: str, post: Post, claims: Iterable[str] = ()) -> Rung:
    """A place of a file, with what the source claims of it."""
    return Rung(
        url,
        bytes=post.media.size if "bytes" in claims else None,
        md5=post.media.md5 if "md5" in claims else None,
    )


SPLICES = {
    "new version": Kind(Version(OTHER)),
    "new version, same validator": Kind(Version(OTHER, same_etag=True), ("md5",)),
    "later, and says so": Kind(FalseRange(shift=64, admits=True)),
    "later, and does not say so": Kind(FalseRange(shift=64), ("md5",)),
    "of a longer file": Kind(FalseRange(shift=64, total=9)),
    "of another version": Kind(FalseRange(shift=64, etag='"another"')),
    "not to be had": Kind(Status(416)),
    "ignored": Kind(IgnoreRange()),
}


async def test_of_two_hundred_broken_downloads_none_is_spliced(tmp_path: Path) -> None:
    """Where bytes of another file could get in, the file comes whole or not at all."""
    world = big_world(EACH)
    faults = [Fault(Stall(0.5, 0.2), query="break=*", nth=1)]
    for number, kind in enumerate(SPLICES.values()):
        faults.append(Fault(kind.do, query=f"break={number}", ranged=True))
    async with (
        DemoSite(world, faults=Faults(faults)) as site,
        session(site, resume_from=10_000, attempts=4) as http,
    ):

        async def fetch(number: int, claims: Iterable[str], post: Post) -> bool:
            url = f"{site.cdn_url}{file_of(post)}?break={number}"
            got = await ending(http, rung(url, post, claims), tmp_path / f"{number}-{post.id}")
            return got in (sha256(post.media.read()), sha256(OTHER))

        kinds = list(enumerate(SPLICES.values()))
        results = await asyncio.gather(
            *(fetch(number, kind.claims, post) for number, kind in kinds for post in world.posts)
        )
    assert results == [True] * 200
    assert sum(entry.range is not None for entry in site.ledger) >= 200
