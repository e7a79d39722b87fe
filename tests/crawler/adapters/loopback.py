"""A loopback site that answers as a test declares, and a real session that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from crawler.adapters.base import Http
from crawler.http.session import Session
from crawler.site import Net, Site
from crawler.stats import Stats

Answer = tuple[int, Any]
Respond = Callable[[str, dict[str, str]], Answer]


@dataclass
class Loopback:
    """``ledger`` holds (path, parameters) of every request, in order."""

    base_url: str
    ledger: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def pages(self) -> list[str]:
        return [params.get("page", "") for path, params in self.ledger if path == "/posts.json"]


@asynccontextmanager
async def loopback(respond: Respond) -> AsyncIterator[Loopback]:
    """Serve ``respond(path, params) -> (status, JSON)`` on 127.0.0.1."""
    site = Loopback("")

    async def handle(request: web.Request) -> web.Response:
        params = dict(request.query)
        site.ledger.append((request.path, params))
        status, answer = respond(request.path, params)
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        site.base_url = f"http://{host}:{port}"
        yield site
    finally:
        await runner.cleanup()


@asynccontextmanager
async def face(site: Site) -> AsyncIterator[Http]:
    """A session's face for a site on loopback: polite in form, quick in time."""
    host = urlsplit(site.base_url).netloc
    net = Net(
        contact="tests@example.org",
        allow_hosts=frozenset({host} if host else ()),
        retry_first=0.01,
        retry_longest=0.02,
        cooldown_first=0.05,
    )
    async with Session(net, Stats()) as session:
        yield session.site(site)


def site_at(base_url: str) -> Site:
    return Site("danbooru", "danbooru", base_url, rate=10_000.0)
