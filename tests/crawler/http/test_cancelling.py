"""Requests cancelled at any moment leave nothing behind: no socket, no place, no tunnel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from crawler.http.guard import Guard
from crawler.http.transports import make_transport
from crawler.site import Net
from tests.crawler.http.proxy_server import ConnectProxy
from tests.crawler.http.server import PNG, Server, reply
from tests.crawler.http.transports import client_of, until

MOMENTS = 120
"""Turns of the loop after which a request is cancelled; a whole one takes fewer."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def proxy() -> AsyncIterator[ConnectProxy]:
    async with ConnectProxy() as running:
        yield running


@pytest.fixture(params=["aiohttp", "httpx", "proxy"])
def made(
    request: pytest.FixtureRequest, server: Server, proxy: ConnectProxy
) -> Callable[[], httpx.AsyncBaseTransport]:
    hosts = frozenset({server.host, proxy.host})
    options = {"proxy": proxy.url} if request.param == "proxy" else {"transport": request.param}
    return lambda: make_transport(Net(allow_hosts=hosts, connections=1, **options), Guard(hosts))


async def test_no_moment_to_cancel_costs_a_socket(
    made: Callable[[], httpx.AsyncBaseTransport], server: Server, proxy: ConnectProxy
) -> None:
    url, done = server.on("/a.png", reply(PNG)), 0
    async with client_of(made()) as client:
        for moment in range(MOMENTS):
            getting = asyncio.create_task(client.get(url))
            for _ in range(moment):
                await asyncio.sleep(0)
            getting.cancel()
            (end,) = await asyncio.gather(getting, return_exceptions=True)
            done += isinstance(end, httpx.Response)
        # With one socket for all, a place lost would end it here.
        async with asyncio.timeout(2.0):
            assert (await client.get(url)).content == PNG
        assert server.open <= 1
    assert 0 < done < MOMENTS
    await until(lambda: server.open == proxy.open == 0)
