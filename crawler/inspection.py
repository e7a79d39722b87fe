"""Decoding and measuring: bytes from the network become a picture we have looked at."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from crawler.errors import FetchError
from filters.picture import Limits, Picture, PictureError
from filters.policy import Judge
from storage.platform import fsync_file
from storage.records import Image

LARGE_PIXELS = 12_000_000
"""Pictures above this are decoded one at a time, so that memory stays bounded."""


class Inspector:
    """Looks at files in worker threads (Pillow releases the interpreter while it decodes)."""

    def __init__(self, judge: Judge, *, max_pixels: int, workers: int | None = None) -> None:
        self._judge = judge
        self._limits = Limits(max_pixels=max_pixels)
        self._small = replace(self._limits, max_pixels=min(max_pixels, LARGE_PIXELS))
        self._pool = ThreadPoolExecutor(
            max_workers=workers or min(4, os.cpu_count() or 1), thread_name_prefix="decode"
        )
        # A thread of their own rather than a lock: small pictures need not wait for large ones.
        self._alone = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode-large")

    async def inspect(self, path: Path, *, sha256: str, md5: str, size: int) -> Image:
        """Sync the file, decode it whole and measure it.

        Raises FetchError with the decoder's reason: bytes that are no whole picture are no picture.
        """
        loop = asyncio.get_running_loop()
        try:
            try:
                return await loop.run_in_executor(
                    self._pool, self._sync_and_look, path, sha256, md5, size
                )
            except PictureError as error:
                # Told from its header, before any pixel was decoded.
                if error.reason != "too_many_pixels" or self._small == self._limits:
                    raise
            return await loop.run_in_executor(
                self._alone, self._look, path, sha256, md5, size, self._limits
            )
        except PictureError as error:
            raise FetchError(error.reason, str(error)) from error

    def close(self) -> None:
        for pool in (self._pool, self._alone):
            pool.shutdown(wait=True, cancel_futures=True)

    def _sync_and_look(self, path: Path, sha256: str, md5: str, size: int) -> Image:
        fsync_file(path)
        return self._look(path, sha256, md5, size, self._small)

    def _look(self, path: Path, sha256: str, md5: str, size: int, limits: Limits) -> Image:
        with Picture.open(path, limits) as picture:
            return Image(
                sha256=sha256,
                md5=md5,
                format=picture.format,
                width=picture.width,
                height=picture.height,
                bytes=size,
                measures=self._judge.measure(picture),
            )
