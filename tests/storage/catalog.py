"""A workspace that a test fills by hand: real database, real files."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from storage import crawls, listing, purge, stream, works
from storage.database import open_writer
from storage.files import FileStore
from storage.records import Candidate, CrawlSpec, Event, Image, Ruling, Rung
from storage.states import Settled
from storage.writer import Work

T = TypeVar("T")

PENDING = Ruling("pending")
ACCEPTED = Ruling("accepted")
BLOCKED = Ruling("rejected", "blocked_content", filter="content")


def rejected(reason: str = "too_small", measured: Any = None, threshold: Any = None) -> Ruling:
    return Ruling("rejected", reason, measured, threshold, "resolution")


def candidate(site_id: str, **claims: Any) -> Candidate:
    """A work with one rung; claims of the rung (width, height, bytes, md5) go to it."""
    of_rung = {k: claims.pop(k) for k in ("width", "height", "bytes", "md5") if k in claims}
    rung = Rung(f"https://cdn.test/{site_id}.png", format="png", **of_rung)
    made = Candidate("site", "https://site.test", site_id, (rung,), **claims)
    return made if "page_url" in claims else replace(made, page_url=f"https://site.test/{site_id}")


def picture(name: str, size: int = 100, **measures: Mapping[str, Any]) -> tuple[Image, bytes]:
    """A picture that is never decoded here: its bytes are its name."""
    data = name.encode().ljust(size, b".")
    md5 = hashlib.md5(data).hexdigest()
    return Image(sha256_of(name, size), md5, "png", 800, 900, size, measures), data


def sha256_of(name: str, size: int = 100) -> str:
    return hashlib.sha256(name.encode().ljust(size, b".")).hexdigest()


class Catalog:
    """Writes as the engine does, each call one transaction. Begun as a run is: tidied up."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.path = workspace / "catalog.db"
        self.db = open_writer(self.path)
        self.store = FileStore(workspace)
        self.write(lambda db: purge.tidy(db, self.store))

    def write(self, work: Work[T]) -> T:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = work(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        purge.remove_doomed(self.db, self.store)
        return result

    def crawl(self, query: str = "query", **values: Any) -> str:
        spec = CrawlSpec("source", "site", "https://site.test", query, values.pop("options", {}))
        given = {"resolved": query, "predicate": {}, "policy": {}, "want": None, **values}
        given.setdefault("partitions", [("all", {})])
        return self.write(lambda db: crawls.create(db, spec, **given)).id

    def page(
        self, crawl: str, *listed: Candidate | tuple[Candidate, Ruling], cursor: Any = None
    ) -> list[Settled]:
        """Commit a page; works come with their ruling by claims, else pending."""
        pairs = [one if isinstance(one, tuple) else (one, PENDING) for one in listed]
        return self.write(lambda db: listing.commit_page(db, crawl, 0, pairs, cursor, {}))

    def fetched(
        self, crawl: str, site_id: str, name: str, ruling: Ruling = ACCEPTED, **kind: Any
    ) -> list[Settled]:
        """A work's bytes have come: they are the picture of this name."""
        image, data = picture(name, **kind)
        temp = self.store.temp()
        temp.write_bytes(data)
        return self.write(
            lambda db: works.settle_picture(
                db, self.store, crawl, self.id(site_id), image, ruling, temp=temp
            )
        )

    def known(
        self, crawl: str, site_id: str, name: str, ruling: Ruling = ACCEPTED
    ) -> list[Settled]:
        """A work is a picture that is held already."""
        image, _ = picture(name)
        return self.write(
            lambda db: works.settle_picture(
                db, self.store, crawl, self.id(site_id), image, ruling, temp=None
            )
        )

    def id(self, site_id: str) -> int:
        row = self.db.execute("SELECT id FROM candidates WHERE site_id = ?", (site_id,)).fetchone()
        return int(row[0])

    def states(self, crawl: str) -> dict[str, str]:
        """site_id -> state, with the reason behind a colon."""
        return {
            r["site_id"]: f"{r['state']}:{r['reason']}" if r["reason"] else r["state"]
            for r in self.db.execute(
                "SELECT c.site_id, w.state, w.reason FROM works w"
                " JOIN candidates c ON c.id = w.candidate_id WHERE w.crawl_id = ?",
                (crawl,),
            )
        }

    def events(self) -> list[Event]:
        return stream.read(self.db, 0)

    def told(self) -> list[tuple[str, str | None, str | None]]:
        """(kind, first digits of the picture, crawl) of every event."""
        return [(e.kind, e.sha256 and e.sha256[:8], e.crawl_id) for e in self.events()]

    def files(self) -> set[str]:
        """The names of all originals on disk."""
        root = self.workspace / "files"
        return {p.stem for p in root.glob("??/??/*")}

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.db.execute(sql, values).fetchall()]

    def holding(self, word: str) -> list[tuple[str, str]]:
        """(table, value) of every value in the database in which a word can be read."""
        tables = self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [
            (table, str(value))
            for (table,) in tables
            for row in self.rows(f"SELECT * FROM {table}")
            for value in row
            if word in str(value)
        ]


def assert_counted(db: sqlite3.Connection) -> None:
    """What is kept count of is what a count finds, and sizes are those of the pictures."""
    for kept, counted in (
        (
            "SELECT crawl_id, state, reason, works FROM tallies WHERE works != 0",
            "SELECT crawl_id, state, coalesce(reason, ''), count(*) FROM works GROUP BY 1, 2, 3",
        ),
        (
            "SELECT wanted, files, bytes FROM kept WHERE files != 0 OR bytes != 0",
            "SELECT wanted, count(*), sum(bytes) FROM images WHERE stored = 1 GROUP BY 1",
        ),
        (
            "SELECT id, side, pixels FROM candidates ORDER BY id",
            "SELECT c.id, coalesce(min(i.width, i.height), min(nullif(c.width, 0),"
            " nullif(c.height, 0)), nullif(c.width, 0), nullif(c.height, 0)),"
            " coalesce(i.width * i.height, nullif(c.width, 0) * nullif(c.height, 0))"
            " FROM candidates c LEFT JOIN images i ON i.sha256 = c.image ORDER BY c.id",
        ),
    ):
        found = sorted(map(tuple, db.execute(kept).fetchall()))
        assert found == sorted(map(tuple, db.execute(counted).fetchall())), kept


def short(names: Sequence[str]) -> list[str]:
    return [sha256_of(name)[:8] for name in names]
