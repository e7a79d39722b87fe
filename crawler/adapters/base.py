"""What an adapter is: the contract between one site and the engine.

The engine has never heard of any site. An adapter turns a site's ways into the common words:
partitions walked one after the other (best first), pages of candidates with a cursor, ladders of
rungs, ``unavailable`` reasons, and errors of ``crawler.errors``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from crawler.site import Site
from storage.records import Candidate, Json


@dataclass(frozen=True, slots=True)
class Predicate:
    """What the policy asks of claims, in words a site may be able to filter by on its side.

    Sides and pixels are lower bounds; ``formats`` empty means any; ``ratings`` are those wanted.
    An adapter pushes down what its site can do and ignores the rest: the filters judge anyway.
    """

    min_width: int = 0
    min_height: int = 0
    min_pixels: int = 0
    formats: tuple[str, ...] = ()
    ratings: tuple[str, ...] = ("g", "s")


@dataclass(frozen=True, slots=True)
class Partition:
    """One consecutive part of a crawl: a tier of quality, a shard, a file. Walked in order."""

    name: str
    listing: Mapping[str, Json]
    """What the adapter needs to list it; JSON, stored with the crawl."""


@dataclass(frozen=True, slots=True)
class Page:
    """Candidates in the source's order, and the cursor that goes on after them.

    Both are committed in one transaction. ``cursor`` is the adapter's own JSON. ``dropped`` counts
    rows that the predicate dropped on our side (reason -> count): they are counted, not stored.
    """

    candidates: Sequence[Candidate]
    cursor: Json
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the source says a partition holds. ``None``: it does not say."""

    count: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One assumption of an adapter, held against the real site: ``trawl doctor``."""

    name: str
    ok: bool
    detail: str = ""
    """What was seen, for a person."""


class Http(Protocol):
    """What an adapter may do on the network: see ``crawler/http/session.py``."""

    async def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Json:
        """One polite API request to the adapter's own origin, retried where that can help.

        Returns the decoded JSON. Raises ApiStatus for a status the adapter must interpret
        (404, 410, 422, 500 after retries), AuthenticationFailed, AccessDenied, ChallengePage,
        RateLimited and BadAnswer.
        """
        ...


class ApiStatus(Exception):
    """An API answer with a status that only the adapter can interpret.

    ``body`` is the decoded JSON of the answer, or None where it was not JSON.
    """

    def __init__(self, status: int, body: Json, url: str) -> None:
        super().__init__(f"HTTP {status} from {url}")
        self.status = status
        self.body = body
        self.url = url


class Adapter(Protocol):
    """One source. Made once per crawl with its site settings and listing options."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for ``trawl sources``."""
    default_site: ClassVar[Site]
    """Base URL, rate and connections where the settings say nothing."""
    Options: ClassVar[type[Any]]
    """A frozen dataclass of listing options; fields by :func:`filters.base.option` become flags."""
    default_want: ClassVar[int | None]
    """How many pictures a crawl is for where nobody says: None takes all there is."""
    source_rank: ClassVar[int]
    """Lower is nearer to the original; decides between equal copies."""

    def __init__(self, site: Site, options: Any) -> None: ...

    def canonical(self, words: Sequence[str]) -> str:
        """The query in its one spelling, from which the crawl's id is made. No network.

        Raises UsageError for a query that cannot be.
        """
        ...

    async def resolve(self, query: str, http: Http) -> str:
        """Ask the site what the query means (aliases). Once, when the crawl is first made.

        Raises UnknownTag with the close names where the site knows no such thing.
        """
        ...

    def partitions(self, query: str, predicate: Predicate) -> Sequence[Partition]:
        """The consecutive parts of the crawl, best first. No network."""
        ...

    def discover(
        self, partition: Partition, cursor: Json | None, http: Http
    ) -> AsyncIterator[Page]:
        """Walk a partition from ``cursor`` (None: the start) until it ends.

        Called again with the last cursor after the end, it yields only what is new since.
        """
        ...

    async def refresh(self, candidate: Candidate, http: Http) -> Candidate:
        """Read one work again (replaced file, expired link)."""
        ...

    async def estimate(self, partition: Partition, http: Http) -> Estimate:
        """What the source says the partition holds, for ``--dry-run``."""
        ...


@runtime_checkable
class Examinable(Protocol):
    """An adapter that can check its own assumptions. Optional: ask with ``isinstance``."""

    def doctor(self, http: Http) -> AsyncIterator[Check]:
        """A handful of polite requests (at most eight), one check each.

        A check that fails is a :class:`Check`; only what stops the source altogether is raised.
        """
        ...
