"""Where fuzzing starts: small sound files and plausible texts for each target, made by code."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from tests.filters.support import drawing, encode
from tests.hostile.archives import archive, frame
from tests.hostile.build import exif, ifd

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")


@cache
def sound(format: str) -> bytes:
    """A small picture."""
    return encode(drawing(24, 20), format)


def _pictures() -> list[bytes]:
    frames = [drawing(16, 12, seed) for seed in (1, 2)]
    moved = [
        encode(frames[0], format, save_all=True, append_images=frames[1:])
        for format in ("GIF", "WEBP", "PNG")
    ]
    odd = [
        encode(drawing(16, 12).convert("P"), "PNG", transparency=0),
        encode(drawing(16, 12).convert("I;16"), "PNG"),
        encode(drawing(16, 12).convert("CMYK"), "JPEG"),
        encode(drawing(16, 12).convert("L"), "JPEG", progressive=True),
        encode(Image.new("RGBA", (9, 7)), "WEBP", lossless=True),
    ]
    return [*map(sound, FORMATS), *moved, *odd]


def _json(*values: object) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


POST = {
    "id": 7,
    "md5": "0" * 32,
    "file_url": "https://cdn.example/7.png",
    "file_ext": "png",
    "file_size": 10,
    "image_width": 1000,
    "image_height": 900,
    "rating": "g",
    "created_at": "2024-01-01T00:00:00.000-05:00",
    "source": "https://a.example/1",
    "parent_id": None,
    "tag_string_general": "1girl solo",
    "tag_string_artist": "someone",
    "media_asset": {"id": 1, "duration": None, "pixel_hash": "1" * 32},
}
HIDDEN = {"id": 8, "rating": "e", "is_deleted": True, "tag_string_general": ""}

SEEDS: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "retry_after": (b"120", b"Wed, 21 Oct 2026 07:28:00 GMT\nWed, 21 Oct 2026 07:27:00 GMT"),
        "content_range": (b"bytes 0-99/100", b"bytes 5-5/6", b"bytes */100"),
        "reply": (
            b"content-type: text/html\nx-robots-tag: noai, noimageai\n\n<html>captcha</html>",
            b"x-robots-tag: trawl: noindex, max-snippet: 5\ncontent-length: 10\n\n{}",
            b"cf-mitigated: challenge\ncontent-type: image/png\ncontent-encoding: gzip\n\n",
        ),
        "url": (
            b"https://example.org:443/a%20b.png?c=d#e",
            b"http://[::ffff:127.0.0.1]/",
            b"http://0x7f.1/",
            "https://bücher.example/ü.png".encode(),
        ),
        "danbooru_post": tuple(_json(POST, HIDDEN)),
        "danbooru_page": tuple(_json([POST, HIDDEN], [], {"error": "x", "message": "y"})),
        "danbooru_search": (b"cirno -(a or ~b) rating:g,s", b'source:"a b" -*_hat >:)'),
        "beside": (
            *_json({"tags": {"artist": ["a"], "general": "b c"}, "rating": "safe"}),
            *_json({"tag_string_artist": "a", "md5": "0" * 32, "file_size": 10, "caption": "A b."}),
            b"1girl, solo, long hair\nA sentence of many words stands here.",
        ),
        "query": (
            b"1girl\n-comic\nwidth>=1200\nrating:g,s\nsort:-pixels\npixels:0.9M..2M",
            b"tag:a*b\nstate:accepted\ncrawl:ab12\nsha256:00ff",
        ),
    }
)


def seeds(target: str) -> list[bytes]:
    """The inputs that a target starts from."""
    if target in ("picture", "containers"):
        return [*_pictures(), archive(frame(0), frame(1))]
    if target == "archive":
        return [archive(frame(0), frame(1)), archive(frame(0), comment=b"of mine")]
    if target == "orientation":
        return [
            exif(ifd((0x0112, 3, 1, 6 << 16)))[:200],
            b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6",
        ]
    return list(SEEDS.get(target, ()))


def write_corpus(target: str, folder: Path) -> None:
    """Write the seeds of a target, and some of them cut short, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    for number, data in enumerate(seeds(target)):
        (folder / f"{number:02}").write_bytes(data)
        (folder / f"{number:02}-cut").write_bytes(data[: chance.randrange(len(data) + 1)])
