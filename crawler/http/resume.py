"""The file of one request while it arrives: what a broken transfer left is gone on from, or gone.

Only where that is safe: the server promised which version it was sending, the file is large, and
the reply that goes on names the same version, the same length and the very next byte.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import aiofiles.threadpool
import httpx

from crawler.errors import NoSpace
from crawler.http import replies
from crawler.http.content_range import parse_content_range
from crawler.http.exchange import out_of_descriptors
from crawler.http.retry import Trouble

_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ = 1 << 20


class Hashes:
    """sha256 and md5 of the same bytes."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes | bytearray) -> None:
        self.sha256.update(data)
        self.md5.update(data)


class Part:
    """One file over all tries of its request. As a context it removes the file on any error.

    ``resume_from`` is the least length in bytes of a file that is gone on from.
    """

    def __init__(self, path: Path, resume_from: int) -> None:
        self.path = path
        self._resume_from = resume_from
        self._made = False
        self._url: httpx.URL | None = None
        self._total = 0
        self._validator = ("", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.discard()

    @property
    def total(self) -> int:
        """Bytes of the whole file that is gone on with."""
        return self._total

    @property
    def size(self) -> int:
        """Bytes on disk that may be gone on from; 0 where there are none."""
        if not self._made or self._url is None:
            return 0
        size = self.path.stat().st_size
        return size if size < self._total else 0

    def range_of(self, url: httpx.URL) -> Mapping[str, str]:
        """The headers that ask for the rest, of that URL alone whose file this is."""
        if url != self._url or not (size := self.size):
            return {}
        return {"Range": f"bytes={size}-", "If-Range": self._validator[1]}

    def begin(self, url: httpx.URL, headers: httpx.Headers, *, claimed: bool) -> None:
        """A whole file comes: start anew. ``claimed`` tells that the source says its md5."""
        self.discard()
        length = replies.length_of(headers) or 0
        tag, changed = replies.strong_etag(headers), headers.get("last-modified", "").strip()
        if length < self._resume_from:
            return
        if tag is not None:
            self._url, self._total, self._validator = url, length, ("etag", tag)
        # A date has the grain of a second: good enough only where the md5 has the last word.
        elif claimed and changed.isascii() and changed.isprintable() and changed:
            self._url, self._total, self._validator = url, length, ("last-modified", changed)

    def go_on(self, status: int, headers: httpx.Headers) -> int:
        """The bytes we have, where this reply to ``range_of`` holds exactly the rest of them.

        Anything else discards them and raises FetchError ``truncated``: the next try starts anew.
        """
        have = self.size
        field, value = self._validator
        if (
            have
            and status == 206
            and parse_content_range(headers.get("content-range"))
            == (have, self._total - 1, self._total)
            and replies.length_of(headers) in (None, self._total - have)
            and headers.get(field, "").strip() == value
            and not replies.is_html(headers)
        ):
            return have
        self.discard()
        raise Trouble("truncated", "the server does not go on where it stopped", transient=True)

    async def hashes(self) -> Hashes:
        """Of the bytes on disk. Read again rather than remembered: a write may have been cut."""
        hashes = Hashes()
        if self._made:
            await asyncio.to_thread(_hash, self.path, hashes)
        return hashes

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        """The file, new or open at its end, whose ``write`` runs in threads; closed at the end.

        Raises FileExistsError where somebody else's file is in its place, NoSpace, and FetchError
        ``out_of_descriptors``.
        """
        # Opened and closed here rather than in threads: what is cancelled in between would leave a
        # file open, or one that nobody knows of.
        with disk_errors(self.path), _open(self.path, "ab" if self._made else "xb") as file:
            self._made = True
            yield aiofiles.threadpool.wrap(file)

    def discard(self) -> None:
        """Forget what arrived, and leave no file."""
        if self._made:
            self.path.unlink(missing_ok=True)
        self._made = False
        self._url = None


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """A full disk and missing descriptors in our own words."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL_DISK:
            raise NoSpace(f"no space left while writing to {path.parent}") from error
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise out_of_descriptors() from error
        raise


def _open(path: Path, mode: str) -> BinaryIO:
    # Buffered on purpose: its lock makes closing wait for a write whose task was cancelled.
    return cast(BinaryIO, open(path, mode))


def _hash(path: Path, hashes: Hashes) -> None:
    with disk_errors(path), open(path, "rb") as file:
        while data := file.read(_READ):
            hashes.update(data)
