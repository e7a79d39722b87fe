"""Decoding and measuring: bytes from the network become a picture we have looked at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from crawler.decoding.calculation import OneThread
from crawler.decoding.look import Look, look
from crawler.decoding.room import Room
from crawler.decoding.sandbox import give_back_memory
from crawler.decoding.supervisor import Decoder
from crawler.errors import FetchError
from filters.picture import Examined, Limits, PictureError, examine
from filters.policy import FAILED, Judge, Policy
from storage.platform import fsync_file
from storage.records import Image
from storage.suspects import Suspects

T = TypeVar("T")

LARGE_PIXELS = 12_000_000
"""Pictures above this are not decoded in this process, nor more than this at once: its memory
stays bounded."""
LARGE_BYTES = 16_000_000
"""Files above this are not even read here."""
MANY_SCANS = 16
"""Encoders write up to about ten passes; each more is another decode."""
THIN = 200
"""Pixels for each byte above which a picture of more than :data:`SMALL_PIXELS` is odd."""
SMALL_PIXELS = 4_000_000
MUCH_METADATA = 1 << 20
"""Bytes of EXIF and the like that no camera writes."""
MANY_BLOCKS = 100
"""Parts of a file beside its pixels and texts."""
LONG_SIDE = 100_000
"""Rows of one pixel cost a decoder several times what they hold."""
CLOSE_SECONDS = 0.5
"""How long what is being looked at may go on when nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """To be decoded in the other process; ``pixels`` as far as they are known."""

    pixels: int | None = None


class Inspector:
    """Looks at files: plain ones in worker threads (Pillow releases the interpreter while it
    decodes), all others one at a time in a process that may die of them.

    ``suspects`` are the files that may have killed an earlier run; ``policy`` is what is measured
    for, without which it is what is measured whatever is asked.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        max_pixels: int,
        workers: int | None = None,
        suspects: Suspects | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Raises PolicyError where what the policy names is not what it was."""
        self._judge = judge if policy is None else judge.configured(policy)
        self._suspects = suspects
        self._limits = Limits(max_pixels=max_pixels)
        self._small = replace(self._limits, max_pixels=min(max_pixels, LARGE_PIXELS))
        self._decoder = Decoder(judge, self._limits, policy)
        self._room = Room(LARGE_PIXELS)
        self._running: set[Future[Any]] = set()
        self._one_thread = OneThread()
        self._pool = ThreadPoolExecutor(
            max_workers=workers or min(4, os.cpu_count() or 1), thread_name_prefix="decode"
        )
        # The one thread that speaks to the other process: plain pictures need not wait for it.
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode-beside")

    async def inspect(self, path: Path, *, sha256: str, md5: str, size: int) -> Image:
        """Sync the file, decode it whole and measure it.

        Raises FetchError with the decoder's reason: bytes that are no whole picture are no picture.
        Further reasons are those of :meth:`Decoder.look`.
        """
        self._one_thread.begin()
        try:
            found = await self._run(self._pool, self._here, path, sha256, size)
            if isinstance(found, _Beside):
                found = await self._run(self._beside, self._there, path, sha256, found.pixels)
        except PictureError as error:
            raise FetchError(error.reason, str(error)) from error
        return Image(
            sha256=sha256,
            md5=md5,
            format=found.format,
            width=found.width,
            height=found.height,
            bytes=size,
            measures=found.measures,
        )

    def close(self) -> None:
        """End what is under way in the other process; the threads get a moment to end theirs.

        No thread can be made to end: a filter that hangs is left behind, and whoever ends the
        process must not wait for it.
        """
        self._decoder.close()
        for pool in (self._pool, self._beside):
            pool.shutdown(wait=False, cancel_futures=True)
        wait(self._running, CLOSE_SECONDS)
        self._one_thread.end()

    async def _run(self, pool: ThreadPoolExecutor, look: Callable[..., T], *given: Any) -> T:
        running = pool.submit(look, *given)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(running)

    def _here(self, path: Path, sha256: str, size: int) -> Look | _Beside:
        fsync_file(path)
        if size > LARGE_BYTES or (self._suspects is not None and sha256 in self._suspects):
            return _Beside()
        examined = examine(path, self._limits)
        if _is_odd(examined):
            return _Beside(examined.structure.pixels)
        pixels = examined.structure.pixels
        try:
            with self._room.take(pixels) as here:
                return self._look(examined, path, sha256) if here else _Beside(pixels)
        except PictureError as error:
            # Its header and its decoder disagree, or others took the memory: not here, then.
            if error.reason not in ("too_many_pixels", "out_of_memory"):
                raise
            return _Beside()

    def _look(self, examined: Examined, path: Path, sha256: str) -> Look:
        marked = self._suspects.decoding(path, sha256) if self._suspects else nullcontext()
        with marked:
            try:
                return look(examined, self._judge, self._small)
            finally:
                if examined.structure.pixels > SMALL_PIXELS:
                    give_back_memory()

    def _there(self, path: Path, sha256: str, pixels: int | None) -> Look:
        try:
            with self._room.beside():
                found = self._decoder.look(path, pixels)
        except PictureError:
            self._cleared(sha256)
            raise
        except FetchError as error:
            # What crashed its decoder stays suspect: the same bytes may come again.
            if error.reason == FAILED:
                self._cleared(sha256)
            raise
        self._cleared(sha256)
        return found

    def _cleared(self, sha256: str) -> None:
        if self._suspects is not None:
            self._suspects.clear(sha256)


def _is_odd(examined: Examined) -> bool:
    """Whether a picture may take more memory or time than its neighbours can spare."""
    found = examined.structure
    return (
        # What an AVIF's boxes say of its size does not bind its decoder; nor do a zip's.
        examined.format in ("avif", "zip")
        or found.pixels > LARGE_PIXELS
        or (found.frames or 1) > 1
        or found.scans > MANY_SCANS
        or (found.pixels > SMALL_PIXELS and found.pixels_per_byte > THIN)
        or found.metadata > MUCH_METADATA
        or found.blocks > MANY_BLOCKS
        or max(found.width or 0, found.height or 0) > LONG_SIDE
    )
