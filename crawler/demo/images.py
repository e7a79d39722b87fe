"""The image host of the demo site: originals with ranges and validators, samples, previews."""

from __future__ import annotations

import io
import re
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from PIL import Image, ImageOps

from crawler.demo.answers import SAMPLE_WIDTH, Answer
from crawler.demo.api import Asked
from crawler.demo.posts import Media, World

TYPES: Final = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "zip": "application/zip",
}
_FILE: Final = re.compile(
    r"/(original|sample|full|180x180|360x360|720x720)/(..)/(..)/(?:sample-)?([0-9a-f]{32})\.(\w+)"
)
_OLD: Final = re.compile(r"/(data|preview)/(.*)")
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_WRITTEN: Final = {"jpg": "JPEG", "webp": "WEBP"}


class Images:
    """Answers the requests for files of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._modified = format_datetime(world.made_at, usegmt=True)

    def answer(self, asked: Asked) -> Answer:
        """The answer to a request: 200, 206, 304, 308, 404, 405 or 416."""
        if asked.method not in ("GET", "HEAD"):
            return _text(405, "Method Not Allowed")
        if old := _OLD.fullmatch(asked.path):
            place = old[2] if old[1] == "data" else f"180x180/{old[2]}"
            return Answer(308, b"", "text/html", {"Location": f"/{place}"})
        found = _FILE.fullmatch(asked.path)
        media = self.world.files.get(found[4]) if found else None
        if found is None or media is None or (found[2], found[3]) != (found[4][:2], found[4][2:4]):
            return _text(404, "404 Not Found")
        kind, ext = found[1], found[5]
        if kind == "original":
            return self._file(asked, media) if ext == media.ext else _text(404, "404 Not Found")
        return self._variant(asked, media, kind, ext)

    def _variant(self, asked: Asked, media: Media, kind: str, ext: str) -> Answer:
        if media.ext == "zip" and kind == "sample":
            return Answer(200, b"\x1a\x45\xdf\xa3" + media.read()[:5000], TYPES["webm"])
        if ext not in _WRITTEN or media.ext in ("zip", "mp4", "webm"):
            return _text(404, "404 Not Found")
        with Image.open(io.BytesIO(media.read())) as original:
            small = ImageOps.exif_transpose(original).convert("RGB")
        if kind == "sample":
            scale = SAMPLE_WIDTH / media.width
            small = small.resize((SAMPLE_WIDTH, max(1, round(media.height * scale))))
        elif kind != "full":
            side = int(kind.partition("x")[0])
            small.thumbnail((side, side))
        out = io.BytesIO()
        small.save(out, _WRITTEN[ext], quality=85)
        return Answer(
            200, out.getvalue(), TYPES[ext], {"Cache-Control": "public, max-age=31536000"}
        )

    def _file(self, asked: Asked, media: Media) -> Answer:
        return in_range(asked, media.read(), TYPES[media.ext], f'"{media.md5}"', self._modified)


def in_range(asked: Asked, data: bytes, kind: str, etag: str, modified: str) -> Answer:
    """A file, or the part of it that is asked for: 200, 206, 304 or 416.

    ``kind`` is its media type, ``modified`` an HTTP date.
    """
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": modified,
        "Cache-Control": "public, max-age=31536000",
    }
    if asked.headers.get("if-none-match") in (etag, "*"):
        return Answer(304, b"", kind, headers)
    wanted = _RANGE.fullmatch(asked.headers.get("range", ""))
    if wanted is None or not any(wanted.groups()) or not _unchanged(asked, etag, modified):
        return Answer(200, data, kind, headers)
    size = len(data)
    if wanted[1]:
        start, end = int(wanted[1]), min(int(wanted[2] or size), size - 1)
    else:
        start, end = max(0, size - int(wanted[2])), size - 1
    if start > end:
        return Answer(416, b"", "text/plain", headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, data[start : end + 1], kind, headers)


def _unchanged(asked: Asked, etag: str, modified: str) -> bool:
    """Whether the version named by If-Range is the one we have."""
    condition = asked.headers.get("if-range")
    if condition is None or condition == etag:
        return True
    if condition.startswith(('"', "W/")):
        return False
    try:
        return parsedate_to_datetime(condition) == parsedate_to_datetime(modified)
    except ValueError:
        return False


def _text(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), "text/plain")
