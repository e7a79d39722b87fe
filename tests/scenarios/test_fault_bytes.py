"""Files made to hurt, among good ones: each costs only itself and is told with its reason."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

from crawler.demo.posts import Media, Post, World
from crawler.demo.world import big_world
from tests.hostile.archives import EVIL
from tests.hostile.pictures import HOSTILE
from tests.scenarios.audit import audit
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address
from tests.scenarios.faulty import CRAWL, IMPATIENT
from tests.scenarios.outcome import outcome

MOST_MEMORY = 300_000_000
"""Bytes that a crawl may hold at its peak; what may take more is decoded beside it."""


def post_of(post: Post, data: bytes) -> Post:
    """The same post with another file, of which the site says nothing suspicious."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    media = Media(md5, "jpg", len(data), 800, 1200, md5[::-1], lambda: data)
    return replace(post, media=media)


def test_sixty_pictures_and_twenty_archives_made_to_hurt_cost_only_themselves(
    serve: Serve, tmp_path: Path
) -> None:
    rng = random.Random(11)
    chosen = {p.name: p for p in rng.sample(sorted(HOSTILE, key=str), 60)}
    pictures = [p for p in chosen.values() if p.make()]
    archives = rng.sample(sorted(EVIL), 20)
    world = big_world(30 + len(pictures) + len(archives))
    posts = list(world.posts)
    places = sorted(rng.sample(range(len(posts)), len(pictures) + len(archives)))
    of_pictures, of_archives = places[: len(pictures)], places[len(pictures) :]
    for place, hostile in zip(of_pictures, pictures, strict=True):
        posts[place] = post_of(posts[place], hostile.make())
    for place, name in zip(of_archives, archives, strict=True):
        posts[place] = post_of(posts[place], EVIL[name]())
    world = World(tuple(posts), world.aliases)
    site = serve(world)
    done = Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL)
    facts = outcome(tmp_path / "set").facts
    good = {post.id for place, post in enumerate(posts) if place not in places}
    audit(tmp_path / "set", site, good)
    for place, hostile in zip(of_pictures, pictures, strict=True):
        fact = facts[str(posts[place].id)]
        harmless = "sound" in hostile.reasons and fact.state == "rejected"
        assert harmless or (fact.state == "failed" and fact.reason in hostile.reasons), (
            hostile.name,
            fact,
        )
    for place, name in zip(of_archives, archives, strict=True):
        assert facts[str(posts[place].id)].state == "failed", name
    assert done.peak <= MOST_MEMORY
