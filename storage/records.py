"""The words of the catalog: plain immutable values that cross the borders between packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
RungKind: TypeAlias = Literal["url", "file"]
State: TypeAlias = Literal[
    "pending", "waiting", "accepted", "rejected", "duplicate", "failed", "unavailable"
]
"""What became of a work in a crawl. Every work is in exactly one."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One place to get the bytes of a work, with what the source claims of them.

    ``location`` is a URL, or for ``kind="file"`` the absolute path of a local or spooled file.
    Sizes are pixels and bytes; ``md5`` is lower-case hex; ``None`` is "not said".
    """

    location: str
    kind: RungKind = "url"
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    md5: str | None = None
    format: str | None = None
    """``jpg png webp avif gif`` or another extension, lower case."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One work at a source, unique by (site, origin, site_id), shared by all crawls that meet it.

    The ladder runs from the largest rung down. ``origin`` is the instance's base URL (or folder)
    and ``site`` its short name. ``unavailable`` says why the source gives no file (``hidden``,
    ``deleted``, ``no_file``); such a work is recorded and never fetched.
    """

    site: str
    origin: str
    site_id: str
    ladder: tuple[Rung, ...] = ()
    page_url: str | None = None
    source_url: str | None = None
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    caption: str | None = None
    """A sentence the source gives (alt text, LAION's TEXT); not tags."""
    rating: str | None = None
    """``g s q e`` (general, sensitive, questionable, explicit)."""
    licence: str | None = None
    posted_at: str | None = None
    parent: str | None = None
    """The site_id of the parent work."""
    pixel_hash: str | None = None
    """Equal values mean identical pixels (a site's own hash of the decoded picture)."""
    animated: bool | None = None
    unavailable: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    """What else the site says, kept as it is."""

    def from_rung(self, number: int) -> Candidate:
        """The work with the rungs above ``number`` taken away: what is claimed of that file."""
        return replace(self, ladder=self.ladder[number:]) if number else self

    @property
    def width(self) -> int | None:
        return self.ladder[0].width if self.ladder else None

    @property
    def height(self) -> int | None:
        return self.ladder[0].height if self.ladder else None

    @property
    def bytes(self) -> int | None:
        return self.ladder[0].bytes if self.ladder else None

    @property
    def md5(self) -> str | None:
        return self.ladder[0].md5 if self.ladder else None

    @property
    def format(self) -> str | None:
        return self.ladder[0].format if self.ladder else None


@dataclass(frozen=True, slots=True)
class Image:
    """A file that was decoded once: what it is, and everything measured of it.

    ``width`` and ``height`` are as stored in the file, before EXIF orientation is applied.
    """

    sha256: str
    md5: str
    format: str
    width: int
    height: int
    bytes: int
    measures: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of a work, as the catalog stores it: a state and why."""

    state: State
    reason: str | None = None
    measured: Json = None
    threshold: Json = None
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One place in a crawl's order: a candidate that this crawl has met.

    ``image`` is the hash of the picture the candidate is known to be, where it was fetched before.
    """

    candidate_id: int
    position: int
    partition: int
    candidate: Candidate
    image: str | None = None
    rung: int = 0
    """The rung that picture came from."""


@dataclass(frozen=True, slots=True)
class CrawlSpec:
    """What makes a crawl the one it is: the same values are the same crawl."""

    source: str
    site: str
    origin: str
    query: str
    options: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Crawl:
    """A crawl as the catalog holds it."""

    id: str
    generation: int
    spec: CrawlSpec
    resolved: str
    predicate: Mapping[str, Json]
    policy: Mapping[str, Json]
    want: int | None
    state: Literal["running", "finished", "stopped", "failed"]
    note: str | None = None
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far one partition of a crawl has been listed."""

    partition: int
    name: str
    listing: Mapping[str, Json]
    cursor: Json
    exhausted: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of reasons."""

    state: State
    reason: str | None
    count: int
    example: str | None
    """``site:id`` of one such work."""


@dataclass(frozen=True, slots=True)
class CrawlStatus:
    """A crawl as ``status`` shows it."""

    crawl: Crawl
    running: bool
    accepted: int
    seen: int
    pending: int
    rows: tuple[Row, ...]
    awaited: int = 0
    """Works that people accepted or want tried again, for which another run is needed."""


@dataclass(frozen=True, slots=True)
class AcceptedImage:
    """A work as stages, exports and sheets see it: the file and all that is known of its origin.

    ``path`` is the stored original (None where the bytes were dropped). ``state`` and ``reason``
    are those of the crawl it was asked through: sheets show rejected works too.
    """

    candidate_id: int
    site: str
    site_id: str
    sha256: str | None
    path: Path | None
    format: str | None
    width: int | None
    height: int | None
    bytes: int | None
    state: State
    reason: str | None = None
    measured: Json = None
    threshold: Json = None
    page_url: str | None = None
    source_url: str | None = None
    file_url: str | None = None
    """The rung the bytes came from."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    caption: str | None = None
    rating: str | None = None
    licence: str | None = None
    posted_at: str | None = None
    crawl_id: str | None = None
    measures: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    score: float | None = None
    """What the people of its site think of it, where the site counts that."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the event log: what happened to a live image, in commit order.

    ``accepted`` and ``retracted`` alternate for one picture of one crawl (``crawl_id`` None: of
    every crawl that had it). Their payload says ``live``: whether any crawl accepts the picture
    now. A consumer that keeps one copy for all crawls lets go of it at ``live: false`` only.
    ``retracted`` gives its ``reason``; the events of a picture that was purged say nothing more.
    """

    seq: int
    kind: Literal["accepted", "superseded", "retracted", "retagged", "crawl_finished"]
    sha256: str | None
    candidate_id: int | None
    crawl_id: str | None
    payload: Mapping[str, Json]
    at: str
    """ISO 8601, UTC."""
    site: str | None = None
    site_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did: counts of pictures, and the folder a person wants to see next."""

    written: int
    unchanged: int
    removed: int
    skipped: Mapping[str, int]
    """Reason -> count of pictures that the layout cannot hold."""
    folder: Path
    files: tuple[tuple[str, Path], ...] = ()
    """(sha256 of the picture, file that shows it or tells of it) of all that the export holds."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """What a person should know, as the end of a sentence that begins with its count -> count."""
