"""Where the address guard sits in httpcore: the opening of each TCP connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from crawler.http.guard import Blocked, Guard, GuardedResolver
from crawler.http.resolver import SystemResolver


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to addresses that the guard has passed, and to nothing else.

    A name is resolved here, once; TLS and the Host header go on using the name.
    """

    def __init__(self, guard: Guard, resolve_timeout: float) -> None:
        self._resolver = GuardedResolver(guard, SystemResolver(resolve_timeout))
        self._sockets = httpcore.AnyIOBackend()
        self._closed = False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that takes us, all within ``timeout`` seconds.

        Raises Blocked, httpx's ConnectError and ConnectTimeout, and LocalProtocolError once closed.
        """
        if self._closed:
            raise httpx.LocalProtocolError("the transport is closed")
        try:
            async with asyncio.timeout(timeout) as limit:
                addresses = await self.vetted(host, port)
                return await self._first(addresses, port, limit.when())
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error

    async def vetted(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all allowed. Raises Blocked, TimeoutError, ConnectError."""
        try:
            return await self._resolver.vetted(host, port)
        except (Blocked, TimeoutError):
            raise
        except OSError as error:
            raise httpx.ConnectError(f"cannot connect: {error.strerror or error}") from error

    async def _first(
        self, addresses: list[str], port: int, until: float | None
    ) -> httpcore.AsyncNetworkStream:
        clock = asyncio.get_running_loop().time
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            # A silent address (IPv6 without a route, say) leaves time for those after it.
            share = None if until is None else max(0.0, until - clock()) / left
            try:
                return await self._sockets.connect_tcp(address, port, timeout=share)
            except httpcore.ConnectTimeout as error:
                if left == 1:
                    raise httpx.ConnectTimeout("no connection in time") from error
            except httpcore.ConnectError as error:
                if left == 1:
                    raise httpx.ConnectError(f"cannot connect: {_cause(error)}") from error
        raise httpx.ConnectError("cannot connect: the name has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Refused: nothing on the web is a file of this machine."""
        raise Blocked("a socket file is no public address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Open nothing more: httpcore would still connect for requests that waited their turn."""
        self._closed = True
        await self._resolver.close()


def _cause(error: BaseException | None) -> str:
    """The system's word for a failed connection, below what the libraries wrap around it."""
    said = str(error)
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            said = error.strerror
        error = error.__cause__ or error.__context__
    return said
