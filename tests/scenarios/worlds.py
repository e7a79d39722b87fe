"""Worlds that differ from another one in a few posts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from crawler.demo.posts import Post, Tags, World
from crawler.demo.world import REIMU


def reimu_posts(world: World) -> list[Post]:
    """The posts of the main character as the site lists them: newest first."""
    return [post for post in reversed(world.posts) if REIMU in post.tags]


def without(world: World, ids: Collection[int]) -> World:
    """The same world before these posts were made."""
    return replace(world, posts=tuple(post for post in world.posts if post.id not in ids))


def changed(world: World, post_id: int, change: Callable[[Post], Post]) -> World:
    """The same world after somebody edited a post."""
    posts = [change(post) if post.id == post_id else post for post in world.posts]
    return replace(world, posts=tuple(posts))


def tagged(post: Post, *general: str, rating: str | None = None) -> Post:
    """A post with more tags."""
    tags = post.tags
    more = Tags(
        tuple(sorted({*tags.general, *general})),
        tags.artist,
        tags.copyright,
        tags.character,
        tags.meta,
    )
    return replace(post, tags=more, rating=rating or post.rating)


def file_of(post: Post) -> str:
    """The path of a post's original at the image host: the one it has by now."""
    return f"/original/{(post.replacement or post.media).path}"
