"""Getting the bytes of a work: down its ladder, read again once where the file was replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import aiofiles.threadpool

from crawler.errors import FetchError
from filters.policy import FAILED
from storage.platform import out_of_descriptors
from storage.records import Candidate, Image, Ruling, Rung

CHUNK = 1 << 20
"""Local files are copied in pieces of this size: few large writes."""

STALE = frozenset({"http_404", "http_410", "http_403", "md5_mismatch", "size_mismatch"})
"""Failures that a replaced file or an expired link explains: worth one more look at the work."""


OUT_OF_DESCRIPTORS = "out_of_descriptors"

OUTAGE = frozenset(
    {
        *("connect_failed", "timeout", "http_5xx", "http_429", "host_down", "proxy_failed"),
        *(OUT_OF_DESCRIPTORS, "out_of_memory"),
    }
)
"""Failures of a host or of this machine: in a row they stop a run, and none is the work's."""

PASSING = OUTAGE | {FAILED}
"""Failures that say nothing of the work: the next run of its crawl tries it again."""

BY_POLICY = frozenset({"too_many_pixels"})
"""Failures that another policy (``max_pixels``) would not have: tried again when it changes."""

REFUSALS = frozenset(
    {
        *("http_400", "http_401", "http_403", "http_451", "not_an_image", "truncated"),
        *("md5_mismatch", "size_mismatch", "bad_encoding", "too_many_redirects"),
        *("blocked_address", "bad_url"),
    }
)
"""Failures that one host gives for a work; given for all of them they say that it blocks us."""

_NO_FURTHER = frozenset({"challenge", "noai", "noindex"})
"""No smaller rung is asked for: a stop sign, and its owner's word about the picture in any size."""


class Arrived(Protocol):
    """Bytes on disk, with their hashes."""

    @property
    def path(self) -> Path: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def md5(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Spooled:
    """A local file that was copied into the workspace."""

    path: Path
    bytes: int
    sha256: str
    md5: str


@dataclass(frozen=True, slots=True)
class Acquired:
    """The picture a work turned out to be, and the file that holds it."""

    picture: Image
    temp: Path
    rung: int
    candidate: Candidate
    """As it was when the bytes came: a replaced work has been read again."""


class Withdrawn(Exception):
    """Read again, the work is decided by what the source now says of it."""

    def __init__(self, ruling: Ruling) -> None:
        super().__init__(ruling.reason)
        self.ruling = ruling


@dataclass(slots=True)
class Ladder:
    """Walks the rungs of one work; ``tried`` tells every failure on the way."""

    fetch: Callable[[Rung, Path], Awaitable[Arrived]]
    inspect: Callable[[Arrived], Awaitable[Image]]
    refresh: Callable[[Candidate], Awaitable[Candidate]]
    temp: Callable[[], Path]
    tried: list[tuple[int, str]] = field(default_factory=list)

    async def acquire(self, candidate: Candidate) -> Acquired:
        """The first rung whose bytes arrive whole and decode.

        Raises FetchError with the reason of the largest rung when none does, and Withdrawn where
        the source now says something that decides the work without its bytes.
        """
        try:
            return await self._walk(candidate)
        except FetchError as error:
            if error.reason not in STALE:
                raise
            again = await self._read_again(candidate, error)
            if again.ladder == candidate.ladder:
                raise
            return await self._walk(again)

    async def _read_again(self, candidate: Candidate, why: FetchError) -> Candidate:
        try:
            return await self.refresh(candidate)
        except FetchError as error:  # the site will not say: what was wrong before stands
            raise why from error

    async def _walk(self, candidate: Candidate) -> Acquired:
        first: FetchError | None = None
        for number, rung in enumerate(candidate.ladder):
            temp = self.temp()
            try:
                arrived = await self.fetch(rung, temp)
                picture = await self.inspect(arrived)
            except FetchError as error:
                temp.unlink(missing_ok=True)
                self.tried.append((number, error.reason))
                # What may pass must not leave us with a smaller copy for good.
                if error.transient or error.reason in PASSING | _NO_FURTHER:
                    raise
                first = first or error
            except BaseException:
                temp.unlink(missing_ok=True)
                raise
            else:
                return Acquired(picture, temp, number, candidate)
        raise first or FetchError("no_file", "the source gives no file")


async def spool(rung: Rung, into: Path, *, max_bytes: int) -> Spooled:
    """Copy a local file into the workspace, hashing it on the way.

    Raises FetchError where it has gone, changed against its claims or is too big.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0
    with _opened(_source(rung.location)) as source, _opened(_create(into)) as target:
        while chunk := await source.read(CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise FetchError("too_big", f"{rung.location} is over {max_bytes} bytes")
            sha256.update(chunk)
            md5.update(chunk)
            await target.write(chunk)
    if rung.md5 is not None and md5.hexdigest() != rung.md5:
        raise FetchError("md5_mismatch", f"{rung.location} is not the file it is said to be")
    return Spooled(into, size, sha256.hexdigest(), md5.hexdigest())


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    """A file that is read or written in threads.

    Opened and closed here, not in a thread: a cancelled task would leave that to nobody.
    """
    with file:
        yield aiofiles.threadpool.wrap(file)


def _create(path: Path) -> BinaryIO:
    return open(path, "xb")


def _source(location: str) -> BinaryIO:
    try:
        return open(location, "rb")
    except FileNotFoundError as error:
        raise FetchError("gone", f"{location} is no longer there") from error
    except OSError as error:
        if out_of_descriptors(error):
            raise
        raise FetchError("unreadable", f"{location}: {error.strerror}") from error
