"""``python -m tests.torture.serve``: a world of the torture, served by a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from crawler.demo.faults import Fault, Faults, Stall
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from tests.torture.worlds import few_of_each, mixed_world, odd_world, small_world

MODULE = "tests.torture.serve"


def the_world(name: str, count: int) -> World:
    """A world by its name: ``mixed``, ``few``, ``odd`` or ``small``."""
    match name:
        case "few":
            return few_of_each(count)
        case "odd":
            return odd_world(count)
        case "small":
            return small_world(count)
        case _:
            return mixed_world(count)


def main() -> None:
    """Serve until interrupted; prints where as one JSON line, as ``python -m crawler.demo``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--world", choices=("mixed", "few", "odd", "small"), default="mixed")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--latency", type=float, nargs=2, default=(0.0, 0.0), help="milliseconds")
    parser.add_argument("--stall", type=int, default=0, help="every so manieth file never ends")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(given: argparse.Namespace) -> None:
    world = the_world(given.world, given.count)
    low, high = (milliseconds / 1000 for milliseconds in given.latency)
    faults: list[Fault] = []
    if given.stall:
        slow = [post for post in world.posts if post.kind == "highres_solo"][:: given.stall]
        # Only the first time: the crawl is to end some day.
        faults = [
            Fault(Stall(0.5, 60.0), post=post.id, match="/original/*", nth=1) for post in slow
        ]
    plan = Faults(faults, latency=(low, high))
    async with DemoSite(world, faults=plan, ledger_file=given.ledger) as site:
        ready = {"base_url": site.base_url, "cdn_url": site.cdn_url, "posts": len(world.posts)}
        print(json.dumps(ready), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
