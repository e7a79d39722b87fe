"""httpx's transport seam over aiohttp: the client API of one, the speed of the other.

One transport serves files and API answers alike. It has one guard and one error map, never repeats
a request by itself, and drops a connection that sends more than it was asked for. httpx's stock
transport is the reference its tests run against.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from crawler.http.guard import Blocked, BlockedAddress, Guard, GuardedResolver, port_of
from crawler.http.resolver import SystemResolver

_OWN_HEADERS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What aiohttp would add where a request is silent."""
_CONNECTED: ContextVar[Callable[[], None] | None] = ContextVar("connected", default=None)
"""The ``connected`` of the request that this task sends."""


class Transport(httpx.AsyncBaseTransport):
    """Made inside the running loop. ``connections`` bounds the sockets over all hosts.

    The extension ``connected`` of a request is called when there is a connection and nothing has
    been sent; what it raises is raised, and the request is not sent.
    ``keep_alive=False`` suits crawls over thousands of hosts: aiohttp's limit does not count idle
    sockets. Raises httpx errors and :class:`BlockedAddress` only.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        connections: int = 64,
        connect_timeout: float = 10.0,
        keep_alive: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        idle: dict[str, Any] = {"keepalive_timeout": 5} if keep_alive else {"force_close": True}
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                limit=connections,
                resolver=GuardedResolver(guard, SystemResolver(connect_timeout)),
                socket_factory=guard.open_socket,
                ssl=tls or httpx.create_ssl_context(),
                **idle,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            max_line_size=65_536,
            max_field_size=65_536,
            max_headers=256,
        )
        # A GET on a connection the server just dropped would be sent again at once, past our rate
        # limits. There is no public switch; the conformance tests count the requests.
        self._session._retry_connection = False
        self.connections = connections
        self._guard = guard
        self._live: set[_Body] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _mapped():
            if self._session.closed:
                raise httpx.LocalProtocolError("the transport is closed")
            try:
                response = await self._send(request)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._session.closed and task is not None and not task.cancelling():
                    # aiohttp's way to turn away who waits for a connection.
                    raise httpx.ReadError("transport closed") from None
                raise
        body = _Body(response, self._live)
        version = response.version or aiohttp.HttpVersion11
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=body,
            extensions={
                "http_version": f"HTTP/{version.major}.{version.minor}".encode("ascii"),
                "reason_phrase": (response.reason or "").encode("latin-1", "replace"),
            },
        )

    async def _send(self, request: httpx.Request) -> aiohttp.ClientResponse:
        url = URL(str(request.url.copy_with(userinfo=b"")), encoded=True)
        if (url.raw_host or "").encode("ascii") != request.url.raw_host:
            # Two parsers that disagree about the host would undo every rule bound to an origin.
            raise httpx.LocalProtocolError("ambiguous host in the URL")
        # The socket's own check knows no host: an address that an allowed name led to would pass.
        self._guard.check_literal(request.url.raw_host.decode("ascii"), port_of(request.url))
        headers: CIMultiDict[str] = CIMultiDict()
        for name, value in request.headers.raw:
            if name.lower() == b"transfer-encoding":
                continue
            if not value.isascii():
                raise httpx.LocalProtocolError(f"non-ASCII header {name.decode('latin-1')}")
            headers.add(name.decode("ascii"), value.decode("ascii"))
        times = request.extensions.get("timeout", {})
        _CONNECTED.set(request.extensions.get("connected"))
        return await self._session.request(
            request.method,
            url,
            headers=headers,
            data=await request.aread() or None,
            allow_redirects=False,
            skip_auto_headers=_OWN_HEADERS,
            server_hostname=request.extensions.get("sni_hostname"),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=times.get("pool"),
                sock_connect=times.get("connect"),
                sock_read=times.get("read"),
            ),
        )

    async def aclose(self) -> None:
        """Close every socket; bodies still being read end with ReadError."""
        for body in list(self._live):
            body.abort()
        await self._session.close()


class _Connector(aiohttp.TCPConnector):
    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if (connected := _CONNECTED.get()) is not None:
            try:
                connected()
            except BaseException:
                connection.release()
                raise
        return connection


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, live: set[_Body]) -> None:
        self._response = response
        self._live = live
        live.add(self)
        self._ends_with_connection = (
            "content-length" not in response.headers
            and "chunked" not in response.headers.get("transfer-encoding", "").lower()
        )
        protocol = getattr(response.connection, "protocol", None)
        # Looked up before reading: afterwards aiohttp no longer tells a reset from a clean end.
        self._lost = getattr(protocol, "closed", None) if self._ends_with_connection else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with _mapped():
            while True:
                chunk = await content.readany()
                if chunk:
                    yield chunk
                elif content.at_eof():
                    break
            if self._lost is not None and self._lost.done() and self._lost.exception():
                raise aiohttp.ClientPayloadError("connection reset before the end of the body")

    def abort(self) -> None:
        self._response.content.set_exception(aiohttp.ClientConnectionError("transport closed"))

    async def aclose(self) -> None:
        self._live.discard(self)
        if self._lost is not None and self._lost.done():
            self._lost.exception()  # taken note of: asyncio complains of errors nobody looked at
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError:
        raise
    except aiohttp.ClientResponseError as error:
        # Its repr holds the request's headers: credentials must not travel on in the chain.
        raise _translated(error) from None
    except Exception as error:
        raise _translated(error) from error


def _translated(error: Exception) -> httpx.HTTPError:
    blocked = next((e for e in chain(error) if isinstance(e, Blocked)), None)
    if blocked is not None:
        return BlockedAddress(str(blocked))
    for kinds, to in _ERRORS:
        if isinstance(error, kinds):
            return to(_said(error))
    raise error


_ERRORS: tuple[tuple[tuple[type[Exception], ...], type[httpx.TransportError]], ...] = (
    ((aiohttp.SocketTimeoutError,), httpx.ReadTimeout),
    ((aiohttp.ConnectionTimeoutError,), httpx.ConnectTimeout),
    ((aiohttp.ServerTimeoutError, TimeoutError), httpx.ReadTimeout),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), httpx.ProxyError),
    ((aiohttp.ClientConnectorError,), httpx.ConnectError),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError), httpx.RemoteProtocolError),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), httpx.UnsupportedProtocol),
    ((aiohttp.ClientResponseError, HttpProcessingError), httpx.RemoteProtocolError),
    ((aiohttp.ClientConnectionError, OSError), httpx.ReadError),
    ((aiohttp.ClientError, ValueError, RuntimeError), httpx.LocalProtocolError),
)
"""First match wins: aiohttp's classes overlap (a refused connection is also an OSError)."""


def _said(error: Exception) -> str:
    """What went wrong, without URLs and headers, which some of aiohttp's messages repeat."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.InvalidURL):
        return "a URL that cannot be used"
    if isinstance(error, aiohttp.ClientResponseError):
        return "an answer that is not HTTP"
    return str(error) or "the connection failed"


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that caused it, through ``__cause__``, ``__context__`` and ``os_error``."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        this = waiting.pop()
        if this is None or id(this) in seen:
            continue
        seen.add(id(this))
        yield this
        waiting += [this.__cause__, this.__context__, getattr(this, "os_error", None)]
