"""Streaming one reply's body to a file, trusting nothing that is said of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from crawler.http import replies
from crawler.http.exchange import Reply
from crawler.http.resume import Part
from crawler.http.retry import MISMATCH_TRIES, Trouble
from storage.records import Rung

WRITE_AT = 1 << 20
"""Bytes gathered before a write: every write costs a hop to a thread."""


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
    reply: Reply, rung: Rung, part: Part, limits: Limits, received: Callable[[int], None]
) -> Fetched:
    """Write the body of a 200 reply, or of the 206 that ``part`` asked for, to the part's file.

    Bytes are reported to ``received`` as they arrive. What a broken transfer leaves is kept for the
    next try where that can go on with it; any other failure leaves no file. Raises FetchError
    (``noai noindex bad_encoding too_big size_mismatch not_an_image challenge truncated timeout
    md5_mismatch``) and NoSpace.
    """
    headers, status = reply.response.headers, reply.response.status_code
    _check_headers(headers)
    if status == 200:
        length = _check_length(headers, rung, limits)
        chunks = _paced(reply, 0, limits, received)
        # The first bytes are looked at before there is a file.
        start, size = await _start_of_picture(chunks, headers), 0
        part.begin(reply.url, headers, claimed=rung.md5 is not None)
    else:
        start, size, length = b"", part.go_on(status, headers), part.total
        chunks = _paced(reply, size, limits, received)
    try:
        hashes = await part.hashes()
        async with part.writing() as file:
            async for block in _blocks(start, chunks):
                size += len(block)
                hashes.update(block)
                await file.write(block)
        _check_body(size, length, hashes.md5.hexdigest(), rung)
    except BaseException:
        # A whole file that is wrong, and one that cannot be gone on with, have no such bytes.
        if not part.size:
            part.discard()
        raise
    return Fetched(
        path=part.path,
        bytes=size,
        sha256=hashes.sha256.hexdigest(),
        md5=hashes.md5.hexdigest(),
        content_type=replies.media_type(headers),
        final_url=str(reply.url),
        status=status,
    )


def _check_headers(headers: httpx.Headers) -> None:
    if replies.is_challenge(200, headers):
        raise Trouble("challenge", "a challenge, as a header of the picture says", status=200)
    if reason := replies.keeps_out(headers):
        raise Trouble(reason, "the owner keeps this out of sets like ours (X-Robots-Tag)")
    if replies.is_encoded(headers):
        raise Trouble("bad_encoding", "sent compressed although asked for as it is")


def _check_length(headers: httpx.Headers, rung: Rung, limits: Limits) -> int | None:
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


def _no_picture(headers: httpx.Headers, body: bytes) -> Trouble:
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
    reply: Reply, size: int, limits: Limits, received: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The body's chunks after ``size`` bytes; gives up on what only drips or has no end."""
    began, arrived = time.monotonic(), 0
    async for chunk in reply.response.aiter_raw():
        received(len(chunk))
        size += len(chunk)
        if size > limits.max_bytes:
            raise _too_big(size, limits)
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


async def _start_of_picture(chunks: AsyncIterator[bytes], headers: httpx.Headers) -> bytes:
    """The first bytes. Raises FetchError ``not_an_image`` or ``challenge`` where they are text."""
    start = await _first(chunks, b"", 512)
    if replies.is_text(headers, start):
        raise _no_picture(headers, await _first(chunks, start, 65_536))
    return start


async def _first(chunks: AsyncIterator[bytes], start: bytes, enough: int) -> bytes:
    async for chunk in chunks:
        start += chunk
        if len(start) >= enough:
            break
    return start


async def _blocks(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes | bytearray]:
    """Chunks gathered for writing; where the transfer breaks, what had come is given first."""
    gathered, trouble = bytearray(start), None
    try:
        async for chunk in chunks:
            gathered += chunk
            if len(gathered) >= WRITE_AT:
                full, gathered = gathered, bytearray()
                yield full
    except (httpx.TransportError, Trouble) as error:
        trouble = error
    if gathered:
        yield gathered
    if trouble is not None:
        raise trouble
