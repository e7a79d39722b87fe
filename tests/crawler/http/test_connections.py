"""Connections of both transports: opening, TLS, limits, and closing while somebody reads."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import trustme

from crawler.http.transport import chain
from tests.crawler.http.server import PNG, Server, drip, reply, slowly
from tests.crawler.http.transports import KINDS, client_of, made

SOON = httpx.Timeout(0.3, pool=None)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Opening


async def test_a_refused_connection_is_told_with_the_systems_word(kind: str) -> None:
    async with client_of(made(kind, "127.0.0.1:1")) as client:
        with pytest.raises(httpx.ConnectError, match="cannot connect: Conn"):
            await client.get("http://127.0.0.1:1/")


async def test_an_unknown_name_is_a_connect_error(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with client_of(made(kind)) as client:
        with pytest.raises(httpx.ConnectError, match="cannot connect: Name"):
            await client.get("http://nowhere.example/")


async def test_slow_names_are_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.8))
    began = time.monotonic()
    async with client_of(made(kind, connect_timeout=0.2)) as client:
        # aiohttp has one word for all that is wrong with a name.
        with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
            await client.get("http://slow.example/")
        assert time.monotonic() - began < 0.7


async def test_a_full_backlog_ends_in_a_connect_timeout(kind: str) -> None:
    with socket.socket() as deaf, contextlib.ExitStack() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        async with client_of(made(kind, f"127.0.0.1:{port}")) as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(f"http://127.0.0.1:{port}/", timeout=SOON)


async def test_the_next_address_of_a_name_is_tried(
    kind: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(host: str, port: int, *_: object, **__: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (9, 1)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    server.on("/", reply(PNG))
    async with client_of(made(kind, f"two.example:{server.port}")) as client:
        assert (await client.get(f"http://two.example:{server.port}/")).content == PNG
    assert server.ledger[0].headers["host"] == f"two.example:{server.port}"


async def test_ipv6_is_spoken(kind: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(PNG))
        writer.close()

    try:
        listener = await asyncio.start_server(serve, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    port = listener.sockets[0].getsockname()[1]
    async with listener, client_of(made(kind, f"[::1]:{port}")) as client:
        for host in ("[::1]", "[0:0:0:0:0:0:0:1]"):
            assert (await client.get(f"http://{host}:{port}/")).content == PNG


async def test_without_descriptors_the_error_says_so_and_it_goes_on_afterwards(
    kind: str, server: Server
) -> None:
    url = server.on("/a.png", reply(PNG))
    async with client_of(made(kind, server.host)) as client:
        with _descriptors_used_up(), pytest.raises(httpx.ConnectError) as caught:
            await client.get(url)
        assert errno.EMFILE in {getattr(error, "errno", 0) for error in chain(caught.value)}
        assert (await client.get(url)).content == PNG


@contextlib.contextmanager
def _descriptors_used_up() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)  # the lowest free number: nothing at or above it may be opened now
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_cannot_be_one_is_an_httpx_error(kind: str, host: str) -> None:
    async with client_of(made(kind)) as client:
        with pytest.raises((httpx.TransportError, httpx.InvalidURL)):
            await client.get(f"http://{host}/")


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TlsServer:
    """Shows one certificate, and remembers the names it was called by."""

    def __init__(self, authority: trustme.CA, name: str) -> None:
        self.names: list[str | None] = []
        self.hosts: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self._context.sni_callback = lambda _, name, __: self.names.append(name)

    async def __aenter__(self) -> TlsServer:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context, ssl_shutdown_timeout=0.1
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.hosts += [
                line[6:] for line in head.split(b"\r\n") if line[:6].lower() == b"host: "
            ]
            writer.write(reply(PNG))
            await writer.drain()
        writer.close()

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name is this machine."""
    genuine = socket.getaddrinfo

    def here(host: Any, *rest: Any, **options: Any) -> Any:
        return genuine("127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.mark.usefixtures("named")
async def test_tls_names_the_host_in_its_greeting_and_in_the_request(
    kind: str, authority: trustme.CA
) -> None:
    async with TlsServer(authority, "pictures.example") as server:
        pair = f"pictures.example:{server.port}"
        async with client_of(made(kind, pair, tls=trusting(authority))) as client:
            assert (await client.get(f"https://{pair}/a.png")).content == PNG
    assert server.names == ["pictures.example"]
    assert server.hosts == [pair.encode()]


@pytest.mark.usefixtures("named")
async def test_tls_with_a_wrong_name_or_an_unknown_authority_is_refused(
    kind: str, authority: trustme.CA
) -> None:
    async with TlsServer(authority, "other.example") as server:
        pair = f"pictures.example:{server.port}"
        for context in (trusting(authority), ssl.create_default_context()):
            async with client_of(made(kind, pair, tls=context)) as client:
                with pytest.raises(httpx.ConnectError):
                    await client.get(f"https://{pair}/a.png")
    assert server.hosts == []


async def test_https_to_a_server_that_says_nothing_ends_in_a_connect_timeout(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pair = f"127.0.0.1:{silent.getsockname()[1]}"
        async with client_of(made(kind, pair)) as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(f"https://{pair}/", timeout=SOON)


async def test_a_tls_record_that_is_broken_ends_the_body_as_a_cut_would(
    kind: str, authority: trustme.CA
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(PNG)[:-100])
        await writer.drain()
        # Past TLS, straight to the other side: a record whose checksum cannot be right.
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x40" + b"x" * 64)
        await asyncio.sleep(0.2)
        writer.transport.abort()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    pair = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, client_of(made(kind, pair, tls=trusting(authority))) as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.get(f"https://{pair}/a.png")


# Limits


async def test_sockets_are_bounded_over_all_requests(kind: str, server: Server) -> None:
    url = server.on("/a.png", slowly(reply(PNG), 0.05))
    async with client_of(made(kind, server.host, connections=3)) as client:
        await asyncio.gather(*(client.get(url) for _ in range(12)))
    assert server.most == 3


async def test_the_stock_transport_never_opens_more_than_sixteen(server: Server) -> None:
    url = server.on("/a.png", slowly(reply(PNG), 0.05))
    async with client_of(made("stock", server.host, connections=64)) as client:
        await asyncio.gather(*(client.get(url) for _ in range(40)))
    assert server.most == 16


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("kind", "hosts", "options"),
    [
        pytest.param("ours", 3000, {"keep_alive": False}, id="ours"),
        pytest.param("stock", 1000, {}, id="stock"),
    ],
)
async def test_thousands_of_hosts_leave_no_idle_sockets_behind(
    kind: str, hosts: int, options: dict[str, Any], server: Server
) -> None:
    server.on("/", reply(b"ok"))
    pairs = [f"host{number}.example:{server.port}" for number in range(hosts)]
    transport = made(kind, *pairs, connections=16, **options)
    waiting = iter(pairs)

    async def work() -> None:
        for pair in waiting:
            assert (await client.get(f"http://{pair}/")).content == b"ok"

    async with client_of(transport) as client:
        await asyncio.gather(*(work() for _ in range(32)))
    assert len({asked.headers["host"] for asked in server.ledger}) == hosts
    assert server.most <= 16 + 8


# Closing


async def test_closing_ends_a_reader_and_a_request_that_waits_its_turn(
    kind: str, server: Server
) -> None:
    url = server.on("/a.png", drip(reply(PNG), 5.0, piece=2000))
    client = httpx.AsyncClient(transport=made(kind, server.host, connections=1), timeout=None)
    reading = asyncio.create_task(client.get(url))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(client.get(server.on("/b.png", reply(PNG))))
    await asyncio.sleep(0.1)
    await client._transport.aclose()
    for task in (reading, waiting):
        with pytest.raises((httpx.NetworkError, httpx.ProtocolError)):
            await asyncio.wait_for(task, 1.0)
    assert not server.asked("/b.png")
    await client.aclose()


async def test_use_after_close_is_an_error_of_ours(kind: str, server: Server) -> None:
    transport = made(kind, server.host)
    async with client_of(transport) as client:
        await transport.aclose()
        with pytest.raises(httpx.LocalProtocolError, match="closed"):
            await client.get(server.url("/a.png"))
    assert server.connections == 0
