"""Works as a source describes them, and small pictures made on the spot."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from filters.animated import Animated
from filters.content import Content
from filters.integrity import Integrity
from filters.policy import Judge
from filters.quality import Quality
from filters.resolution import Resolution
from filters.signatures import Signatures
from filters.site_tags import SiteTags

FILTERS = (Content, SiteTags, Resolution, Animated, Integrity, Quality, Signatures)


@dataclass(frozen=True)
class Work:
    """Claims: what a source says, nothing by default."""

    site: str = "site"
    site_id: str = "1"
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    caption: str | None = None
    rating: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    md5: str | None = None
    format: str | None = None
    animated: bool | None = None


def tagged(*tags: str, rating: str | None = None, category: str = "general") -> Work:
    return Work(tags={category: tags}, rating=rating)


def judge() -> Judge:
    return Judge(filter() for filter in FILTERS)


def drawing(width: int = 160, height: int = 120, seed: int = 1) -> Image.Image:
    """Hard-edged shapes on a flat ground, with colour: nothing in it is symmetric."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 200, np.uint8)
    for _ in range(40):
        top, left = random.integers(height), random.integers(width)
        rows, columns = random.integers(4, 24, 2)
        pixels[top : top + rows, left : left + columns] = random.integers(0, 256, 3)
    return Image.fromarray(pixels)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()
