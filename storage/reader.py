"""Reading the catalog: fast to import, read-only, works while an engine writes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from storage import crawls, stream
from storage.database import open_reader
from storage.errors import BadQuery
from storage.lock import engine_running
from storage.query.language import HasTag, parse
from storage.query.search import Found, Search
from storage.query.sql import Compiled, all_of, compile_query, tag_ids
from storage.query.vocabulary import Vocabulary
from storage.reasons import STATES, reasons
from storage.records import AcceptedImage, Crawl, CrawlStatus, Event, Json, Row
from storage.rows import IMAGE_SELECT, image_of
from storage.show import show
from storage.words import owed
from storage.workspace import require_catalog

MOST_MORE = 10_000
"""Works behind the first page that are counted."""
PATIENCE = 0.05
"""Seconds that counting them may take."""


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The first works that match a query."""

    images: list[AcceptedImage]
    more: int
    """Works behind them: all, or if not ``exact`` at least so many."""
    exact: bool


class Reader:
    """A workspace opened for questions. Raises NoWorkspace and NewerCatalog."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.db: sqlite3.Connection = open_reader(require_catalog(workspace))

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.db.close()

    def crawls(self) -> list[CrawlStatus]:
        """Every crawl with its counts, the one touched last first."""
        running = engine_running(self.workspace)
        awaited = owed(self.db)
        out: list[CrawlStatus] = []
        for crawl in crawls.every(self.db):
            rows = self.rows(crawl.id)
            count = {state: sum(r.count for r in rows if r.state == state) for state in STATES}
            out.append(
                CrawlStatus(
                    crawl=crawl,
                    running=running and crawl.state == "running",
                    accepted=count["accepted"],
                    seen=sum(count.values()),
                    pending=count["pending"] + count["waiting"],
                    rows=tuple(rows),
                    awaited=awaited[crawl.id],
                )
            )
        return out

    def rows(self, crawl_id: str) -> list[Row]:
        """The table of reasons of a crawl: every work counted once, with an example of each."""
        return reasons(self.db, crawl_id)

    def dropped(self, crawl_id: str) -> dict[str, int]:
        """Rows of the source that its predicate dropped on our side: counted, not stored."""
        return {
            r["reason"]: r["count"]
            for r in self.db.execute(
                "SELECT reason, count FROM dropped WHERE crawl_id = ? ORDER BY reason", (crawl_id,)
            ).fetchall()
        }

    def query(
        self, words: Sequence[str], *, sort: str | None = None, limit: int | None = None
    ) -> Iterator[AcceptedImage]:
        """The works that match, each once: as the first crawl has it that matches.

        Raises BadQuery.
        """
        if limit is not None and limit < 0:
            raise BadQuery("a limit is 0 or more")
        asked = self._asked(words, sort)
        pages = Search(self.db, asked).pages(limit)
        while images := self._next(pages, asked):
            yield from images

    def first(self, words: Sequence[str], *, sort: str | None = None, count: int) -> FirstPage:
        """The first works that match, and about how many more do.

        Counting ends at :data:`MOST_MORE` or after :data:`PATIENCE`. Raises BadQuery.
        """
        asked = self._asked(words, sort)
        pages = Search(self.db, asked).pages(count + MOST_MORE + 1)
        images: list[AcceptedImage] = []
        while len(images) < count and (found := self._next(pages, asked)):
            images += found
        more = max(0, len(images) - count)
        deadline = time.monotonic() + PATIENCE
        in_time = True
        while in_time and more <= MOST_MORE and (page := next(pages, None)):
            more += len(page)
            in_time = time.monotonic() < deadline
        exact = more <= MOST_MORE and in_time
        return FirstPage(images[:count], min(more, MOST_MORE), exact)

    def count(self, words: Sequence[str]) -> int:
        """How many works match. Raises BadQuery."""
        return Search(self.db, self._asked(words)).count()

    def _asked(self, words: Sequence[str], sort: str | None = None) -> Compiled:
        given = [*words, f"sort:{sort}"] if sort else words
        return compile_query(self.db, parse(given, Vocabulary(self.db)))

    def _next(self, pages: Iterator[list[Found]], asked: Compiled) -> list[AcceptedImage]:
        """The works of the next page as they are at one moment; none behind the last page."""
        where, values = all_of(asked.of_work, "w.candidate_id")
        select = (
            f"{IMAGE_SELECT} WHERE w.candidate_id = ? AND w.crawl_id = coalesce(?, w.crawl_id)"
            # One that has changed since it was found is shown as it is now.
            f" ORDER BY ({where}) IS TRUE DESC, w.crawl_id LIMIT 1"
        )
        self.db.execute("BEGIN")
        try:
            rows = [
                self.db.execute(select, (*found, *values)).fetchone() for found in next(pages, ())
            ]
        finally:
            self.db.execute("ROLLBACK")
        return [image_of(row, self.workspace) for row in rows if row is not None]

    def events(self, after: int = 0, limit: int = 500) -> list[Event]:
        """The event log after a seq, oldest first."""
        return stream.read(self.db, after, limit)

    def acked(self, consumer: str) -> int:
        """The last event a consumer has acknowledged."""
        return stream.acked(self.db, consumer)

    def image(self, candidate_id: int, crawl_id: str | None) -> AcceptedImage | None:
        """One work as a crawl sees it (any crawl where none is named)."""
        row = self.db.execute(
            IMAGE_SELECT + " WHERE w.candidate_id = ? AND w.crawl_id = coalesce(?, w.crawl_id)",
            (candidate_id, crawl_id),
        ).fetchone()
        return image_of(row, self.workspace) if row else None

    def show(self, ref: str) -> dict[str, Json]:
        """Everything known of one work: see :func:`storage.show.show`. Raises NotFound."""
        return show(self.db, self.workspace, ref)

    def crawl(self, crawl_id: str) -> Crawl | None:
        """The crawl of this id, or the only one whose id begins so."""
        return crawls.get(self.db, crawl_id)

    def unknown_tags(self, words: Sequence[str]) -> dict[str, list[str]]:
        """Tags asked for that no work has -> the closest there are.

        Of what is negated only those that look like a slip: most works lack most tags.
        """
        vocabulary = Vocabulary(self.db)
        found: dict[str, list[str]] = {}
        for condition in parse(words, vocabulary).conditions:
            if not isinstance(test := condition.test, HasTag):
                continue
            for name in test.names:
                if tag_ids(self.db, HasTag((name,), test.category)):
                    continue
                close = vocabulary.close_tags(name)
                if close or not condition.negated:
                    found[f"{test.category}:{name}" if test.category else name] = close
        return found
