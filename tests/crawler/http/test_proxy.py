"""A proxy of the user's choice carries the requests and opens no door that the guard keeps shut."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import ssl
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from crawler.errors import ConfigError
from crawler.http.guard import BlockedAddress, Guard
from crawler.http.proxy import Proxy, ProxyFailed
from crawler.http.session import Session, SiteHttp
from crawler.http.transports import make_transport
from crawler.site import Credentials, Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.cli.conftest import Trawl, trawl  # noqa: F401 - the fixture
from tests.crawler.http.names import Names
from tests.crawler.http.proxy_server import ConnectProxy
from tests.crawler.http.server import PNG, Server, drip, json_reply, reply, slowly
from tests.crawler.http.transports import client_of, until

PASSWORD = "canary-of-the-proxy"
LOGIN = Credentials("me", PASSWORD)
BASIC = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def proxy() -> AsyncIterator[ConnectProxy]:
    async with ConnectProxy() as running:
        yield running


@asynccontextmanager
async def through(
    proxy: ConnectProxy, *hosts: str, login: Credentials | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests go through the proxy, and may reach these hosts."""
    allowed = frozenset({proxy.host, *hosts})
    net = Net(proxy=proxy.url, allow_hosts=allowed)
    async with client_of(make_transport(net, Guard(allowed), login)) as client:
        yield client


