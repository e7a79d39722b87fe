"""Walking the partitions of a crawl, one page at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from crawler.adapters.base import Adapter, Http, Page, Partition
from storage.records import Walk


class Lister:
    """The walks that are left, in order; each goes on from its cursor."""

    def __init__(self, adapter: Adapter, http: Http, walks: Sequence[Walk]) -> None:
        self._adapter = adapter
        self._http = http
        self._walks = deque(walks)
        self._pages: AsyncIterator[Page] | None = None

    @property
    def ended(self) -> bool:
        """Every partition has been listed to its end."""
        return not self._walks

    async def next(self) -> tuple[int, Page | None]:
        """The partition in hand and its next page; None at its end, and the next one follows.

        Raises what the adapter raises.
        """
        walk = self._walks[0]
        if self._pages is None:
            partition = Partition(walk.name, walk.listing)
            self._pages = self._adapter.discover(partition, walk.cursor, self._http)
        page = await anext(self._pages, None)
        if page is None:
            self._pages = None
            self._walks.popleft()
        return walk.partition, page

    async def close(self) -> None:
        """Leave the walk in hand."""
        if isinstance(self._pages, AsyncGenerator):
            await self._pages.aclose()
        self._pages = None
