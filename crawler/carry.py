"""One work, from fetch to commit."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.acquire import (
    OUT_OF_DESCRIPTORS,
    Acquired,
    Arrived,
    Ladder,
    Withdrawn,
    spool,
)
from crawler.errors import AccessDenied, BadAnswer, ChallengePage, FetchError
from crawler.opening import Request
from crawler.stats import Stats
from filters.policy import failed_measures
from storage import candidates, listing, purge, works
from storage.disk import in_our_words
from storage.files import FileStore
from storage.platform import out_of_descriptors
from storage.reader import Reader
from storage.records import Candidate, Image, Ruling, Rung, Work
from storage.states import Settled, settle
from storage.words import Word, heed, said_of
from storage.writer import Writer

if TYPE_CHECKING:
    from crawler.http.session import SiteHttp
    from crawler.inspection import Inspector


@dataclass(frozen=True)
class Tools:
    """What a run works with; opened before it and closed after it by the workspace."""

    writer: Writer
    store: FileStore
    reader: Reader
    http: SiteHttp
    inspector: Inspector
    concurrency: int
    min_free: int
    rejected_budget: int
    max_file_bytes: int
    listing_waits: tuple[float, ...]
    """Seconds before each further try of a page that could not be had."""


DESCRIPTOR_TRIES = 60
"""Tries of a work that meet no free file descriptor, before it is left for the next run."""
DESCRIPTOR_PAUSE = 0.25
"""Seconds before the second of them; they grow to twenty times as much."""

MIN_DROP = 50_000_000
"""Rejected bytes that come in at least between two looks at their budget."""


class Known(Exception):
    """Read again, the work turned out to be a picture we hold: it is settled."""

    def __init__(self, settled: list[Settled]) -> None:
        super().__init__()
        self.settled = settled


@dataclass
class Carrier:
    """Carries works of one crawl to their verdicts and commits them."""

    request: Request
    tools: Tools
    crawl_id: str
    stats: Stats
    under_way: set[int] = field(default_factory=set)
    """Positions of works whose bytes have been asked for: a stop lets these finish."""
    largest: int = 0
    """Bytes of the largest file that came so far."""
    _rejected: int = 0

    async def settle(self, work: Work, *, held_only: bool = False) -> list[Settled] | None:
        """Bring a work to its verdict; returns every work whose state changed by it.

        With ``held_only`` nothing is fetched: None where we do not hold the work's picture.
        Raises what ends the run: SourceError, RateLimited, NoSpace.
        """
        now, word = await self.tools.writer.do(lambda db: self._as_it_is(db, work))
        if now is None:
            return []  # a page that listed it again, or a person, has decided it meanwhile
        candidate = now.candidate
        if word == "reject" or candidate.unavailable is not None:
            # Another crawl has read it since: what is hidden stays so.
            ruling = heed(self.request.rules.of_claims(candidate), word, held=False)
            return await self._conclude(work, ruling, [])
        # As the catalog knows it now: its file may have been replaced since it was loaded. What is
        # on its way into the catalog is let finish, so that it is told.
        self.under_way.add(work.position)
        settled = await self._settle_held(work, candidate, now.image, now.rung)
        if settled is not None or held_only:
            return settled
        self.under_way.discard(work.position)
        if now.image is None:
            # Asked again: what an earlier run tried follows the policy of this one, and nothing is
            # fetched that content safety has not passed.
            ruling = heed(self.request.rules.of_claims(candidate), word, held=False)
            if ruling.state != "pending":
                await self._forget_blocked(candidate, ruling)
                return await self._conclude(work, ruling, [])
        for attempt in range(1, DESCRIPTOR_TRIES + 1):
            try:
                with in_our_words(self.tools.store.root):
                    return await self._fetched(work, candidate)
            except (OSError, FetchError) as error:
                reason = error.reason if isinstance(error, FetchError) else None
                if reason != OUT_OF_DESCRIPTORS and not out_of_descriptors(error):
                    raise
            # The machine's trouble, not the picture's: others will close what they have open.
            self.under_way.discard(work.position)
            await asyncio.sleep(DESCRIPTOR_PAUSE * min(attempt, 20))
        trouble = FetchError(OUT_OF_DESCRIPTORS, "too many files are open", transient=True)
        return await self.fail(work, trouble)

    def _as_it_is(self, db: sqlite3.Connection, work: Work) -> tuple[Work | None, Word | None]:
        """The work as the catalog now knows it, and what a person says of it."""
        now = works.still_pending(db, self.crawl_id, work.candidate_id)
        return now, said_of(db, work.candidate_id, now.image if now else None)

    async def _fetched(self, work: Work, candidate: Candidate) -> list[Settled]:
        """Get the bytes of a work, look at them and commit what they are."""
        ladder = Ladder(
            fetch=partial(self._fetch, work.position),
            inspect=self._inspect,
            refresh=partial(self._refresh, work),
            temp=self.tools.store.temp,
        )
        try:
            got = await ladder.acquire(candidate)
        except Withdrawn as end:
            return await self._conclude(work, end.ruling, ladder.tried)
        except Known as known:
            return known.settled
        except FetchError as error:
            if error.reason == OUT_OF_DESCRIPTORS:
                raise
            if error.reason == "challenge":
                raise ChallengePage(
                    f"{work.candidate.site}: a file is answered by a challenge page, the site does"
                    f" not want us now ({error})",
                    hint="try later: the same command goes on; trawl never solves challenges",
                ) from error
            return await self.fail(work, error, ladder.tried)
        return await self._commit(work, got)

    async def fail(
        self, work: Work, error: FetchError, tried: list[tuple[int, str]] | None = None
    ) -> list[Settled]:
        """Record that a work cannot be had."""
        ruling = Ruling("failed", error.reason)
        return await self._conclude(work, ruling, tried or [(0, error.reason)], error.transient)

    async def _settle_held(
        self, work: Work, candidate: Candidate, image: str | None, rung: int = 0
    ) -> list[Settled] | None:
        """Settle a work whose picture we hold already; None where its bytes are needed."""
        unmeasured: list[Image] = []

        def settle_held(db: sqlite3.Connection) -> list[Settled] | None:
            held = (
                candidates.known_picture(db, candidate)
                if image is None
                else candidates.held(db, image)
            )
            if held is None:
                return None
            claims = candidate.from_rung(rung)
            word = said_of(db, work.candidate_id, held.picture.sha256)
            ruled = self.request.rules.of_picture(claims, held.picture.measures)
            ruling = heed(ruled, word, held=True)
            if ruling.state == "failed":
                passed = self.request.rules.of_claims(candidate).state == "pending"
                if passed and failed_measures(held.picture.measures):
                    return None  # to be fetched and measured again
                return settle(db, self.crawl_id, work.candidate_id, ruling)
            if not held.stored and ruling.state != "rejected":
                return None
            if ruled.state == "accepted" and not self._is_measured(held.picture):
                unmeasured.append(held.picture)
                return None
            return works.settle_picture(
                db,
                self.tools.store,
                self.crawl_id,
                work.candidate_id,
                held.picture,
                ruling,
                temp=None,
                rung=rung,
            )

        # In one transaction: the bytes must not be dropped in between.
        settled = await self.tools.writer.do(settle_held)
        if unmeasured and await self._measured_again(unmeasured.pop()):
            settled = await self.tools.writer.do(settle_held)
        if settled is not None and image is None:
            self.stats.bytes_saved += candidate.bytes or 0
        return settled

    def _is_measured(self, picture: Image) -> bool:
        rules = self.request.rules
        return rules.judge.is_measured(picture.measures, rules.policy)

    async def _measured_again(self, picture: Image) -> bool:
        """Measure a file that we hold for this crawl's policy; False where it cannot be read."""
        path = self.tools.store.path(picture.sha256, picture.format)
        try:
            now = await self.tools.inspector.inspect(
                path, sha256=picture.sha256, md5=picture.md5, size=picture.bytes
            )
        except (FetchError, FileNotFoundError):
            return False  # dropped or damaged meanwhile: it is fetched, and that tells
        await self.tools.writer.do(lambda db: works.measured(db, self._with_others(db, now)))
        return self._is_measured(now)

    def _with_others(self, db: sqlite3.Connection, picture: Image) -> Image:
        """The picture, and what the models of other crawls have said of it."""
        held = candidates.held(db, picture.sha256)
        if held is None:
            return picture
        measures = self.request.rules.judge.together(held.picture.measures, picture.measures)
        return replace(picture, measures=measures)

    async def _commit(self, work: Work, got: Acquired) -> list[Settled]:
        self.largest = max(self.largest, got.picture.bytes)
        claims = got.candidate.from_rung(got.rung)
        ruling = self.request.rules.of_picture(claims, got.picture.measures)
        if ruling.state == "failed":  # a filter of ours: nothing is known that could be kept
            got.temp.unlink(missing_ok=True)
            return await self._conclude(work, ruling, [(got.rung, ruling.reason or "")])
        if ruling.state == "rejected":
            self._rejected += got.picture.bytes
        return await self._commit_picture(work, got, ruling)

    async def _forget_blocked(self, candidate: Candidate, ruling: Ruling) -> None:
        if ruling.reason == "blocked_content":
            await self.tools.writer.do(lambda db: listing.read_again(db, candidate, ruling))

    async def keep_budget(self) -> None:
        """Drop old rejected bytes now and then, not only at the end of a run of many days."""
        if self._rejected > max(MIN_DROP, self.tools.rejected_budget // 20):
            self._rejected = 0
            await self.tools.writer.do(
                lambda db: purge.drop_rejected(db, self.tools.rejected_budget)
            )

    async def _commit_picture(self, work: Work, got: Acquired, ruling: Ruling) -> list[Settled]:
        try:
            return await self.tools.writer.do(
                lambda db: works.settle_picture(
                    db,
                    self.tools.store,
                    self.crawl_id,
                    work.candidate_id,
                    self._with_others(db, got.picture),
                    ruling,
                    temp=got.temp,
                    rung=got.rung,
                )
            )
        except Exception:
            got.temp.unlink(missing_ok=True)
            raise

    async def _conclude(
        self,
        work: Work,
        ruling: Ruling,
        tried: list[tuple[int, str]],
        transient: bool = False,
    ) -> list[Settled]:
        self.under_way.add(work.position)
        if ruling.state in ("failed", "unavailable"):
            return await self.tools.writer.do(
                lambda db: works.settle_failed(
                    db, self.crawl_id, work.candidate_id, ruling, tried, transient=transient
                )
            )
        return await self.tools.writer.do(
            lambda db: settle(db, self.crawl_id, work.candidate_id, ruling)
        )

    async def _fetch(self, position: int, rung: Rung, into: Path) -> Arrived:
        if rung.kind == "file":
            self.under_way.add(position)
            return await spool(rung, into, max_bytes=self.tools.max_file_bytes)

        def under_way(going: bool) -> None:
            (self.under_way.add if going else self.under_way.discard)(position)

        return await self.tools.http.fetch(rung, into, under_way=under_way)

    async def _inspect(self, arrived: Arrived) -> Image:
        return await self.tools.inspector.inspect(
            arrived.path, sha256=arrived.sha256, md5=arrived.md5, size=arrived.bytes
        )

    async def _refresh(self, work: Work, candidate: Candidate) -> Candidate:
        """Read a work again; what the site now says is recorded and judged first."""
        try:
            again = await self.request.adapter.refresh(candidate, self.tools.http)
        except (AccessDenied, BadAnswer) as error:
            # One work that the site will not tell of again is no reason to end the run.
            raise FetchError("not_read_again", str(error)) from error
        ruled = self.request.rules.of_claims(again)

        def read_again(db: sqlite3.Connection) -> Ruling:
            listing.read_again(db, again, ruled)
            return heed(ruled, self._as_it_is(db, work)[1], held=False)

        ruling = await self.tools.writer.do(read_again)
        if ruling.state != "pending":
            raise Withdrawn(ruling)
        settled = await self._settle_held(work, again, None)
        if settled is not None:
            raise Known(settled)
        return again
