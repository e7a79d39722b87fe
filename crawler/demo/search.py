"""Finding the posts of a search in a world."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeAlias

from crawler.demo.posts import Post, World
from crawler.demo.query import (
    All,
    Any_,
    Maybe,
    Metatag,
    Node,
    Not,
    Query,
    QuerySyntaxError,
    Tag,
    Wildcard,
    parse,
)
from crawler.demo.values import Kind, ValueSyntaxError, matcher

Predicate: TypeAlias = Callable[[Post], bool]

MOST_WILDCARD_TAGS: Final = 100
STATUSES: Final = ("pending", "flagged", "deleted", "banned", "active", "modqueue", "all", "any")
FILE_TYPES: Final = ("jpg", "png", "gif", "webp", "avif", "mp4", "webm", "swf", "zip")

ATTRIBUTES: Final[Mapping[str, tuple[Kind, Callable[[Post], Any]]]] = {
    "id": ("integer", lambda p: p.id),
    "md5": ("md5", lambda p: p.media.md5),
    "pixelhash": ("md5", lambda p: p.media.pixel_hash),
    "width": ("integer", lambda p: p.media.width),
    "height": ("integer", lambda p: p.media.height),
    "mpixels": ("float", lambda p: p.media.width * p.media.height / 1e6),
    "ratio": ("ratio", lambda p: round(p.media.width / p.media.height, 2)),
    "score": ("integer", lambda p: p.score),
    "upvotes": ("integer", lambda p: p.score - p.down_score),
    "downvotes": ("integer", lambda p: abs(p.down_score)),
    "favcount": ("integer", lambda p: p.fav_count),
    "filesize": ("filesize", lambda p: p.media.size),
    "filetype": ("word", lambda p: p.media.ext),
    "date": ("date", lambda p: p.created_at),
    "age": ("age", lambda p: p.created_at),
    "pixiv": ("integer", lambda p: p.pixiv_id),
    "pixiv_id": ("integer", lambda p: p.pixiv_id),
    "tagcount": ("integer", lambda p: len(p.tags)),
    "duration": ("duration", lambda p: p.media.duration),
    "gentags": ("integer", lambda p: len(p.tags.general)),
    "arttags": ("integer", lambda p: len(p.tags.artist)),
    "copytags": ("integer", lambda p: len(p.tags.copyright)),
    "chartags": ("integer", lambda p: len(p.tags.character)),
    "metatags": ("integer", lambda p: len(p.tags.meta)),
}

ORDERS: Final[Mapping[str, Callable[[Post], Any]]] = {
    "id": lambda p: p.id,
    "id_desc": lambda p: -p.id,
    "score": lambda p: (-p.score, -p.id),
    "score_asc": lambda p: (p.score, p.id),
    "upvotes": lambda p: (p.down_score - p.score, -p.id),
    "favcount": lambda p: (-p.fav_count, -p.id),
    "favcount_asc": lambda p: (p.fav_count, p.id),
    "created_at": lambda p: (-p.created_at.timestamp(), -p.id),
    "created_at_asc": lambda p: (p.created_at.timestamp(), p.id),
    "mpixels": lambda p: (-p.media.width * p.media.height, -p.id),
    "mpixels_asc": lambda p: (p.media.width * p.media.height, p.id),
    "filesize": lambda p: (-p.media.size, -p.id),
    "filesize_asc": lambda p: (p.media.size, p.id),
    "portrait": lambda p: (p.media.width / p.media.height, -p.id),
    "landscape": lambda p: (-p.media.width / p.media.height, -p.id),
    "tagcount": lambda p: (-len(p.tags), -p.id),
    "tagcount_asc": lambda p: (len(p.tags), p.id),
    "md5": lambda p: [-ord(digit) for digit in p.media.md5],
    "md5_asc": lambda p: p.media.md5,
}
SAME_ORDER: Final = {"id_asc": "id"} | {
    f"{name}_desc": name for name in ORDERS if not name.endswith(("_asc", "_desc"))
}


@dataclass(frozen=True)
class Search:
    """One search in one world: what it finds, in the order it asks for."""

    world: World
    query: Query | None
    """None for a search that cannot be read: it finds nothing."""
    now: datetime

    @classmethod
    def of(cls, text: str, world: World, now: datetime | None = None) -> Search:
        """Read a search; one that cannot be read finds nothing."""
        now = now or datetime.now(UTC)
        try:
            return cls(world, parse(text), now)
        except QuerySyntaxError:
            return cls(world, None, now)

    def posts(
        self, *, below: int | None = None, above: int | None = None, ascending: bool = False
    ) -> Iterator[Post]:
        """Posts by id within the bounds, newest first unless ``ascending``."""
        if self.query is None:
            return
        wanted = self._predicate(self.query.root)
        walk = self.world.walk(self._positions(), below=below, above=above, ascending=ascending)
        yield from (post for post in walk if wanted(post))

    def ordered(self) -> Iterator[Post]:
        """All posts in the order the search asks for (default: newest first)."""
        if self.query is None:
            return
        if (count := self.query.metatag("random")) is not None:
            found = list(self.posts())
            random.Random(count).shuffle(found)
            digits = re.match(r"\d+", count)
            yield from islice(found, min(200, int(digits[0])) if digits else 0)
            return
        order = (self.query.metatag("order") or "").lower()
        order = SAME_ORDER.get(order, order)
        dated = self.query.metatag("date") or self.query.metatag("age")
        if dated and order in ("", "id", "id_desc"):
            order = "created_at_asc" if order == "id" else "created_at"
        if order == "custom":
            yield from self._as_listed()
        elif order == "random":
            found = list(self.posts())
            random.Random(self.now.isoformat()).shuffle(found)
            yield from found
        elif order in ORDERS:
            yield from sorted(self.posts(), key=ORDERS[order])
        else:
            yield from self.posts()

    def _as_listed(self) -> Iterator[Post]:
        listed = re.findall(r"\d+", (self.query and self.query.metatag("id")) or "")
        found = {str(post.id): post for post in self.posts()}
        yield from (found[number] for number in listed if number in found)

    def _positions(self) -> Sequence[int] | None:
        """The shortest index that holds every post of the search; None: all of them."""
        assert self.query is not None
        root = self.query.root
        terms = root.terms if isinstance(root, All) else (root,)
        lists = [
            self.world.by_tag.get(self._real(term.name), ())
            for term in terms
            if isinstance(term, Tag)
        ]
        return min(lists, key=len, default=None)

    def _real(self, name: str) -> str:
        return self.world.aliases.get(name, name)

    def _predicate(self, node: Node) -> Predicate:
        match node:
            case Tag(name):
                real = self._real(name)
                return lambda post: real in post.tags
            case Wildcard(pattern):
                names = matching_tags(pattern, self.world)[:MOST_WILDCARD_TAGS]
                return lambda post: any(name in post.tags for name in names)
            case Not(term):
                unwanted = self._predicate(term)
                return lambda post: not unwanted(post)
            case Maybe(term):
                return self._predicate(term)
            case All(terms):
                every = [self._predicate(term) for term in terms]
                return lambda post: all(one(post) for one in every)
            case Any_(terms):
                some = [self._predicate(term) for term in terms]
                return lambda post: any(one(post) for one in some)
            case Metatag(name, value, quoted):
                return self._metatag(name, value, quoted)

    def _metatag(self, name: str, value: str, quoted: bool) -> Predicate:
        if name in ATTRIBUTES:
            kind, attribute = ATTRIBUTES[name]
            try:
                matches = matcher(value, kind, self.now)
            except ValueSyntaxError:
                return _nothing
            return lambda post: matches(attribute(post))
        match name:
            case "order" | "limit" | "random":
                return lambda post: True
            case "rating":
                letters = {word[:1].lower() for word in value.split(",")}
                return lambda post: post.rating in letters
            case "status":
                return _status(value.lower())
            case "parent":
                return self._parent(value.lower())
            case "child":
                wanted = {"any": True, "none": False}.get(value.lower())
                return lambda post: post.has_children is wanted
            case "is":
                return _is(value.lower())
            case "has":
                return _has(value.lower())
            case "unaliased":
                return lambda post: value.lower() in post.tags
            case "source":
                return _source(value, quoted)
        # Users, pools, comments and the like: this site has none.
        return _nothing

    def _parent(self, value: str) -> Predicate:
        if value == "none":
            return lambda post: post.parent_id is None
        if value == "any":
            return lambda post: post.parent_id is not None
        if re.fullmatch(r"\d{1,18}", value, re.ASCII):
            parent = int(value)
            return lambda post: parent in (post.id, post.parent_id)
        return _nothing


def matching_tags(pattern: str, world: World) -> list[str]:
    """Names of used tags that fit a pattern with ``*``, the most used first."""
    wanted = like(pattern)
    found = [row for row in world.tags.values() if row.post_count and wanted.fullmatch(row.name)]
    return [row.name for row in sorted(found, key=lambda row: (-row.post_count, row.name))]


def like(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern with ``*``, in linear time for any pattern."""
    parts = [re.escape(part) for part in re.sub(r"\*+", "*", pattern).split("*")]
    # Atomic groups: a star takes as little as it can and is never tried again.
    if len(parts) == 1:
        return re.compile(parts[0], re.IGNORECASE)
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1])
    return re.compile(f"{parts[0]}{middle}.*{parts[-1]}", re.IGNORECASE | re.DOTALL)


