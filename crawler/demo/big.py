"""A large world for benchmarks: any number of different pictures at the price of a copy.

Each file is a JPEG put together from a stock of strips that were compressed once. Strips end at
restart markers, where a decoder starts afresh, so any order of them is a valid picture.
"""

from __future__ import annotations

import hashlib
import io
import random
from datetime import datetime, timedelta
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from crawler.demo.posts import SITE_TIME, Media, Post, Tags, World

WIDTH, STRIPS, STRIP_HEIGHT = 800, 75, 16
HEIGHT = STRIPS * STRIP_HEIGHT
STOCK = 60
"""Different strips to choose from."""
MARKS = 20
"""Short lines drawn on each."""
_FROM, _TO = (0, 0, -12, -12), (WIDTH, STRIP_HEIGHT, 13, 13)

_RESTARTS = tuple(bytes((0xFF, 0xD0 + n)) for n in range(8))
_END = b"\xff\xd9"


class StripStock:
    """The compressed strips and what stands before and after them in a file."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = []
        for _ in range(STOCK):
            corners = rng.integers(20, 235, (2, 6, 3)).astype(np.uint8)
            smooth = Image.fromarray(corners).resize(
                (WIDTH, STRIP_HEIGHT), Image.Resampling.BICUBIC
            )
            pen = ImageDraw.Draw(smooth)
            # Without anything sharp it would be what its corners were enlarged to, and so called.
            for _ in range(MARKS):
                x, y, across, down = (int(n) for n in rng.integers(_FROM, _TO))
                pen.line((x, y, x + across, y + down), tuple(map(int, rng.integers(0, 256, 3))))
            noise = rng.integers(-4, 5, (STRIP_HEIGHT, WIDTH, 1))
            rows.append((np.asarray(smooth) + noise).clip(0, 255).astype(np.uint8))
        whole = Image.fromarray(np.concatenate([rows[n % STOCK] for n in range(STRIPS)]))
        out = io.BytesIO()
        whole.save(out, "JPEG", quality=70, subsampling=2, restart_marker_rows=1)
        self._head, scan = _split_at_scan(out.getvalue())
        self._strips = _split_at_restarts(scan)[:STOCK]

    def picture(self, seed: str) -> bytes:
        """The file of that seed."""
        rng = random.Random(seed)
        chosen = rng.choices(self._strips, k=STRIPS)
        parts = [self._head]
        for n, strip in enumerate(chosen):
            parts.append(strip)
            parts.append(_RESTARTS[n % 8] if n + 1 < STRIPS else _END)
        return b"".join(parts)


def _split_at_scan(data: bytes) -> tuple[bytes, bytes]:
    start = data.index(b"\xff\xda")
    start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    return data[:start], data[start : -len(_END)]


def _split_at_restarts(scan: bytes) -> list[bytes]:
    strips, start = [], 0
    for n in range(STRIPS - 1):
        end = scan.index(_RESTARTS[n % 8], start)
        strips.append(scan[start:end])
        start = end + 2
    return [*strips, scan[start:]]


def big_world(n: int, seed: int = 1) -> World:
    """``n`` good posts of hakurei_reimu, each with its own picture of 800 x 1200 pixels, 110 KB.

    A picture is put together anew whenever it is asked for; only its hash is kept.
    """
    stock = StripStock(seed)
    tags = [
        Tags(
            ("1girl", "solo", word), (f"artist_{a}",), ("touhou",), ("hakurei_reimu",), ("highres",)
        )
        for a in range(20)
        for word in ("smile", "hat", "night")
    ]
    start = datetime(2024, 1, 1, tzinfo=SITE_TIME)
    posts = []
    for number in range(n):
        read = partial(stock.picture, f"{seed}:{number}")
        data = read()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        # Different files have different strips, so any value that differs with the file is right.
        media = Media(md5, "jpg", len(data), WIDTH, HEIGHT, md5[::-1], read)
        when = start + timedelta(minutes=number)
        posts.append(
            Post(
                number + 1, "highres_solo", media, tags[number % len(tags)], when, score=number % 50
            )
        )
    return World(tuple(posts), {"reimu": "hakurei_reimu"})
