"""Posts in the shape of recorded ones, and a site that lists them by id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.crawler.adapters.loopback import Answer


def a_post(number: int, **changes: Any) -> dict[str, Any]:
    """A post that lacks nothing. A change to ``...`` leaves the key out."""
    md5 = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    row: dict[str, Any] = {
        "id": number,
        "created_at": "2026-05-01T12:00:00.000-04:00",
        "updated_at": "2026-05-02T12:00:00.000-04:00",
        "score": 12,
        "source": "https://www.pixiv.net/artworks/118000001",
        "md5": md5,
        "rating": "g",
        "image_width": 1200,
        "image_height": 1600,
        "fav_count": 30,
        "file_ext": "jpg",
        "file_size": 500_000,
        "parent_id": None,
        "has_children": False,
        "pixiv_id": 118000001,
        "is_pending": False,
        "is_flagged": False,
        "is_deleted": False,
        "is_banned": False,
        "tag_string_general": "1girl red_bow solo",
        "tag_string_character": "hakurei_reimu",
        "tag_string_copyright": "touhou",
        "tag_string_artist": "someone",
        "tag_string_meta": "highres",
        "file_url": f"https://cdn.example.org/original/{md5[:2]}/{md5[2:4]}/{md5}.jpg",
        "media_asset": {"id": number + 5, "duration": None, "pixel_hash": md5[::-1]},
    }
    row.update(changes)
    return {key: value for key, value in row.items() if value is not ...}


@dataclass
class Posts:
    """Lists posts as the site does: by id, newest first, at most 200, cut without a word.

    ``empty`` numbers the listing requests (from 1) that answer an empty page for no reason.
    ``slow`` is the width in ids above which a search runs into the database's time limit.
    """

    ids: list[int] = field(default_factory=list)
    empty: frozenset[int] = frozenset()
    slow: int | None = None
    most: int = 200
    asked: int = 0

    def respond(self, path: str, params: dict[str, str]) -> Answer:
        assert path == "/posts.json"
        self.asked += 1
        tags = params.get("tags", "")
        below = int(params["page"].removeprefix("b"))
        above = int(found[1]) if (found := re.search(r"id:>(\d+)", tags)) else 0
        if self.slow is not None and tags and min(below, max(self.ids) + 1) - above > self.slow:
            return 500, {
                "success": False,
                "error": "ActiveRecord::QueryCanceled",
                "message": "slow",
            }
        if self.asked in self.empty:
            return 200, []
        limit = min(int(params["limit"]), self.most)
        return 200, [a_post(n) for n in self._between(above, below)[:limit]]

    def _between(self, above: int, below: int) -> list[int]:
        return sorted((n for n in self.ids if above < n < below), reverse=True)

    @classmethod
    def numbered(cls, ids: Iterable[int], **how: Any) -> Posts:
        return cls(list(ids), **how)
