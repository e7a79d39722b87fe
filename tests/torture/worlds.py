"""What the torture crawls: worlds large enough to be hurt often, and small enough to be made."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crawler.demo.posts import SITE_TIME, Media, Post, Tags, World
from crawler.demo.world import REIMU, default_world

SMALL_SIDE = 256
ODD_SIDE = 2200
PATCH = 64
"""Side of the patch that makes each small picture different."""


def mixed_world(more: int) -> World:
    """Every kind of post of the demo world, with ``more`` small good ones in between."""
    world = default_world()
    taken = set(world.ids)
    free = (number for number in count(world.ids[0]) if number not in taken)
    small = [replace(post, id=next(free)) for post in small_world(more).posts]
    posts = sorted((*world.posts, *small), key=lambda post: post.id)
    return replace(world, posts=tuple(posts))


def few_of_each(most: int = 1) -> World:
    """The demo world with at most ``most`` posts of each kind, and few large files."""
    world = default_world()
    kept: dict[str, list[Post]] = {}
    for post in world.posts:
        small = post.media.size < 1_000_000
        if REIMU in post.tags and small and len(kept.setdefault(post.kind, [])) < most:
            kept[post.kind].append(post)
    ids = {post.id for posts in kept.values() for post in posts}
    return replace(world, posts=tuple(post for post in world.posts if post.id in ids))


def odd_world(number: int) -> World:
    """``number`` posts with many pixels in few bytes: a decoder is to look at them with care."""
    tags = Tags(("1girl", "solo"), ("aoi_mizu",), ("touhou",), (REIMU,))
    start = datetime(2024, 1, 1, tzinfo=SITE_TIME)
    posts = []
    for position in range(number):
        data = _odd_picture(position)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        media = Media(md5, "png", len(data), ODD_SIDE, ODD_SIDE, md5[::-1], partial(bytes, data))
        when = start + timedelta(minutes=position)
        posts.append(Post(position + 1, "highres_solo", media, tags, when))
    return World(tuple(posts))


def _odd_picture(seed: int) -> bytes:
    cell = 100
    count = ODD_SIDE // cell
    cells = np.random.default_rng(seed).integers(0, 255, (count, count, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(cells.repeat(cell, 0).repeat(cell, 1)).save(out, "PNG", compress_level=6)
    return out.getvalue()


def small_world(number: int) -> World:
    """``number`` good posts whose files are 256 x 256 pixels, 6 KB, and all different.

    A file is made anew whenever it is asked for; only its hash is kept.
    """
    base = _background()
    tags = Tags(("1girl", "solo"), ("aoi_mizu",), ("touhou",), (REIMU,))
    start = datetime(2024, 1, 1, tzinfo=SITE_TIME)
    posts = []
    for position in range(number):
        read = partial(_small_picture, base, position)
        data = read()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        media = Media(md5, "jpg", len(data), SMALL_SIDE, SMALL_SIDE, md5[::-1], read)
        when = start + timedelta(minutes=position)
        posts.append(Post(position + 1, "highres_solo", media, tags, when))
    return World(tuple(posts))


def _background() -> NDArray[np.uint8]:
    corners = np.random.default_rng(1).integers(20, 235, (6, 6, 3)).astype(np.uint8)
    size = (SMALL_SIDE, SMALL_SIDE)
    return np.asarray(Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC))


def _small_picture(base: NDArray[np.uint8], seed: int) -> bytes:
    cells = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    picture = base.copy()
    picture[:PATCH, :PATCH] = cells.repeat(PATCH // 8, 0).repeat(PATCH // 8, 1)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=80)
    return out.getvalue()
