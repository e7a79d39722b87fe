"""One crawl of a made-up site, moved by hand: what the engine does, one step at a time.

The real opening, frontier, carrier and catalog; no clock, no thread and no network, so that chance
can choose what happens next, and when the process dies.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from crawler.carry import Carrier, Tools
from crawler.errors import FetchError
from crawler.opening import Request, open_crawl
from crawler.order import Frontier
from crawler.stats import Stats
from crawler.verdicts import Rules
from storage import crawls, listing, purge, stream, tallies, works
from storage.database import open_writer
from storage.files import FileStore
from storage.reasons import reasons
from storage.records import CrawlSpec, Ruling, Work
from storage.states import Settled
from tests.properties.world import ORIGIN, SITE, World

T = TypeVar("T")

LOAD = 2
"""Works loaded from the catalog at a time: few, so that loading goes on in the middle of a run."""
CONCURRENCY = 3


class Killed(BaseException):
    """The process is gone: nothing of ours may run any more."""


class Disk:
    """A workspace whose process can die just before or just after any of its commits."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.fuse: int | None = None
        """How many more times a process can pass the edge of a commit before it dies there."""
        self.committed: dict[str, list[tuple[Any, ...]]] = {}
        """The whole catalog after the last commit; kept while a fuse burns."""
        self.open()

    def open(self) -> None:
        """Start as every run does: clear up what the last one left."""
        self.db = open_writer(self.workspace / "catalog.db")
        self.db.execute("PRAGMA synchronous=OFF")  # processes die here, machines do not
        self.store = FileStore(self.workspace)
        self.write(lambda db: purge.tidy(db, self.store))

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction, as the writer commits it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = work(self.db)
        except Exception:
            self.db.execute("ROLLBACK")
            raise
        self._burn()
        self.db.execute("COMMIT")
        if self.fuse is not None:
            self.committed = self.dump()
        self._burn()
        purge.remove_doomed(self.db, self.store)
        return result

    async def do(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        return self.write(work)

    def light(self, fuse: int) -> None:
        self.fuse, self.committed = fuse, self.dump()

    def _burn(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Killed

    def kill(self) -> None:
        """Leave on disk what a killed process leaves: no rollback, no checkpoint, no goodbye."""
        left = {p: p.read_bytes() for p in self.workspace.glob("catalog.db*")}
        self.db.close()
        for path, data in left.items():
            path.write_bytes(data)
        (self.store.tmp / "arriving").write_bytes(b"half a fi")
        self.fuse = None

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table as it is now."""
        tables = self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return {table: self.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for (table,) in tables}

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.db.execute(sql, values).fetchall()]

    def files(self) -> set[str]:
        """The hashes in the names of all originals on disk."""
        return {path.stem for path in (self.workspace / "files").glob("??/??/*")}


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("it waits for bytes")


class Run:
    """A run of one crawl, opened and then moved by whoever calls its methods."""

    def __init__(self, disk: Disk, world: World, query: str, rules: Rules, want: int | None):
        self.disk, self.world, self.rules = disk, world, rules
        spec = CrawlSpec("source", SITE, ORIGIN, query, {})
        request = Request(adapter=cast(Any, world), spec=spec, rules=rules, want=want)
        opened = at_once(open_crawl(request, cast(Any, disk), cast(Any, None)))
        self.id = opened.crawl.id
        tools = SimpleNamespace(writer=disk, store=disk.store, http=world, inspector=world)
        tools.max_file_bytes = 1_000_000
        self.carrier = Carrier(request, cast(Tools, tools), self.id, Stats(want=want))
        self.frontier = Frontier(
            want=want, concurrency=CONCURRENCY, accepted=opened.accepted, pending=opened.pending
        )
        self.flying: dict[int, Coroutine[Any, Any, list[Settled] | None]] = {}

    # -- what the engine does between two events

    def page(self, site_ids: Sequence[str], *, recalls: bool) -> None:
        """The site has listed these works; what that decides is recalled from its way, or not."""
        candidates = [self.world.candidate(site_id) for site_id in site_ids]
        listed = [(candidate, self.rules.of_claims(candidate)) for candidate in candidates]
        settled = self.disk.write(
            lambda db: listing.commit_page(db, self.id, 0, listed, len(listed), {})
        )
        self._count()
        if any(s.before is not None and s.ruling.state == "pending" for s in settled):
            self.frontier.reopened()
        decided = {s.candidate_id for s in settled if s.ruling.state != "pending"}
        for work in self.frontier.flying:
            if recalls and work.candidate_id in decided:
                self.flying[work.position].close()
                self._land(work, [])

    def load(self) -> None:
        frontier = self.frontier
        while frontier.needs_loading:
            loaded = self.disk.write(lambda db: works.unsettled(db, self.id, frontier.loaded, LOAD))
            frontier.add(loaded)
            if len(loaded) < LOAD:
                frontier.all_loaded()

    def start(self) -> Work | None:
        """Start the next work, if any may start; it may be settled at once."""
        self.load()
        work = self.frontier.next()
        if work is not None:
            held_only = self.frontier.is_free(work)
            self.flying[work.position] = self.carrier.settle(work, held_only=held_only)
            self._go_on(work, None)
        return work

    def arrive(self, work: Work, trouble: FetchError | None) -> None:
        """The bytes that a work waits for have come, or will not come."""
        self._go_on(work, trouble)

    def end(self, budget: int) -> None:
        """Stop: what is in flight is given back."""
        for work in self.frontier.flying:
            self.flying[work.position].close()
            self._land(work, [])

        def conclude(db: sqlite3.Connection) -> None:
            crawls.update(db, self.id, state="finished")
            purge.drop_rejected(db, budget)
            counts = {f"{row.state}:{row.reason}": row.count for row in reasons(db, self.id)}
            stream.append(db, "crawl_finished", crawl_id=self.id, payload=counts)

        self.disk.write(conclude)
        self.disk.write(purge.mark_clean)

    def counts(self) -> tuple[int, int]:
        """What the catalog says is accepted and pending."""
        return tallies.counts(self.disk.db, self.id)

    def _go_on(self, work: Work, trouble: FetchError | None) -> None:
        try:
            self.flying[work.position].send(trouble)
        except StopIteration as end:
            self._land(work, end.value)

    def _land(self, work: Work, settled: list[Settled] | None) -> None:
        for change in settled or ():
            self.frontier.moved(change.before, change.ruling.state)
        if any(change.ruling.reason == "blocked_content" for change in settled or ()):
            self._count()
        del self.flying[work.position]
        if settled is None:
            self.frontier.returned(work)
        else:
            accepted = bool(settled) and settled[0].ruling.state == "accepted"
            self.frontier.landed(work, accepted=accepted)

    def _count(self) -> None:
        self.frontier.accepted, self.frontier.pending = self.counts()


def ruling_of(disk: Disk, crawl_id: str, site_id: str) -> Ruling:
    """What the catalog says of a work in a crawl."""
    row = disk.db.execute(
        "SELECT w.state, w.reason FROM works w JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.crawl_id = ? AND c.site_id = ?",
        (crawl_id, site_id),
    ).fetchone()
    return Ruling(row["state"], row["reason"])


def without_tidying(tables: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[Any]]:
    """A catalog without the marks of the last tidying and without orders to remove files."""
    meta = [row for row in tables["meta"] if row[0] not in ("clean_at", "pair")]
    return {**tables, "meta": meta, "doomed": []}
