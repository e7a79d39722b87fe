"""Walking the partitions of a crawl, one page at a time; a bad page costs only its partition."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from crawler.adapters.base import Adapter, Http, Page, Partition
from crawler.errors import BadAnswer, TrawlError
from crawler.streak import Streak
from storage.records import Candidate, Json, Walk

log = logging.getLogger(__name__)

BAD_ENTRY = "bad_entry"
"""The reason of works whose entry in the source's listing cannot be recorded."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A partition that could not be listed on in this run; its cursor stays where it is."""

    partition: str
    reason: str

    def __str__(self) -> str:
        return f"the part {self.partition!r} could not be listed to its end: {self.reason}"


class Lister:
    """The walks that are left, in order; each goes on from its cursor.

    ``waits`` are the seconds before each further try of a page that could not be had; when they are
    used up its partition is set aside, and the next one follows.
    """

    def __init__(
        self, adapter: Adapter, http: Http, walks: Sequence[Walk], waits: Sequence[float] = ()
    ) -> None:
        self._adapter = adapter
        self._http = http
        self._walks = deque(walks)
        self._waits = waits
        self._pages: AsyncIterator[Page] | None = None
        self._cursor: Json = None
        """Of the walk in hand: behind the last page that was committed."""
        self._tried = 0
        self._streak = Streak("pages")
        self._logged: set[str] = set()
        self.aside: list[Aside] = []
        """The partitions that were given up for this run."""

    @property
    def ended(self) -> bool:
        """Nothing is left to list in this run."""
        return not self._walks

    async def next(self) -> tuple[int, Page | None]:
        """The partition in hand and its next page; None at its end.

        Call :meth:`committed` when it is safe. Raises what the adapter raises: see :meth:`failed`.
        """
        walk = self._walks[0]
        if self._pages is None:
            if not self._tried:
                self._cursor = walk.cursor
            partition = Partition(walk.name, walk.listing)
            self._pages = self._adapter.discover(partition, self._cursor, self._http)
        page = await anext(self._pages, None)
        return walk.partition, None if page is None else _works_only(page)

    def committed(self, page: Page | None) -> None:
        """What :meth:`next` gave is in the catalog: go on behind it."""
        self._tried = 0
        self._streak.after(None)
        if page is not None:
            self._cursor = page.cursor
            return
        self._pages = None
        self._walks.popleft()

    async def failed(self, error: Exception) -> None:
        """A page could not be had: wait, so that :meth:`next` walks from the last cursor again.

        Where that was tried often enough the partition is set aside. Raises what stops the source:
        the error itself where asking again would not help, BadAnswer after too many of one kind.
        """
        if isinstance(error, TrawlError) and not isinstance(error, BadAnswer):
            raise error
        await self.close()
        if stop := self._streak.after(type(error).__name__):
            raise stop from error
        name = self._walks[0].name
        reason = str(error) if isinstance(error, BadAnswer) else repr(error)
        if not isinstance(error, BadAnswer) and reason not in self._logged:
            self._logged.add(reason)
            log.error("listing %s failed", name, exc_info=error)
        if self._tried < len(self._waits):
            self._tried += 1
            await asyncio.sleep(self._waits[self._tried - 1])
            return
        self.aside.append(Aside(name, reason))
        self._tried = 0
        self._walks.popleft()

    async def close(self) -> None:
        """Leave the walk in hand. An adapter that breaks at that has done its work before."""
        pages, self._pages = self._pages, None
        if isinstance(pages, AsyncGenerator):
            try:
                await pages.aclose()
            except Exception as error:
                log.error("leaving the listing failed", exc_info=error)


def _works_only(page: Page) -> Page:
    """The page without what is no work at all, which is counted."""
    works = [entry for entry in page.candidates if isinstance(entry, Candidate)]
    if len(works) == len(page.candidates):
        return page
    dropped = Counter(page.dropped)
    dropped[BAD_ENTRY] += len(page.candidates) - len(works)
    return Page(works, page.cursor, dropped)
