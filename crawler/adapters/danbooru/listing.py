"""Walking /posts.json from the newest post to the oldest, by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crawler.adapters.base import ApiStatus, Http
from crawler.adapters.danbooru.answers import meaning, rows
from crawler.adapters.danbooru.post import ONLY, post_id
from crawler.errors import BadAnswer
from storage.records import Json

PAGE = 200
"""The most posts the site lists at once; more is cut to this without a word."""
WINDOW = 1_000_000
"""Ids looked at per request where a whole search takes the site's database too long."""
WINDOW_PAGE = 100
SPARE = 20
"""Posts more than asked for that a page may have: a site in error is not to cost us more."""
TOP = 2_147_483_647
"""Above every id (they are 32-bit integers): the first page is asked like every other, because a
page without a keyset is ordered by date where the search has a ``date:`` or ``age:``."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a walk stands: the cursor.

    ``below`` is the exclusive upper bound of what is still to be listed (None: nothing is);
    ``head`` the newest id of this walk or an earlier one; ``floor`` that of the walk before.
    """

    below: int | None = TOP
    head: int = 0
    floor: int = 0

    @classmethod
    def of(cls, cursor: Json | None) -> Position:
        """From a cursor. A finished walk starts again, above what it has seen."""
        if cursor is None:
            return cls()
        if cursor["below"] is None:
            return cls(head=cursor["head"], floor=cursor["head"])
        return cls(cursor["below"], cursor["head"], cursor["floor"])

    @property
    def cursor(self) -> Json:
        return {"below": self.below, "head": self.head, "floor": self.floor}


class Listing:
    """The pages of one search."""

    def __init__(self, base_url: str, tags: str, http: Http) -> None:
        self._url = f"{base_url}/posts.json"
        self._tags = tags
        self._http = http
        self._windowed = False

    async def next(self, at: Position) -> tuple[Sequence[Json], Position]:
        """The rows after a position and the position after them.

        Raises ApiStatus for a refusal (410, 422) and BadAnswer for rows that make no sense or a
        search the site cannot finish even in small parts.
        """
        if at.below is None:
            raise ValueError("the walk is over")
        if not self._windowed:
            try:
                found = await self._ask(at, at.below, at.floor, PAGE)
                return found, self._after(at, found, at.below, ended=len(found) < PAGE)
            except ApiStatus as error:
                if error.status != 500:
                    raise
                # The database gave up on this search and would again: ask for a part of it.
                self._windowed = True
        return await self._window(at, at.below)

    async def _window(self, at: Position, below: int) -> tuple[Sequence[Json], Position]:
        try:
            top = await self._newest() + 1 if below == TOP else below
            low = max(at.floor, top - 1 - WINDOW, 0)
            found = await self._ask(at, top, low, WINDOW_PAGE)
        except ApiStatus as error:
            raise (meaning(error) if error.status == 500 else error) from error
        if len(found) >= WINDOW_PAGE:
            return found, self._after(at, found, top, ended=False)
        after = self._after(at, found, top, ended=low == at.floor)
        return found, after if after.below is None else replace(after, below=low + 1)

    async def _ask(self, at: Position, below: int, above: int, limit: int) -> Sequence[Json]:
        params = {
            "tags": f"{self._tags} id:>{above}" if above else self._tags,
            "page": f"b{below}",
            "limit": str(limit),
            "only": ONLY,
        }
        found = await self._rows(params, limit)
        nothing_new = at.floor > 0 and at.below == TOP
        if not found and not nothing_new:
            # The site has been seen to list nothing once where there is more.
            found = await self._rows(params, limit)
        return found

    async def _rows(self, params: Mapping[str, str], limit: int) -> Sequence[Json]:
        found = rows(await self._http.get_json(self._url, params), "posts.json")
        if len(found) > limit + SPARE:
            raise BadAnswer(f"posts.json lists {len(found)} posts: {limit} were asked for")
        return found

    async def _newest(self) -> int:
        """The newest id of all, from which windows are counted."""
        params = {"page": f"b{TOP}", "limit": "1", "only": "id"}
        found = await self._rows(params, 1)
        return (post_id(found[0]) or 0) if found else 0

    def _after(self, at: Position, found: Sequence[Json], below: int, *, ended: bool) -> Position:
        ids = [number for row in found if (number := post_id(row)) is not None]
        if ids and min(ids) >= below:
            raise BadAnswer(f"posts.json does not page by id: asked below {below}, got {min(ids)}")
        if not ids and not ended and found:
            raise BadAnswer("posts.json lists posts without ids")
        head = max(at.head, *ids) if ids else at.head
        if ended:
            return Position(None, head, head)
        return Position(min(ids, default=below), head, at.floor)