def _nothing(post: Post) -> bool:
    return False


def _status(value: str) -> Predicate:
    match value:
        case "pending" | "modqueue":
            return lambda post: post.is_pending
        case "flagged":
            return lambda post: post.is_flagged
        case "deleted":
            return lambda post: post.is_deleted
        case "banned":
            return lambda post: post.is_banned
        case "active":
            return lambda post: not (post.is_pending or post.is_deleted or post.is_flagged)
        case "all" | "any":
            return lambda post: True
    return _nothing


def _is(value: str) -> Predicate:
    if value in STATUSES:
        return _status(value)
    if value in FILE_TYPES:
        return lambda post: post.media.ext == value
    ratings = {"sfw": "gs", "nsfw": "qe"} | {
        name: name[0] for name in ("general", "sensitive", "questionable", "explicit")
    }
    if value in ratings:
        return lambda post: post.rating in ratings[value]
    if value == "parent":
        return lambda post: post.has_children
    if value == "child":
        return lambda post: post.parent_id is not None
    return _nothing


def _has(value: str) -> Predicate:
    if value == "parent":
        return lambda post: post.parent_id is not None
    if value in ("child", "children"):
        return lambda post: post.has_children
    if value == "source":
        return lambda post: bool(post.source)
    return _nothing


def _source(value: str, quoted: bool) -> Predicate:
    if not value or (value.lower() == "none" and not quoted):
        return lambda post: not post.source
    wanted = like(f"{value}*")
    return lambda post: wanted.fullmatch(post.source) is not None
