"""An engine that only writes: works are listed, turn out to be pictures, and some are withdrawn.

    python -m tests.torture.feeder WORKSPACE COUNT [--pace SECONDS]

It writes as a run does (its lock, its one writer, files synced and renamed before their rows), and
goes on where a killed one stopped. Every 20th picture is withdrawn a while after it was accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import sqlite3
from functools import partial
from pathlib import Path

from PIL import Image as Pillow

from storage import crawls, listing, purge, stream, works
from storage.files import FileStore
from storage.lock import EngineLock
from storage.platform import fsync_file
from storage.records import Candidate, CrawlSpec, Image, Ruling, Rung, Work
from storage.states import settle
from storage.workspace import CATALOG
from storage.writer import Writer

PAGE = 100
AT_ONCE = 8
"""Works on their way at once, as a crawl's are: they share commits."""
WITHDRAWN = 20
LATER = 40
"""Works after which one of these is withdrawn."""
SPEC = CrawlSpec("source", "site", "https://site.test", "all", {})
PENDING, ACCEPTED = Ruling("pending"), Ruling("accepted")
WITHDRAWAL = Ruling("rejected", "too_small", 8, 9, "resolution")


def work(number: int) -> Candidate:
    """A work of the site."""
    tags = {"general": ("1girl", f"tag_{number}"), "artist": (f"artist_{number % 7}",)}
    rung = Rung(f"https://cdn.test/{number}.png", format="png")
    page = f"https://site.test/{number}"
    return Candidate("site", SPEC.origin, str(number), (rung,), page_url=page, tags=tags)


def picture(number: int) -> tuple[Image, bytes]:
    """The picture of a work: small, and unlike all others."""
    buffer = io.BytesIO()
    pixels = bytes((number >> 8 * (n % 3)) & 0xFF for n in range(3 * 64))
    Pillow.frombytes("RGB", (8, 8), pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    sha256, md5 = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
    return Image(sha256, md5, "png", 8, 8, len(data), {}), data


class Feeder:
    """Writes one crawl of ``count`` works."""

    def __init__(self, writer: Writer, store: FileStore, count: int, pace: float) -> None:
        self.writer, self.store = writer, store
        self.count, self.pace = count, pace

    async def run(self) -> None:
        self.crawl = await self.writer.do(_crawl)
        await self.writer.do(self._withdraw_missed)
        known = await self.writer.do(self._listed)
        for start in range(known, self.count, PAGE):
            await self.writer.do(partial(self._page, start))
            await self._fetch_all()
        await self._fetch_all()
        await self.writer.do(self._finish)

    def _listed(self, db: sqlite3.Connection) -> int:
        found = db.execute("SELECT count(*) FROM works WHERE crawl_id = ?", (self.crawl,))
        return int(found.fetchone()[0])

    def _page(self, start: int, db: sqlite3.Connection) -> None:
        page = [(work(n), PENDING) for n in range(start, min(start + PAGE, self.count))]
        listing.commit_page(db, self.crawl, 0, page, None, {})

    def _unsettled(self, after: int, db: sqlite3.Connection) -> list[Work]:
        return works.unsettled(db, self.crawl, after, AT_ONCE)

    async def _fetch_all(self) -> None:
        after = 0
        while True:
            some = await self.writer.do(partial(self._unsettled, after))
            if not some:
                return
            await asyncio.gather(*(self._fetch(w.candidate_id, w.candidate.site_id) for w in some))
            after = some[-1].position

    async def _fetch(self, candidate_id: int, site_id: str) -> None:
        image, data = picture(int(site_id))
        temp = self.store.temp()
        temp.write_bytes(data)
        fsync_file(temp)
        await self.writer.do(
            lambda db: works.settle_picture(
                db, self.store, self.crawl, candidate_id, image, ACCEPTED, temp=temp
            )
        )
        if int(site_id) % WITHDRAWN == 0 and int(site_id) >= LATER:
            await self._withdraw(int(site_id) - LATER)
        await asyncio.sleep(self.pace)

    async def _withdraw(self, number: int) -> None:
        def withdraw(db: sqlite3.Connection) -> None:
            row = db.execute(
                "SELECT c.id FROM works w JOIN candidates c ON c.id = w.candidate_id"
                " WHERE c.site_id = ? AND w.crawl_id = ? AND w.state = 'accepted'",
                (str(number), self.crawl),
            ).fetchone()
            if row is not None:
                settle(db, self.crawl, row["id"], WITHDRAWAL)

        await self.writer.do(withdraw)

    def _withdraw_missed(self, db: sqlite3.Connection) -> None:
        """What a kill has put between a picture and the withdrawal that goes with it."""
        for row in db.execute(
            "SELECT c.id FROM works w JOIN candidates c ON c.id = w.candidate_id"
            " WHERE w.crawl_id = ?1 AND w.state = 'accepted' AND c.site_id % ?2 = 0"
            " AND EXISTS (SELECT 1 FROM works l JOIN candidates d ON d.id = l.candidate_id"
            " WHERE l.crawl_id = ?1 AND l.state = 'accepted' AND d.site_id = c.site_id + ?3)",
            (self.crawl, WITHDRAWN, LATER),
        ).fetchall():
            settle(db, self.crawl, row["id"], WITHDRAWAL)

    def _finish(self, db: sqlite3.Connection) -> None:
        if not stream.told_finished(db, self.crawl):
            stream.append(db, "crawl_finished", crawl_id=self.crawl)


def _crawl(db: sqlite3.Connection) -> str:
    found = next(iter(crawls.every(db)), None)
    if found is not None:
        return found.id
    return crawls.create(
        db, SPEC, resolved="all", predicate={}, policy={}, want=None, partitions=[("all", {})]
    ).id


async def feed(workspace: Path, count: int, pace: float) -> None:
    """Write until ``count`` works are settled."""
    workspace.mkdir(parents=True, exist_ok=True)
    with EngineLock(workspace):
        writer = Writer(
            workspace / CATALOG,
            checkpoint=True,
            after_commit=lambda db: purge.remove_doomed(db, FileStore(workspace)),
        )
        await writer.start()
        try:
            store = FileStore(workspace)
            await writer.do(lambda db: purge.tidy(db, store))
            await Feeder(writer, store, count, pace).run()
        finally:
            await writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.feeder", description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between works")
    given = parser.parse_args()
    asyncio.run(feed(given.workspace, given.count, given.pace))


if __name__ == "__main__":
    main()
