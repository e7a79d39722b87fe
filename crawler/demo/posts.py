"""What the demo site holds: posts, their files, tags, and the world made of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Final

from crawler.demo.faults import Fault

SITE_TIME: Final = timezone(timedelta(hours=-4))
"""The clock the site tells its times by."""

CATEGORIES: Final[Mapping[str, int]] = {
    "general": 0,
    "artist": 1,
    "copyright": 3,
    "character": 4,
    "meta": 5,
}
"""The site's number of each tag category."""


@dataclass(frozen=True, slots=True)
class Media:
    """One file of a post. Sides are pixels as a viewer sees them, ``duration`` seconds or None."""

    md5: str
    ext: str
    size: int
    width: int
    height: int
    pixel_hash: str
    read: Callable[[], bytes] = field(repr=False, compare=False)
    duration: float | None = None

    @property
    def path(self) -> str:
        """Where the image host serves it, below ``/original/``."""
        return f"{self.md5[:2]}/{self.md5[2:4]}/{self.md5}.{self.ext}"


def size_tags(media: Media) -> tuple[str, ...]:
    """The tags the site gives by itself for the size of a file."""
    tags = []
    if max(media.width, media.height) >= 10_000:
        tags.append("incredibly_absurdres")
    if media.width >= 3200 or media.height >= 2400:
        tags.append("absurdres")
    if media.width >= 1600 or media.height >= 1200:
        tags.append("highres")
    if media.width <= 500 and media.height <= 500:
        tags.append("lowres")
    return tuple(tags)


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags of a post by category, whole names."""

    general: tuple[str, ...] = ()
    artist: tuple[str, ...] = ()
    copyright: tuple[str, ...] = ()
    character: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[str]:
        for category in CATEGORIES:
            yield from getattr(self, category)

    def __contains__(self, name: object) -> bool:
        return (
            name in self.general
            or name in self.meta
            or name in self.character
            or name in self.copyright
            or name in self.artist
        )

    def __len__(self) -> int:
        return sum(len(getattr(self, category)) for category in CATEGORIES)


@dataclass(frozen=True, slots=True)
class Post:
    """One post. ``kind`` says what it is there for: see :data:`crawler.demo.kinds.KINDS`.

    ``hidden`` posts are listed without their file. ``replacement`` is the file a replaced post has
    by now: listings still tell the old one, the post's own page the new. ``copies`` names the set
    of posts that show the same picture.
    """

    id: int
    kind: str
    media: Media
    tags: Tags
    created_at: datetime
    rating: str = "g"
    source: str = ""
    score: int = 0
    down_score: int = 0
    fav_count: int = 0
    uploader_id: int = 1
    pixiv_id: int | None = None
    parent_id: int | None = None
    has_children: bool = False
    is_deleted: bool = False
    is_banned: bool = False
    is_pending: bool = False
    is_flagged: bool = False
    hidden: bool = False
    replacement: Media | None = None
    copies: str | None = None


@dataclass(frozen=True, slots=True)
class TagRow:
    """One tag as ``/tags.json`` tells it."""

    id: int
    name: str
    category: int
    post_count: int
    is_deprecated: bool = False


@dataclass(frozen=True)
class World:
    """Everything a demo site serves. ``posts`` are in ascending order of id."""

    posts: Sequence[Post]
    aliases: Mapping[str, str] = field(default_factory=dict)
    """alias -> the tag it stands for."""
    implications: tuple[tuple[str, str], ...] = ()
    """(tag, the tag it brings along)."""
    empty_tags: Mapping[str, str] = field(default_factory=dict)
    """Tags that no post has: name -> category."""
    deprecated: frozenset[str] = frozenset()
    faults: tuple[Fault, ...] = ()
    """What is wrong with this world's own files (dead, damaged on the way, …)."""
    made_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @cached_property
    def ids(self) -> list[int]:
        return [post.id for post in self.posts]

    @cached_property
    def files(self) -> Mapping[str, Media]:
        """md5 -> the file the image host has. Replaced files are gone."""
        media = (post.replacement or post.media for post in self.posts)
        return {one.md5: one for one in media}

    @cached_property
    def post_of_file(self) -> Mapping[str, int]:
        """md5 -> id of its post, replaced files included."""
        found = {post.media.md5: post.id for post in self.posts}
        found.update((p.replacement.md5, p.id) for p in self.posts if p.replacement is not None)
        return found

    @cached_property
    def by_tag(self) -> Mapping[str, Sequence[int]]:
        """tag -> positions in ``posts``, ascending."""
        index: dict[str, list[int]] = {}
        for position, post in enumerate(self.posts):
            for name in post.tags:
                index.setdefault(name, []).append(position)
        return index

    @cached_property
    def tags(self) -> Mapping[str, TagRow]:
        """Every tag, by name."""
        categories: dict[str, str] = dict(self.empty_tags)
        counts: Counter[str] = Counter()
        for post in self.posts:
            for category in CATEGORIES:
                for name in getattr(post.tags, category):
                    categories.setdefault(name, category)
                    counts[name] += 1
        return {
            name: TagRow(number, name, CATEGORIES[category], counts[name], name in self.deprecated)
            for number, (name, category) in enumerate(sorted(categories.items()), start=1)
        }

    @cached_property
    def children(self) -> Mapping[int, tuple[int, ...]]:
        """id of a parent -> ids of its children."""
        found: dict[int, tuple[int, ...]] = {}
        for post in self.posts:
            if post.parent_id is not None:
                found[post.parent_id] = (*found.get(post.parent_id, ()), post.id)
        return found

    def get(self, post_id: int) -> Post | None:
        """The post of that id."""
        position = bisect_left(self.ids, post_id)
        if position < len(self.posts) and self.posts[position].id == post_id:
            return self.posts[position]
        return None

    def of_kind(self, *kinds: str) -> list[Post]:
        """The posts of these kinds, in ascending order of id."""
        return [post for post in self.posts if post.kind in kinds]

    def walk(
        self,
        positions: Sequence[int] | None = None,
        *,
        below: int | None = None,
        above: int | None = None,
        ascending: bool = False,
    ) -> Iterator[Post]:
        """Posts by id, newest first unless ``ascending``, with ``above < id < below``."""
        chosen = range(len(self.posts)) if positions is None else positions

        def id_at(position: int) -> int:
            return self.posts[position].id

        first = 0 if above is None else bisect_right(chosen, above, key=id_at)
        last = len(chosen) if below is None else bisect_left(chosen, below, key=id_at)
        span: Iterable[int] = range(first, last) if ascending else range(last - 1, first - 1, -1)
        for index in span:
            yield self.posts[chosen[index]]