async def test_a_request_goes_through_a_tunnel_to_the_address(
    proxy: ConnectProxy, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(monkeypatch, {"pictures.example": ["127.0.0.1"]})
    server.on("/a.png", reply(PNG))
    pair = f"pictures.example:{server.port}"
    async with through(proxy, pair) as client:
        assert (await client.get(f"http://{pair}/a.png?q=1")).content == PNG
    assert [(one.method, one.target) for one in proxy.ledger] == [("CONNECT", server.host)]
    assert proxy.ledger[0].headers == {"host": server.host}
    assert server.ledger[0].target == "/a.png?q=1"
    assert server.ledger[0].headers["host"] == pair


@contextlib.contextmanager
def trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with authority.cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        yield


async def test_tls_is_between_us_and_the_host_whose_name_is_checked(
    proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, names = trustme.CA(), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pictures.example").configure_cert(context)
    context.sni_callback = lambda _, name, __: names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(PNG))
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    Names(monkeypatch, {"pictures.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    pairs = [f"pictures.example:{port}", f"other.example:{port}"]
    with trusted(authority, monkeypatch):
        async with listener, through(proxy, *pairs) as client:
            assert (await client.get(f"https://{pairs[0]}/a.png")).content == PNG
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://{pairs[1]}/a.png")
    assert names == ["pictures.example", "other.example"]
    assert proxy.targets == [f"127.0.0.1:{port}"] * 2


async def test_the_login_goes_to_the_proxy_and_nowhere_else(
    proxy: ConnectProxy, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy.login = BASIC
    url = server.on("/a.png", reply(PNG))
    async with through(proxy, server.host, login=LOGIN) as client:
        assert (await client.get(url)).content == PNG
    assert [wanted.headers["proxy-authorization"] for wanted in proxy.ledger] == [BASIC]
    assert not {"proxy-authorization", "authorization"} & server.ledger[0].headers.keys()
    for secret in (PASSWORD, BASIC):
        assert secret not in caplog.text
        assert secret not in repr(Proxy.parse(proxy.url, LOGIN))


@pytest.mark.parametrize(
    ("answer", "said", "transient"),
    [
        (b"HTTP/1.1 403 No\r\n\r\n", r"opens no tunnel to 127.0.0.1:\d+ \(HTTP 403\)", False),
        (b"HTTP/1.1 502 No\r\n\r\n", r"opens no tunnel to 127.0.0.1:\d+ \(HTTP 502\)", True),
        (b"HTTP/1.1 302 No\r\nLocation: http://e/\r\n\r\n", r"\(HTTP 302\)", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not answer as a proxy does", True),
        (b"HTTP/1.1 200", "does not answer as a proxy does", True),
        (b"HTTP/1.1 407 No\r\n\r\n", "refuses the login", False),
    ],
)
async def test_a_proxy_that_refuses_is_told_in_one_line_without_the_login(
    proxy: ConnectProxy, server: Server, answer: bytes, said: str, transient: bool
) -> None:
    proxy.otherwise = answer
    async with through(proxy, server.host, login=LOGIN) as client:
        with pytest.raises(ProxyFailed, match=f"^the proxy {proxy.host} .*{said}") as caught:
            await client.get(server.url("/a.png"))
        assert caught.value.transient is transient
        assert PASSWORD not in "".join(traceback.format_exception(caught.value))
        assert BASIC not in "".join(traceback.format_exception(caught.value))
    await until(lambda: proxy.open == 0)
    assert server.connections == 0


async def test_a_proxy_that_wants_a_login_says_where_to_put_it(
    proxy: ConnectProxy, server: Server
) -> None:
    proxy.login = BASIC
    async with through(proxy, server.host) as client:
        with pytest.raises(ProxyFailed, match="asks for a login") as caught:
            await client.get(server.url("/a.png"))
        assert caught.value.mend == "give one with `trawl auth set proxy`"


async def test_a_proxy_that_is_not_there_is_named(proxy: ConnectProxy, server: Server) -> None:
    async with through(proxy, server.host) as client:
        await proxy.__aexit__()
        with pytest.raises(ProxyFailed, match=f"the proxy {proxy.host}: cannot connect: Conn"):
            await client.get(server.url("/a.png"))


async def test_a_silent_proxy_ends_in_a_connect_timeout(
    proxy: ConnectProxy, server: Server
) -> None:
    proxy.otherwise = b""
    async with through(proxy, server.host) as client:
        with pytest.raises(httpx.ConnectTimeout, match=r"the proxy .* no tunnel in time"):
            await client.get(server.url("/a.png"), timeout=httpx.Timeout(0.2, pool=None))
        await until(lambda: proxy.open == 0)


async def test_another_address_of_a_host_is_tried_when_the_first_cannot_be_reached(
    proxy: ConnectProxy, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(monkeypatch, {"two.example": ["127.0.0.9", "127.0.0.1"]})
    proxy.answers[f"127.0.0.9:{server.port}"] = b"HTTP/1.1 504 No\r\n\r\n"
    server.on("/", reply(PNG))
    pair = f"two.example:{server.port}"
    async with through(proxy, pair) as client:
        assert (await client.get(f"http://{pair}/")).content == PNG
    assert proxy.targets == [f"127.0.0.9:{server.port}", server.host]


# The guard


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "169.254.169.254", "10.0.0.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_is_never_asked_for_a_private_address(
    proxy: ConnectProxy, scheme: str, host: str
) -> None:
    async with through(proxy) as client:
        with pytest.raises(BlockedAddress):
            await client.get(f"{scheme}://{host}/")
    assert proxy.connections == 0


async def test_a_private_proxy_must_be_allowed(proxy: ConnectProxy, server: Server) -> None:
    net = Net(proxy=proxy.url)
    async with client_of(make_transport(net, Guard({server.host}))) as client:
        with pytest.raises(ProxyFailed, match="not public") as caught:
            await client.get(server.url("/a.png"))
    assert caught.value.mend == f"if it is yours, add {proxy.host} to what net.allow_hosts lists"
    assert proxy.connections == 0


async def test_an_allowed_proxy_is_no_host_that_may_be_crawled_by_another_name(
    proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(monkeypatch, {"evil.example": ["127.0.0.1"]})
    async with through(proxy) as client:
        with pytest.raises(BlockedAddress):
            await client.get(f"http://evil.example:{proxy.port}/")


@pytest.mark.parametrize("kind", ["aiohttp", "httpx"])
async def test_proxies_of_the_environment_are_ignored(
    kind: str, proxy: ConnectProxy, server: Server, monkeypatch: pytest.MonkeyPatch, into: Path
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.lower(), proxy.url)
    url = server.on("/a.png", reply(PNG))
    allowed = frozenset({server.host, proxy.host})
    async with session_for(server, Net(allow_hosts=allowed, transport=kind)) as http:
        assert (await http.fetch(Rung(url), into)).bytes == len(PNG)
    assert (proxy.connections, server.connections) == (0, 1)


# The whole session


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "part"


@asynccontextmanager
async def session_for(
    server: Server, net: Net, login: Credentials | None = None, site: Credentials | None = None
) -> AsyncIterator[SiteHttp]:
    async with Session(net, Stats(), proxy_login=login) as session:
        yield session.site(Site("demo", "danbooru", server.url(""), 1000.0, 8, site))


def net_through(proxy: ConnectProxy, server: Server) -> Net:
    return Net(
        proxy=proxy.url,
        allow_hosts=frozenset({proxy.host, server.host}),
        attempts=2,
        retry_first=0.01,
    )


async def test_a_session_lists_and_downloads_through_the_proxy(
    proxy: ConnectProxy, server: Server, into: Path
) -> None:
    proxy.login = BASIC
    posts = server.on("/posts.json", json_reply("[1]"))
    file = server.on("/a.png", reply(PNG))
    moved = server.on("/moved.png", reply(status=302, Location=file))
    site = Credentials("user", "key-of-the-site")
    async with session_for(server, net_through(proxy, server), LOGIN, site) as http:
        assert await http.get_json(posts) == [1]
        assert (await http.fetch(Rung(moved), into)).final_url == file
    assert proxy.targets == [server.host] * 3
    for wanted in proxy.ledger:
        assert wanted.headers.keys() == {"host", "proxy-authorization"}
    for asked in server.ledger:
        assert "proxy-authorization" not in asked.headers


async def test_a_session_says_that_it_is_the_proxy_who_refuses(
    proxy: ConnectProxy, server: Server, into: Path
) -> None:
    proxy.login = BASIC
    async with session_for(server, net_through(proxy, server)) as http:
        with pytest.raises(ConfigError) as api:
            await http.get_json(server.url("/posts.json"))
        with pytest.raises(ConfigError) as file:
            await http.fetch(Rung(server.url("/a.png")), into)
    for caught in (api, file):
        assert caught.value.message == f"the proxy {proxy.host} asks for a login"
        assert caught.value.hint == "give one with `trawl auth set proxy`"
    assert server.connections == 0


async def test_cancelled_requests_leave_no_tunnel_behind(
    proxy: ConnectProxy, server: Server
) -> None:
    slow = server.on("/slow", drip(reply(PNG), 0.001, piece=500))
    late = server.on("/late", slowly(reply(PNG), 5.0))
    async with through(proxy, server.host) as client:
        gets = [client.get(url) for url in (slow, late) * 20]
        cut = [asyncio.wait_for(get, 0.01 * number) for number, get in enumerate(gets)]
        ends = await asyncio.gather(*cut, return_exceptions=True)
        assert sum(isinstance(end, TimeoutError) for end in ends) >= 20
        good = await asyncio.gather(*(client.get(slow) for _ in range(20)))
        assert all(response.content == PNG for response in good)
    await until(lambda: proxy.open == 0)


# Settings


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("socks5://127.0.0.1:1080", "SOCKS"),
        ("socks5h://127.0.0.1:1080", "SOCKS"),
        ("https://127.0.0.1:3128", "not the URL of an HTTP proxy"),
        ("ftp://127.0.0.1", "not the URL of an HTTP proxy"),
        ("127.0.0.1:3128", "not"),
        ("http://", "not the URL of an HTTP proxy"),
        ("http://me:canary@127.0.0.1:3128", "carries a login"),
        ("http://127.0.0.1:99999", "a port that cannot be"),
        ("http://[::1", "not a URL"),
        ("http://127.0.0.1:3128/path", "not the URL of an HTTP proxy"),
    ],
)
async def test_other_proxies_are_refused_at_the_start(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        async with Session(Net(proxy=url), Stats()):
            pass
    assert caught.value.hint
    assert "canary" not in f"{caught.value} {caught.value.hint}"


def test_the_login_of_the_proxy_is_kept_for_that_proxy(
    trawl: Trawl,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from io import StringIO

    from crawler.settings import load

    monkeypatch.setattr("sys.stdin", StringIO(f"me\n{PASSWORD}\n"))
    without = trawl("auth", "set", "proxy")
    assert (without.code, "no proxy is set" in without.err) == (2, True)
    trawl("config", "set", "net.proxy", "http://proxy.example:3128")
    kept = trawl("auth", "set", "proxy")
    assert (kept.code, "http://proxy.example:3128 alone" in kept.out) == (0, True)
    assert load(None).proxy_login == LOGIN
    assert load(None, flags={"net.proxy": "http://evil.example:3128"}).proxy_login is None
    for text in (kept.out, kept.err, trawl("auth", "list").out, trawl("config", "show").out):
        assert PASSWORD not in text
