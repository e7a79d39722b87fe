"""Streaming one reply's body to a new file, trusting nothing that is said of it."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import aiofiles.threadpool

from crawler.errors import NoSpace
from crawler.http import replies
from crawler.http.exchange import Reply, out_of_descriptors
from crawler.http.retry import MISMATCH_TRIES, Trouble
from storage.records import Rung

WRITE_AT = 1 << 20
"""Bytes gathered before a write: every write costs a hop to a thread."""

_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it was served. ``final_url`` is after redirects."""

    path: Path
    bytes: int
    sha256: str
    md5: str
    content_type: str
    final_url: str
    status: int


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_bytes`` of a body; ``min_rate`` in bytes per second over ``window`` seconds."""

    max_bytes: int
    min_rate: float
    window: float


async def download(
    reply: Reply, rung: Rung, into: Path, limits: Limits, received: Callable[[int], None]
) -> Fetched:
    """Write the body of a 200 reply to ``into``, which must not exist yet.

    Bytes are reported to ``received`` as they arrive. On any failure no file is left behind. Raises
    FetchError (``noai bad_encoding too_big size_mismatch not_an_image challenge truncated timeout
    md5_mismatch``) and NoSpace.
    """
    headers = reply.response.headers
    length = _check_headers(headers, rung, limits)
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    chunks = _paced(reply, limits, received)
    # The first bytes are looked at before there is a file.
    start = await _first(chunks, 512)
    if replies.is_text(headers, start):
        async for chunk in chunks:
            start += chunk
            if len(start) >= 65_536:
                break
        raise _no_picture(headers, start)
    size = len(start)
    async with _new_file(into) as file:
        waiting = bytearray(start)
        sha256.update(start)
        md5.update(start)
        async for chunk in chunks:
            size += len(chunk)
            if size > limits.max_bytes:
                raise _too_big(size, limits)
            sha256.update(chunk)
            md5.update(chunk)
            waiting += chunk
            if len(waiting) >= WRITE_AT:
                full, waiting = waiting, bytearray()
                await file.write(full)
        if waiting:
            await file.write(waiting)
        _check_body(size, length, md5.hexdigest(), rung)
    return Fetched(
        path=into,
        bytes=size,
        sha256=sha256.hexdigest(),
        md5=md5.hexdigest(),
        content_type=replies.media_type(headers),
        final_url=str(reply.url),
        status=reply.response.status_code,
    )


def _check_headers(headers: Any, rung: Rung, limits: Limits) -> int | None:
    if replies.forbids_training(headers):
        raise Trouble("noai", "the owner keeps this out of training sets (X-Robots-Tag)")
    if replies.is_encoded(headers):
        raise Trouble("bad_encoding", "sent compressed although asked for as it is")
    length = replies.length_of(headers)
    if length is not None and length > limits.max_bytes:
        raise _too_big(length, limits)
    if not replies.is_html(headers):
        _check_size(length, rung)
    return length


def _check_body(size: int, length: int | None, md5: str, rung: Rung) -> None:
    if size == 0 or (length is not None and size != length):
        raise Trouble("truncated", f"{size} bytes of {length} arrived", transient=True)
    _check_size(size, rung)
    if rung.md5 is not None and md5 != rung.md5.lower():
        raise Trouble(
            "md5_mismatch",
            f"md5 {md5}, the source says {rung.md5}",
            transient=True,
            tries=MISMATCH_TRIES,
        )


def _check_size(size: int | None, rung: Rung) -> None:
    if size is not None and rung.bytes is not None and size != rung.bytes:
        raise Trouble(
            "size_mismatch",
            f"{size} bytes, the source says {rung.bytes}",
            transient=True,
            tries=MISMATCH_TRIES,
        )


def _too_big(size: int, limits: Limits) -> Trouble:
    return Trouble("too_big", f"{size} bytes or more, the cap is {limits.max_bytes}")


def _no_picture(headers: Any, body: bytes) -> Trouble:
    if replies.is_challenge(200, headers, body):
        return Trouble("challenge", "a challenge page instead of a picture", status=200)
    kind = replies.media_type(headers) or "text"
    return Trouble(
        "not_an_image",
        f"{kind} instead of a picture",
        transient=True,
        status=200,
        tries=MISMATCH_TRIES,
    )


async def _paced(
    reply: Reply, limits: Limits, received: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The body's chunks; gives up on a transfer that only drips."""
    began, arrived = time.monotonic(), 0
    async for chunk in reply.response.aiter_raw():
        received(len(chunk))
        arrived += len(chunk)
        now = time.monotonic()
        if now - began >= limits.window:
            if arrived < limits.min_rate * (now - began):
                raise Trouble(
                    "timeout",
                    f"{arrived} bytes in {now - began:.0f} s are too few",
                    transient=True,
                )
            began, arrived = now, 0
        yield chunk


async def _first(chunks: AsyncIterator[bytes], enough: int) -> bytes:
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= enough:
            break
    return start


@asynccontextmanager
async def _new_file(path: Path) -> AsyncIterator[Any]:
    """A new file for writing, removed again unless the block ends well."""
    with _disk_errors(path):
        # Made here rather than in a thread: a cancelled open would leave a file nobody removes.
        file = aiofiles.threadpool.wrap(_create(path))
    try:
        with _disk_errors(path):
            try:
                yield file
            finally:
                await file.close()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _create(path: Path) -> BinaryIO:
    return open(path, "xb")


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL_DISK:
            raise NoSpace(f"no space left while writing to {path.parent}") from error
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise out_of_descriptors() from error
        raise
