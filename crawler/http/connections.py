"""httpcore's connections without its pool: one for each request, closed with its reply.

The pool loses a place, and a socket, for each request that is cancelled in the moment between its
connection and its first byte; with all places lost it waits for ever. Keeping connections is what
a pool is for, and ours are not kept.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore
import httpx


class Connections:
    """What httpx's transport takes for its pool. ``most`` bounds the sockets."""

    def __init__(
        self, context: ssl.SSLContext, backend: httpcore.AsyncNetworkBackend, most: int
    ) -> None:
        self._context = context
        self._backend = backend
        self._room = asyncio.Semaphore(most)
        self._open: set[_Sockets] = set()
        self._closed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Raises LocalProtocolError once closed, and what httpcore raises."""
        await self._room.acquire()
        sockets = _Sockets(self._backend)
        self._open.add(sockets)
        try:
            if self._closed:
                raise httpx.LocalProtocolError("the transport is closed")
            connection = httpcore.AsyncHTTPConnection(
                request.url.origin, ssl_context=self._context, network_backend=sockets
            )
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._end(sockets)
            raise
        return httpcore.Response(
            status=response.status,
            headers=response.headers,
            content=_Content(response, sockets, self),
            extensions=response.extensions,
        )

    async def _end(self, sockets: _Sockets) -> None:
        if sockets in self._open:
            self._open.remove(sockets)
            self._room.release()
            await sockets.close()

    async def aclose(self) -> None:
        """Close every socket; whoever reads or waits has an error."""
        self._closed = True
        for sockets in list(self._open):
            await sockets.close()


class _Sockets(httpcore.AsyncNetworkBackend):
    """Remembers what one request opened, however far it came."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend
        self._streams: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        self._streams.append(stream)
        return stream

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_unix_socket(path, timeout, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)

    async def close(self) -> None:
        for stream in self._streams:
            await stream.aclose()


class _Content:
    """A reply's body; closing it closes the connection."""

    def __init__(
        self, response: httpcore.Response, sockets: _Sockets, connections: Connections
    ) -> None:
        self._response = response
        self._sockets = sockets
        self._connections = connections

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._response.aclose()
        finally:
            await self._connections._end(self._sockets)
