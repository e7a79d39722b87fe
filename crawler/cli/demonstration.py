"""The work behind ``trawl demo``."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
from pathlib import Path

import click

from crawler.cli.character import command as character
from crawler.cli.character_set import character_set, gather
from crawler.cli.output import write
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU, World, default_world, pictures_world
from crawler.errors import Interrupted, UsageError

WORKSPACE = "trawl-demo"
_MARK = "made-by-trawl-demo"
_RATE = 50.0
"""Requests per second: the site is ours, and nobody wants to watch a polite demo for minutes."""


async def demonstrate(
    pictures: Path | None, *, keep: bool, want: int, out: Path | None, quiet: bool
) -> None:
    """Serve a world on loopback and run ``trawl character`` on it, in ``./trawl-demo``."""
    workspace = Path.cwd() / WORKSPACE
    if not keep:
        _clear(workspace)
    workspace.mkdir(exist_ok=True)
    (workspace / _MARK).touch()
    click.echo("drawing the pictures of the demo site …", err=True)
    world = await asyncio.to_thread(_world, pictures)
    async with DemoSite(world) as site:
        click.echo(f"the demo site listens on {site.base_url}", err=True)
        out = out or workspace / REIMU
        words = [REIMU, "--out", str(out), "-w", str(workspace), "--want", str(want)]
        if quiet:
            words.append("--quiet")
        click.echo(f"running: trawl character {REIMU} --out {out} --want {want}", err=True)
        given = character.make_context("character", words).params
        flags = {
            "sites.danbooru.base_url": site.base_url,
            "sites.danbooru.rate": _RATE,
            "net.allow_hosts": site.allow_hosts,
        }
        # Without the user's environment: what it says of the real site (a login) is not for ours.
        try:
            await gather(character_set(given, flags=flags, environ={}))
        except Interrupted as stopped:  # the next demo has another site, on another port
            stopped.hint = "`trawl demo` starts over; a crawl of a real site would go on"
            raise


async def serve(pictures: Path | None, port: int, cdn_port: int) -> None:
    """Run the site until a signal comes; standard output gets the settings, for a shell to read.

    A port of 0 is any free one.
    """
    world = await asyncio.to_thread(_world, pictures)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    async with DemoSite(world, port=port, cdn_port=cdn_port) as site:
        settings = {
            "TRAWL_SITES__DANBOORU__BASE_URL": site.base_url,
            "TRAWL_SITES__DANBOORU__RATE": f"{_RATE:g}",
            "TRAWL_NET__ALLOW_HOSTS": site.allow_hosts,
        }
        write("\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items()))
        await ended.wait()


def _world(pictures: Path | None) -> World:
    if pictures is None:
        return default_world()
    try:
        return pictures_world(pictures)
    except FileNotFoundError as problem:
        raise UsageError(str(problem)) from problem


def _clear(workspace: Path) -> None:
    """Remove what an earlier demo left, and nothing else."""
    if not workspace.exists():
        return
    if not (workspace / _MARK).is_file():
        raise UsageError(
            f"{workspace} is there already and was not made by a demo",
            hint="run the demo in another folder",
        )
    shutil.rmtree(workspace)
