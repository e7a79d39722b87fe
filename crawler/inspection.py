"""Decoding and measuring: bytes from the network become a picture we have looked at."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
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
        self._large = threading.Lock()
        self._pool = ThreadPoolExecutor(
            max_workers=workers or min(4, os.cpu_count() or 1), thread_name_prefix="decode"
        )

    async def inspect(self, path: Path, *, sha256: str, md5: str, size: int) -> Image:
        """Sync the file, decode it whole and measure it.

        Raises FetchError with the decoder's reason: bytes that are no whole picture are no picture.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._inspect, path, sha256, md5, size)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _inspect(self, path: Path, sha256: str, md5: str, size: int) -> Image:
        fsync_file(path)
        try:
            with Picture.open(path, self._limits) as picture:
                if picture.width * picture.height > LARGE_PIXELS:
                    with self._large:
                        measures = self._judge.measure(picture)
                else:
                    measures = self._judge.measure(picture)
                return Image(
                    sha256=sha256,
                    md5=md5,
                    format=picture.format,
                    width=picture.width,
                    height=picture.height,
                    bytes=size,
                    measures=measures,
                )
        except PictureError as error:
            raise FetchError(error.reason, str(error)) from error
