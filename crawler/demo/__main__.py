"""``python -m crawler.demo``: the demo site as a process of its own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import click


@click.command()
@click.option("--port", default=0, help="Port of the API; 0 takes a free one.")
@click.option("--cdn-port", default=0, help="Port of the image host; 0 takes a free one.")
@click.option("--ledger", type=click.Path(path_type=Path), help="Append every request to FILE.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve the pictures of this folder instead of drawn ones.",
)
@click.option("--posts", type=click.IntRange(1), help="Serve this many simple posts instead.")
@click.option("--latency", default=0.0, help="Milliseconds before every answer.")
@click.option(
    "--faults",
    type=click.Choice(["flaky", "hostile"]),
    help="Let things go wrong: some that pass, or some that are meant to harm.",
)
def main(
    port: int,
    cdn_port: int,
    ledger: Path | None,
    pictures: Path | None,
    posts: int | None,
    latency: float,
    faults: str | None,
) -> None:
    """Serve a stand-in for Danbooru on loopback until interrupted.

    Prints one JSON line with base_url, cdn_url and allow_hosts when it is ready.
    """
    asyncio.run(_serve(port, cdn_port, ledger, pictures, posts, latency / 1000, faults))


async def _serve(
    port: int,
    cdn_port: int,
    ledger: Path | None,
    pictures: Path | None,
    posts: int | None,
    latency: float,
    plan: str | None,
) -> None:
    # Imported here: the processes that draw import this module and need no server.
    from crawler.demo.faults import Faults
    from crawler.demo.plans import PLANS
    from crawler.demo.site import DemoSite
    from crawler.demo.world import big_world, default_world, pictures_world

    if pictures is not None:
        world = await asyncio.to_thread(pictures_world, pictures)
    elif posts is not None:
        world = await asyncio.to_thread(big_world, posts)
    else:
        world = await asyncio.to_thread(default_world)
    faults = PLANS[plan] if plan else Faults()
    faults = replace(faults, latency=latency or faults.latency)
    async with DemoSite(
        world, faults=faults, port=port, cdn_port=cdn_port, ledger_file=ledger
    ) as site:
        ready = {
            "base_url": site.base_url,
            "cdn_url": site.cdn_url,
            "allow_hosts": site.allow_hosts,
            "posts": len(world.posts),
        }
        print(json.dumps(ready), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()
