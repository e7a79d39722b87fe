"""Posts, tags and errors as the site writes them in JSON: its keys, in its order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from crawler.demo.pictures import ANIMATED_FRAMES
from crawler.demo.posts import SITE_TIME, Media, Post, TagRow, World

Only: TypeAlias = Mapping[str, "Only | None"]
"""The selection of ``only=``: key -> what is selected inside it (None: all)."""

THUMBNAILS: Final = ((180, "jpg"), (360, "jpg"), (720, "webp"))
SAMPLE_WIDTH: Final = 850
STATIC: Final = ("jpg", "png", "webp", "avif")
SECRET_OF_HIDDEN: Final = ("md5", "file_url", "large_file_url", "preview_file_url")
SECRET_OF_ASSET: Final = ("md5", "file_key", "variants")

_ERRORS: Final = {
    400: "RequestBodyNotAllowedError",
    401: "SessionLoader::AuthenticationFailure",
    403: "User::PrivilegeError",
    404: "ActiveRecord::RecordNotFound",
    405: "ActionController::RoutingError",
    406: "ActionController::UnknownFormat",
    410: "PaginationExtension::PaginationError",
    422: "PostQuery::Error",
    429: "RateLimiter::RateLimitError",
    500: "ActiveRecord::QueryCanceled",
    503: "ActiveRecord::ConnectionNotEstablished",
}
_MESSAGES: Final = {
    404: "That record was not found.",
    429: "You're doing that too fast. Wait a minute and try again.",
    500: "The database timed out running your query.",
    503: "The database is unavailable. Try again later.",
}
_SELECTION: Final = re.compile(r"[\[\],]|[^\[\],]+")
_DEEPEST: Final = 8


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    """Seconds that its Retry-After tells the client to stay away."""


def of_json(value: Any, status: int = 200) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def of_error(status: int, message: str | None = None, error: str | None = None) -> Answer:
    """The site's own error answer."""
    body = {
        "success": False,
        "error": error or _ERRORS.get(status, "StandardError"),
        "message": message if message is not None else _MESSAGES.get(status, ""),
        "backtrace": ["app/controllers/application_controller.rb:1:in `rescue_exception'"],
    }
    return of_json(body, status)


