"""Posts of the demo site whose files nobody asks for."""

import hashlib
from datetime import datetime
from typing import Any

from crawler.demo.posts import SITE_TIME, Media, Post, Tags

TAGS = Tags(
    general=("1girl", "solo", "long_hair"),
    artist=("someone",),
    copyright=("touhou",),
    character=("hakurei_reimu",),
    meta=("highres",),
)


def a_demo_post(number: int, **changes: Any) -> Post:
    return Post(
        number,
        "plain",
        a_file(str(number)),
        changes.pop("tags", TAGS),
        datetime(2026, 1, 1, tzinfo=SITE_TIME),
        **changes,
    )


def a_file(name: str) -> Media:
    data = name.encode()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Media(md5, "jpg", len(data), 1200, 1600, md5[::-1], lambda: data)
