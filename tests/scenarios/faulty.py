"""A crawl of a small world in which every other post meets a fault of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crawler.demo.faults import Fault, Faults
from crawler.demo.ledger import Entry
from crawler.demo.posts import Post, World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU, big_world
from tests.scenarios.audit import audit
from tests.scenarios.driver import Trawl, address, serving
from tests.scenarios.outcome import Outcome
from tests.scenarios.worlds import file_of

CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--all")
IMPATIENT = {
    "TRAWL_NET__READ_TIMEOUT": "0.6",
    "TRAWL_NET__TOTAL_TIMEOUT": "1.8",
    "TRAWL_NET__MIN_RATE": "10000",
    "TRAWL_NET__MIN_RATE_WINDOW": "0.5",
    "TRAWL_NET__COOLDOWN_FIRST": "0.1",
    "TRAWL_NET__BREAKER_LONGEST": "0.2",
    "TRAWL_NET__RETRY_FLOOR": "1000",
    "TRAWL_NET__RETRY_FIRST": "0.02",
}
"""Settings of somebody who gives up on a server within a second."""


@dataclass(frozen=True)
class Crawled:
    """One finished crawl through faults."""

    home: Path
    site: DemoSite
    posts: Mapping[str, Post]
    """The post that each fault was for, by its name."""
    found: Outcome
    peak: int
    """Bytes of memory that the crawl held at most."""

    def ending(self, name: str) -> tuple[str, str | None]:
        """State and reason of the post of a fault."""
        return self.found.facts[str(self.posts[name].id)].ending

    def requests(self, name: str) -> Sequence[Entry]:
        """The requests for its file, in their order."""
        return self.site.ledger.requests(file_of(self.posts[name]))


def spread(names: Sequence[str]) -> tuple[World, dict[str, Post]]:
    """A world in which every other post, in the order it is listed, is for one of the names."""
    world = big_world(2 * len(names))
    return world, dict(zip(names, world.posts[::-2], strict=True))


def crawl_with(
    home: Path,
    faults: Mapping[str, Sequence[Fault]],
    *,
    lost: bool = False,
    code: int = 0,
    **settings: str,
) -> Crawled:
    """Crawl everything through these faults, and check all that must hold afterwards.

    A fault that matches everything is for the file of its post. ``lost``: none of these files can
    be had.
    """
    world, posts = spread(list(faults))
    plan = [
        fault if fault.match != "*" else replace(fault, match=file_of(posts[name]))
        for name, some in faults.items()
        for fault in some
    ]
    with serving(world, faults=Faults(plan)) as site:
        done = Trawl(home, address(site), IMPATIENT | settings)(*CRAWL, code=code)
    gone = {post.id for post in posts.values()} if lost else set()
    found = audit(home / "set", site, {post.id for post in world.posts} - gone)
    return Crawled(home, site, posts, found, done.peak)
