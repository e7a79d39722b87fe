"""From one post of Danbooru's JSON to a candidate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from crawler.adapters.text import storable
from crawler.site import Site
from storage.records import Candidate, Json, Rung

CATEGORIES = ("artist", "copyright", "character", "general", "meta")
ONLY = ",".join(
    (
        "id,created_at,updated_at,md5,rating,image_width,image_height,file_ext,file_size,file_url",
        "source,pixiv_id,parent_id,has_children,score,fav_count,is_pending,is_flagged,is_deleted",
        "is_banned",
        *(f"tag_string_{category}" for category in CATEGORIES),
        "media_asset[id,duration,pixel_hash]",
    )
)
"""The fields we use, in the words of the ``only`` parameter: about a third of a whole answer."""

_KEPT = ("score", "fav_count", "pixiv_id", "has_children", "is_pending", "is_flagged")
_MOST = 2**53
"""Larger numbers are nonsense, and no JSON reader keeps them exactly."""
_VIDEO = frozenset(("mp4", "webm", "swf", "zip"))
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_MD5 = re.compile(r"[0-9a-f]{32}")


class BadPost(ValueError):
    """A post without a usable id: it can be counted, not recorded."""


def post_id(row: Json) -> int | None:
    """The id of a listed row, if it has one."""
    return _count(row.get("id")) if isinstance(row, dict) else None


def to_candidate(row: Json, site: Site) -> Candidate:
    """Read one post. Robust: a post that is nonsense becomes ``unavailable="bad_post"``.

    A post without md5 or file URL is hidden from us by the site (``hidden``; ``deleted`` where it
    is deleted too) and stays so: nothing here ever makes up a URL. Raises BadPost without an id.
    """
    number = post_id(row)
    if number is None:
        raise BadPost("a post without an id")
    tags, readable = _tags(row)
    ladder: tuple[Rung, ...] = ()
    unavailable = _why_no_file(row)
    if unavailable is None:
        rung = _original(row, site.base_url)
        ladder, unavailable = ((rung,), None) if rung else ((), "bad_post")
    if unavailable is None and not readable:
        # Tags that cannot be read cannot be screened either.
        ladder, unavailable = (), "bad_post"
    asset = row.get("media_asset")
    asset = asset if isinstance(asset, dict) else {}
    animated = _animated(row, asset, tags)
    source = _text(row.get("source"))
    parent = _count(row.get("parent_id"))
    return Candidate(
        site=site.name,
        origin=site.base_url,
        site_id=str(number),
        ladder=ladder,
        page_url=f"{site.base_url}/posts/{number}",
        source_url=source if source and _is_web(source) else None,
        tags=tags,
        rating=row["rating"] if row.get("rating") in ("g", "s", "q", "e") else None,
        posted_at=_utc(row.get("created_at")),
        parent=str(parent) if parent is not None else None,
        # The site gives animated files their md5 here: it says nothing about pixels.
        pixel_hash=None if animated or not ladder else _md5(asset.get("pixel_hash")),
        animated=animated,
        unavailable=unavailable,
        metadata=_metadata(row, asset, source),
    )


def _why_no_file(row: Mapping[str, Any]) -> str | None:
    if row.get("md5") is not None and row.get("file_url") is not None:
        return None
    deleted = row.get("is_deleted") is True and row.get("is_banned") is not True
    return "deleted" if deleted else "hidden"


def _original(row: Mapping[str, Any], base_url: str) -> Rung | None:
    """The file as it was uploaded: never the sample, never the re-encoded full size."""
    md5, url = _md5(row["md5"]), _text(row["file_url"])
    if md5 is None or url is None:
        return None
    try:
        location = urljoin(f"{base_url}/", url)
    except ValueError:  # what looks like an IPv6 address and is none
        return None
    if not _is_web(location):
        return None
    return Rung(
        location=location,
        width=_count(row.get("image_width")) or None,
        height=_count(row.get("image_height")) or None,
        bytes=_count(row.get("file_size")) or None,
        md5=md5,
        format=_extension(row),
    )


def _tags(row: Mapping[str, Any]) -> tuple[dict[str, tuple[str, ...]], bool]:
    """Tags by category, and whether they could be read."""
    fields = {category: row.get(f"tag_string_{category}") for category in CATEGORIES}
    readable = isinstance(fields["general"], str) and all(
        value is None or isinstance(value, str) for value in fields.values()
    )
    tags = {
        category: tuple(storable(value).split())
        for category, value in fields.items()
        if isinstance(value, str) and value.strip()
    }
    return tags, readable


def _animated(
    row: Mapping[str, Any], asset: Mapping[str, Any], tags: Mapping[str, tuple[str, ...]]
) -> bool | None:
    extension = _extension(row)
    if (
        extension in _VIDEO
        or asset.get("duration") is not None
        or "animated" in tags.get("meta", ())
    ):
        return True
    if "duration" in asset or extension == "jpg":
        return False
    return None


def _metadata(
    row: Mapping[str, Any], asset: Mapping[str, Any], source: str | None
) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for key in _KEPT:
        value = row.get(key)
        if isinstance(value, bool) or (type(value) is int and abs(value) < _MOST):
            kept[key] = value
    if (updated := _utc(row.get("updated_at"))) is not None:
        kept["updated_at"] = updated
    if (asset_id := _count(asset.get("id"))) is not None:
        kept["media_asset_id"] = asset_id
    if source and not _is_web(source):
        kept["source"] = source
    return kept


def _extension(row: Mapping[str, Any]) -> str | None:
    extension = (_text(row.get("file_ext")) or "").lower()
    if not _EXTENSION.fullmatch(extension):
        return None
    return "jpg" if extension == "jpeg" else extension


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < _MOST else None


def _text(value: Any) -> str | None:
    return storable(value).strip() or None


def _md5(value: Any) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    return text if _MD5.fullmatch(text) else None


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _utc(value: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).isoformat(timespec="seconds") if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None
