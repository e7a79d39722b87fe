"""Committing one page of a listing: an entry that cannot be recorded costs only itself."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crawler.adapters.base import Page
from crawler.listing import BAD_ENTRY
from crawler.verdicts import Rules
from storage import candidates, crawls, listing, tallies
from storage.records import Candidate, Ruling
from storage.states import Settled
from storage.writer import Writer

_NONSENSE = (
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError),
    *(sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError, sqlite3.IntegrityError),
)
"""What values raise that no catalog can hold: half characters, huge numbers, wrong types."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What a page changed, and where the crawl then stood."""

    settled: list[Settled]
    accepted: int
    pending: int


async def commit(
    writer: Writer, crawl_id: str, rules: Rules, partition: int, page: Page | None
) -> Committed:
    """Record a page and its cursor in one transaction; None is the end of its partition.

    Raises NoSpace, StorageError, and what nobody expected of the page as a whole.
    """
    if page is None:

        def end(db: sqlite3.Connection) -> Committed:
            crawls.set_exhausted(db, crawl_id, partition, True)
            return Committed([], *tallies.counts(db, crawl_id))

        return await writer.do(end)
    listed = [(candidate, rules.of_claims(candidate)) for candidate in page.candidates]

    def record(
        db: sqlite3.Connection, listed: Sequence[tuple[Candidate, Ruling]], dropped: Counter[str]
    ) -> Committed:
        settled = listing.commit_page(db, crawl_id, partition, listed, page.cursor, dropped)
        return Committed(settled, *tallies.counts(db, crawl_id))

    def commit(db: sqlite3.Connection) -> Committed:
        dropped = Counter(page.dropped)
        db.execute("SAVEPOINT page")
        try:
            return record(db, listed, dropped)
        except _NONSENSE:
            db.execute("ROLLBACK TO page")
            sound = [_sound(db, *one) for one in listed]
            if None in sound:
                dropped[BAD_ENTRY] += sound.count(None)
            return record(db, [one for one in sound if one is not None], dropped)
        finally:
            if db.in_transaction:
                db.execute("RELEASE page")

    return await writer.do(commit)


def _sound(
    db: sqlite3.Connection, candidate: Candidate, ruling: Ruling
) -> tuple[Candidate, Ruling] | None:
    """A work as it can be recorded: as it is, else by its id alone; None where not even that."""
    if _can_be_recorded(db, candidate, ruling):
        return candidate, ruling
    bare = Candidate(candidate.site, candidate.origin, candidate.site_id, unavailable=BAD_ENTRY)
    told = ruling if ruling.reason == "blocked_content" else Ruling("unavailable", BAD_ENTRY)
    return (bare, told) if _can_be_recorded(db, bare, told) else None


def _can_be_recorded(db: sqlite3.Connection, candidate: Candidate, ruling: Ruling) -> bool:
    db.execute("SAVEPOINT entry")
    try:
        candidates.name_tags(db, (candidate,))
        listing.record_work(db, candidate, ruling)
    except _NONSENSE:
        return False
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK TO entry")
            db.execute("RELEASE entry")
    return True
