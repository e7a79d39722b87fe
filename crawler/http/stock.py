"""httpx's own transport behind our address guard: the second engine, and the one for proxies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from crawler.http.backend import GuardedBackend
from crawler.http.connections import Connections
from crawler.http.guard import Blocked, BlockedAddress, Guard
from crawler.http.proxy import Proxy, Tunnels

MOST_CONNECTIONS = 16
"""More are of no use to the second engine, and more tunnels at once few proxies are made for."""


class StockTransport(httpx.AsyncBaseTransport):
    """Made inside the running loop. ``connections`` bounds the sockets, 16 at most.

    No connection is used twice: httpcore gives what a server sent too much to the next request.
    With a ``proxy`` every connection is a tunnel through it. Raises httpx errors,
    :class:`BlockedAddress` and :class:`~crawler.http.proxy.ProxyFailed` (both httpx errors) only.
    The extension ``connected`` of a request is what it is to our own transport.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        connections: int = MOST_CONNECTIONS,
        connect_timeout: float = 10.0,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.connections = min(connections, MOST_CONNECTIONS)
        context = tls or httpx.create_ssl_context()
        self._backend = GuardedBackend(guard, connect_timeout)
        self._stock = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
        # httpx takes no network backend; only its pool does, in whose place we put ours.
        self._stock._pool = Connections(  # type: ignore[assignment]
            context, Tunnels(proxy, self._backend) if proxy else self._backend, self.connections
        )
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _mapped():
            if self._closed:
                raise httpx.LocalProtocolError("the transport is closed")
            if (connected := request.extensions.get("connected")) is not None:
                request.extensions = {**request.extensions, "trace": _before_the_head(connected)}
            response = await self._stock.handle_async_request(request)
        body = _Body(response.stream)
        return httpx.Response(
            response.status_code,
            headers=response.headers.raw,
            stream=body,
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every socket; bodies still being read end with ReadError."""
        self._closed = True
        await self._backend.close()
        await self._stock.aclose()


def _before_the_head(connected: Callable[[], None]) -> Callable[[str, Any], Awaitable[None]]:
    async def trace(event: str, _: Any) -> None:
        if event == "http11.send_request_headers.started":
            connected()

    return trace


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mapped():
            async for chunk in self._stream:
                yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@contextmanager
def _mapped() -> Iterator[None]:
    """What httpx lets through unmapped: the guard's own error, and a few of Python's."""
    try:
        yield
    except httpx.HTTPError:
        raise
    except Blocked as error:
        raise BlockedAddress(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(error.strerror or str(error)) from error
    except (ExceptionGroup, ValueError, RuntimeError) as error:
        raise httpx.LocalProtocolError("a request that cannot be sent") from error
