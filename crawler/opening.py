"""Opening a crawl: find it or make it, and bring it up to the policy it is now run with."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, field
from typing import Any

from crawler.acquire import BY_POLICY, PASSING
from crawler.adapters.base import Adapter, Http, Predicate
from crawler.judgement import Case, judged, write
from crawler.verdicts import Rules, predicate_of, wider
from storage import crawls, tallies, works
from storage.records import Crawl, CrawlSpec, Walk
from storage.writer import Writer


@dataclass(frozen=True)
class Request:
    """What a run was asked for."""

    adapter: Adapter
    spec: CrawlSpec
    rules: Rules
    want: int | None
    fresh: bool = False
    max_bytes: int | None = None
    max_time: float | None = None
    strict: bool = False
    resume: Crawl | None = None
    """The very crawl to go on with, where it was named by its id."""


@dataclass(frozen=True)
class Opened:
    """A crawl ready to go on."""

    crawl: Crawl
    accepted: int
    pending: int
    seen: int
    """Works it has met."""
    walks: list[Walk] = field(default_factory=list)
    """The partitions that have not been listed to their end, in order."""


async def open_crawl(request: Request, writer: Writer, http: Http) -> Opened:
    """Find the crawl a request means, or start it.

    A new one asks the site what the query means (UnknownTag). A known one is judged again where
    the policy changed, listed again where the policy asks for more than was listed, and asked for
    what is new where it had finished short of its target.
    """
    predicate = predicate_of(request.rules.policy)
    found = request.resume or await writer.do(lambda db: crawls.find(db, request.spec))
    if found is not None and not request.fresh:
        return await _reopen(request, writer, found, predicate)
    resolved = await request.adapter.resolve(request.spec.query, http)
    parts = request.adapter.partitions(resolved, predicate)

    def start(db: sqlite3.Connection) -> Opened:
        crawl = crawls.create(
            db,
            request.spec,
            resolved=resolved,
            predicate=plain(predicate),
            policy=request.rules.policy.to_json(),
            want=request.want,
            partitions=[(part.name, part.listing) for part in parts],
        )
        return _opened(db, crawl)

    return await writer.do(start)


async def _reopen(request: Request, writer: Writer, crawl: Crawl, predicate: Predicate) -> Opened:
    policy = request.rules.policy.to_json()
    changed = crawl.policy != policy
    if not changed:

        def go_on(db: sqlite3.Connection) -> Opened:
            if not _met(db, request, crawl):  # else nobody tries them, and why is forgotten
                works.reopen(db, crawl.id, PASSING)
            return _go_on(db, request, crawl, predicate)

        return await writer.do(go_on)
    await writer.do(lambda db: works.reopen(db, crawl.id, PASSING | BY_POLICY))
    case = Case.of(crawl, request.rules)

    def finish(db: sqlite3.Connection) -> Opened:
        write(db, [case])
        return _go_on(db, request, crawl, predicate)

    return await judged(writer.do, [case], finish)


def _go_on(db: sqlite3.Connection, request: Request, crawl: Crawl, predicate: Predicate) -> Opened:
    relist = wider(predicate, crawl.predicate)
    if relist:
        parts = request.adapter.partitions(crawl.resolved, predicate)
        crawls.set_walks(db, crawl.id, [(part.name, part.listing) for part in parts])
    elif crawl.state == "finished" and not _met(db, request, crawl):
        for walk in crawls.walks(db, crawl.id):
            crawls.set_exhausted(db, crawl.id, walk.partition, False)
    crawls.update(
        db,
        crawl.id,
        state="running",
        policy=request.rules.policy.to_json(),
        predicate=plain(predicate) if relist else None,
        want=request.want,
    )
    return _opened(db, crawl)


def _met(db: sqlite3.Connection, request: Request, crawl: Crawl) -> bool:
    return request.want is not None and tallies.accepted_count(db, crawl.id) >= request.want


def _opened(db: sqlite3.Connection, crawl: Crawl) -> Opened:
    return Opened(
        crawl,
        accepted=tallies.accepted_count(db, crawl.id),
        pending=tallies.pending_count(db, crawl.id),
        seen=tallies.count(db, crawl.id),
        walks=[walk for walk in crawls.walks(db, crawl.id) if not walk.exhausted],
    )


def plain(predicate: Predicate) -> dict[str, Any]:
    """A predicate as JSON gives it back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(predicate).items()}