def of_html(status: int, title: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A page as a web server in front of the site writes it."""
    body = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, body.encode(), "text/html", headers or {})


def read_only(text: str) -> Only | None:
    """The selection of an ``only=`` parameter; None for an empty one (everything)."""
    root: dict[str, Any] = {}
    stack = [root]
    last = ""
    for found in _SELECTION.finditer(text):
        piece = found[0].strip()
        if piece == "[" and last and len(stack) < _DEEPEST:
            inside: dict[str, Any] = {}
            stack[-1][last] = inside
            stack.append(inside)
        elif piece == "]" and len(stack) > 1:
            stack.pop()
        elif piece and piece not in "[],":
            last = piece
            stack[-1].setdefault(piece, None)
    return root or None


def select(value: Any, only: Only | None) -> Any:
    """Keep what is selected; the keys stay in the site's order."""
    if not only:
        return value
    if isinstance(value, list):
        return [select(one, only) for one in value]
    if isinstance(value, dict):
        return {key: select(inner, only[key]) for key, inner in value.items() if key in only}
    return value


def moment(when: datetime) -> str:
    """A time as the site writes it: milliseconds and its own offset."""
    return when.astimezone(SITE_TIME).isoformat(timespec="milliseconds")


class PostJson:
    """Writes the posts of a world. ``cdn_url`` is the base URL of the image host."""

    def __init__(self, world: World, cdn_url: str) -> None:
        self.world = world
        self.cdn_url = cdn_url

    def listed(self, post: Post, only: Only | None = None) -> dict[str, Any]:
        """A post as listings tell it: of a replaced file they still know the old one."""
        return self._written(post, post.media, only)

    def single(self, post: Post, only: Only | None = None) -> dict[str, Any]:
        """A post as its own page tells it."""
        return self._written(post, post.replacement or post.media, only)

    def _written(self, post: Post, media: Media, only: Only | None) -> dict[str, Any]:
        whole = self._post(post, media)
        if only:
            whole |= {key: self._included(key, post, media) for key in only if key in _INCLUDES}
        chosen = select(whole, only)
        assert isinstance(chosen, dict)
        return chosen

    def _post(self, post: Post, media: Media) -> dict[str, Any]:
        tags = post.tags
        changed = moment(post.created_at + timedelta(days=2))
        has_large = media.width > SAMPLE_WIDTH or media.ext == "zip"
        family = bool(self.world.children.get(post.id))
        written: dict[str, Any] = {
            "id": post.id,
            "created_at": moment(post.created_at),
            "uploader_id": post.uploader_id,
            "score": post.score,
            "source": post.source,
            "md5": media.md5,
            "last_comment_bumped_at": None,
            "rating": post.rating,
            "image_width": media.width,
            "image_height": media.height,
            "tag_string": " ".join(sorted(tags)),
            "fav_count": post.fav_count,
            "file_ext": media.ext,
            "last_noted_at": None,
            "parent_id": post.parent_id,
            "has_children": post.has_children,
            "approver_id": None,
            "tag_count_general": len(tags.general),
            "tag_count_artist": len(tags.artist),
            "tag_count_character": len(tags.character),
            "tag_count_copyright": len(tags.copyright),
            "file_size": media.size,
            "up_score": post.score - post.down_score,
            "down_score": post.down_score,
            "is_pending": post.is_pending,
            "is_flagged": post.is_flagged,
            "is_deleted": post.is_deleted,
            "tag_count": len(tags),
            "updated_at": changed,
            "is_banned": post.is_banned,
            "pixiv_id": post.pixiv_id,
            "last_commented_at": None,
            "has_active_children": family,
            "bit_flags": 0,
            "tag_count_meta": len(tags.meta),
            "has_large": has_large,
            "has_visible_children": post.has_children,
            "media_asset": self._asset(post, media),
            "tag_string_general": " ".join(tags.general),
            "tag_string_character": " ".join(tags.character),
            "tag_string_copyright": " ".join(tags.copyright),
            "tag_string_artist": " ".join(tags.artist),
            "tag_string_meta": " ".join(tags.meta),
            "file_url": self._url("original", media, media.ext),
            "large_file_url": self._large(media),
            "preview_file_url": self._url("180x180", media, "jpg"),
        }
        if post.hidden:
            for key in SECRET_OF_HIDDEN:
                del written[key]
        return written

    def _asset(self, post: Post, media: Media) -> dict[str, Any]:
        asset: dict[str, Any] = {
            "id": post.id + 500_000,
            "created_at": moment(post.created_at),
            "updated_at": moment(post.created_at),
            "md5": media.md5,
            "file_ext": media.ext,
            "file_size": media.size,
            "image_width": media.width,
            "image_height": media.height,
            "duration": media.duration,
            "status": "active",
            "file_key": f"k{media.md5[:8]}",
            "is_public": not post.hidden,
            "pixel_hash": media.pixel_hash,
            "variants": self._variants(media),
        }
        if post.hidden:
            for key in SECRET_OF_ASSET:
                del asset[key]
        return asset

    def _variants(self, media: Media) -> list[dict[str, Any]]:
        found = []
        for side, ext in THUMBNAILS:
            scale = min(side / media.width, side / media.height, 1.0)
            found.append(self._variant(f"{side}x{side}", media, scale, ext))
        if media.ext == "zip":
            found.append(self._variant("sample", media, 1.0, "webm"))
        elif _has_sample(media):
            found.append(self._variant("sample", media, SAMPLE_WIDTH / media.width, "jpg"))
        if media.ext in ("webp", "avif") and media.duration is None:
            found.append(self._variant("full", media, 1.0, "jpg"))
        found.append(self._variant("original", media, 1.0, media.ext))
        return found

    def _variant(self, kind: str, media: Media, scale: float, ext: str) -> dict[str, Any]:
        return {
            "type": kind,
            "url": self._url(kind, media, ext),
            "width": max(1, round(media.width * scale)),
            "height": max(1, round(media.height * scale)),
            "file_ext": ext,
        }

    def _large(self, media: Media) -> str:
        if media.ext == "zip":
            return self._url("sample", media, "webm")
        if _has_sample(media):
            return self._url("sample", media, "jpg")
        return self._url("original", media, media.ext)

    def _url(self, kind: str, media: Media, ext: str) -> str:
        md5 = media.md5
        prefix = "sample-" if kind == "sample" else ""
        return f"{self.cdn_url}/{kind}/{md5[:2]}/{md5[2:4]}/{prefix}{md5}.{ext}"

    def _included(self, key: str, post: Post, media: Media) -> Any:
        match key:
            case "parent":
                parent = None if post.parent_id is None else self.world.get(post.parent_id)
                return None if parent is None else self._post(parent, parent.media)
            case "children":
                family = [self.world.get(one) for one in self.world.children.get(post.id, ())]
                return [self._post(one, one.media) for one in family if one is not None]
            case "uploader":
                name = f"user_{post.uploader_id}"
                return {"id": post.uploader_id, "name": name, "level": 20}
            case "media_metadata":
                return {
                    "id": post.id,
                    "media_asset_id": post.id + 500_000,
                    "metadata": _metadata(media),
                }
        return _INCLUDES[key]


_INCLUDES: Final[Mapping[str, Any]] = {
    "uploader": None,
    "approver": None,
    "flags": [],
    "appeals": [],
    "events": [],
    "parent": None,
    "children": [],
    "notes": [],
    "comments": [],
    "approvals": [],
    "disapprovals": [],
    "replacements": [],
    "artist_commentary": None,
    "media_metadata": None,
    "ai_tags": [],
    "dtext_links": [],
    "embedding_wiki_pages": [],
}


def _has_sample(media: Media) -> bool:
    return media.ext in STATIC and media.duration is None and media.width > SAMPLE_WIDTH


def _metadata(media: Media) -> dict[str, Any]:
    found: dict[str, Any] = {"File:FileType": media.ext.upper()}
    if media.ext == "zip":
        found["Ugoira:FrameDelays"] = [100] * ANIMATED_FRAMES
        found["Ugoira:FrameMimeType"] = "image/jpeg"
    return found


def tag_json(row: TagRow, made_at: datetime) -> dict[str, Any]:
    """One tag as ``/tags.json`` tells it."""
    return {
        "id": row.id,
        "name": row.name,
        "post_count": row.post_count,
        "category": row.category,
        "created_at": moment(made_at),
        "updated_at": moment(made_at),
        "is_deprecated": row.is_deprecated,
        "words": [word for word in re.split(r"[^\w]+|_", row.name) if word],
    }


def relation_json(number: int, pair: tuple[str, str], made_at: datetime) -> dict[str, Any]:
    """One tag alias or implication."""
    return {
        "id": number,
        "reason": "",
        "creator_id": 1,
        "antecedent_name": pair[0],
        "consequent_name": pair[1],
        "status": "active",
        "forum_topic_id": None,
        "created_at": moment(made_at),
        "updated_at": moment(made_at),
        "approver_id": 1,
        "forum_post_id": None,
    }


def completion_json(row: TagRow, antecedent: str | None, made_at: datetime) -> dict[str, Any]:
    """One line of ``/autocomplete.json``."""
    return {
        "type": "tag-alias" if antecedent else "tag",
        "label": row.name.replace("_", " "),
        "value": row.name,
        "category": row.category,
        "post_count": row.post_count,
        "antecedent": antecedent,
        "tag": tag_json(row, made_at),
    }


def listing(rows: Sequence[dict[str, Any]], only: Only | None) -> Answer:
    """A list, with what ``only=`` selects of each row."""
    return of_json(select(list(rows), only))
