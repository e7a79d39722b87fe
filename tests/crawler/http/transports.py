"""Both transports, made alike for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from crawler.http.guard import Guard
from crawler.http.stock import StockTransport
from crawler.http.transport import Transport

KINDS = {"ours": Transport, "stock": StockTransport}
TIMES = httpx.Timeout(1.0, pool=None)


def made(kind: str, *hosts: str, **options: Any) -> httpx.AsyncBaseTransport:
    """The transport ``ours`` or ``stock``, which may reach these ``host:port`` pairs."""
    return KINDS[kind](Guard(hosts), **options)


@asynccontextmanager
async def client_of(transport: httpx.AsyncBaseTransport) -> AsyncIterator[httpx.AsyncClient]:
    """A client that uses nothing but this transport."""
    async with httpx.AsyncClient(transport=transport, timeout=TIMES, trust_env=False) as client:
        yield client


async def until(true: Callable[[], bool]) -> None:
    """Return when something has become true. Raises TimeoutError after some seconds."""
    async with asyncio.timeout(5.0):
        while not true():
            await asyncio.sleep(0.01)
