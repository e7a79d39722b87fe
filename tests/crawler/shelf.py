"""A source whose pages a test writes, with real pictures on the disk: an adapter like any other."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from crawler import plugins
from crawler.adapters.base import Estimate, Http, Page, Partition, Predicate
from crawler.engine import Engine
from crawler.opening import Request
from crawler.run import Run
from crawler.site import Site
from crawler.verdicts import Rules
from crawler.workspace import Workspace
from storage.reader import Reader
from storage.records import Candidate, CrawlSpec, Json, Rung

SMALL = {"resolution": {"min_side": 32, "min_pixels": 1}}
"""A policy under which the pictures of :func:`paint` are accepted."""


def paint(folder: Path, name: str, side: int = 48) -> Path:
    """A small picture of its own: noise, seeded by its name. 16 pixels a side are too small."""
    path = folder / f"{name}.png"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = random.Random(name).randbytes(side * side * 3)
        Image.frombytes("RGB", (side, side), data).save(path)
    return path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@dataclass
class Shelf:
    """Pages by partition. What happens is noted; ``pause`` is awaited before each page."""

    pages: Sequence[Sequence[Sequence[Candidate]]]
    query: str = "query"
    asked: list[tuple[str, int]] = field(default_factory=list)
    """(partition, number of the page) of every page that was handed out."""
    again: dict[str, Candidate] = field(default_factory=dict)
    """site_id -> what the site says of a work that is read again."""
    reread: list[str] = field(default_factory=list)
    pause: Callable[[], Awaitable[None]] | None = None

    name: ClassVar[str] = "shelf"
    summary: ClassVar[str] = "a source for tests"
    default_site: ClassVar[Site] = Site("folder", "folder")
    Options: ClassVar[type[Any]] = object
    source_rank: ClassVar[int] = 1

    def canonical(self, words: Sequence[str]) -> str:
        return " ".join(words)

    async def resolve(self, query: str, http: Http) -> str:
        return query

    def partitions(self, query: str, predicate: Predicate) -> Sequence[Partition]:
        return [Partition(f"tier{n}", {"tier": n}) for n in range(len(self.pages))]

    async def discover(
        self, partition: Partition, cursor: Json | None, http: Http
    ) -> AsyncIterator[Page]:
        """The cursor is the number of pages that were listed."""
        tier = partition.listing["tier"]
        for number in range(cursor or 0, len(self.pages[tier])):
            if self.pause is not None:
                await self.pause()
            self.asked.append((partition.name, number))
            yield Page(self.pages[tier][number], number + 1)

    async def refresh(self, candidate: Candidate, http: Http) -> Candidate:
        self.reread.append(candidate.site_id)
        return self.again.get(candidate.site_id, candidate)

    async def estimate(self, partition: Partition, http: Http) -> Estimate:
        return Estimate(None)


@dataclass
class Works:
    """Makes candidates whose pictures lie in a folder."""

    folder: Path

    def __call__(
        self, site_id: str, picture: str | None = None, *, side: int = 48, **claims: Any
    ) -> Candidate:
        path = paint(self.folder, picture or site_id, side)
        rung = Rung(str(path), "file", md5=claims.pop("md5", None))
        return Candidate("folder", "", site_id, (rung,), **claims)

    def sure(self, site_id: str, picture: str | None = None, **claims: Any) -> Candidate:
        """A work that claims the md5 of its file."""
        made = self(site_id, picture, **claims)
        rung = made.ladder[0]
        return replace(made, ladder=(replace(rung, md5=md5(Path(rung.location))),))

    def small(self, site_id: str, **claims: Any) -> Candidate:
        """A work whose picture turns out to be too small."""
        return self(site_id, f"small-{site_id}", side=16, **claims)

    def gone(self, site_id: str, **claims: Any) -> Candidate:
        """A work whose file is not there."""
        rung = Rung(str(self.folder / f"gone-{site_id}.png"), "file")
        return Candidate("folder", "", site_id, (rung,), **claims)


def request(shelf: Shelf, *, policy: dict[str, Any] | None = None, **asked: Any) -> Request:
    judge = plugins.judge()
    rules = Rules(judge, judge.policy(SMALL if policy is None else policy))
    spec = CrawlSpec("shelf", "folder", "", shelf.query, {})
    return Request(shelf, spec, rules, asked.pop("want", None), **asked)


def start(ws: Workspace, shelf: Shelf, **asked: Any) -> Run:
    """A run of a crawl of the shelf, as ``ws.crawl`` makes it."""
    return Run(Engine(request(shelf, **asked)), ws)


def states(ws: Workspace, crawl: str | None = None) -> dict[str, str]:
    """site_id -> state, with the reason behind a colon, in the crawl's order."""
    words = [] if crawl is None else [f"crawl:{crawl}"]
    with Reader(ws.path) as reader:
        return {
            i.site_id: f"{i.state}:{i.reason}" if i.reason else i.state for i in reader.query(words)
        }


def events(ws: Workspace) -> list[tuple[str, str | None]]:
    """(kind, first digits of the picture) of every event."""
    with Reader(ws.path) as reader:
        return [(e.kind, e.sha256 and e.sha256[:8]) for e in reader.events()]


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
