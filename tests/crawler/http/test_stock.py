"""httpx's own transport behind the guard: chosen by a setting, and good for a whole session.

What both transports have in common is tested in test_transport and test_connections.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crawler.errors import ConfigError, FetchError
from crawler.http.backend import GuardedBackend
from crawler.http.guard import Blocked, Guard
from crawler.http.session import Session, SiteHttp
from crawler.http.stock import StockTransport
from crawler.http.transport import Transport
from crawler.http.transports import make_transport
from crawler.site import Credentials, Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.names import Names
from tests.crawler.http.server import PNG, Server, json_reply, reply, then_close, then_reset
from tests.crawler.http.transports import client_of, made


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[SiteHttp]:
    """A session over the stock transport, with a login for the server."""
    net = Net(transport="httpx", allow_hosts=frozenset({server.host}), retry_first=0.01)
    site = Site("demo", "danbooru", server.url(""), 1000.0, 8, Credentials("me", "key"))
    async with Session(net, Stats()) as session:
        yield session.site(site)


@pytest.mark.parametrize(
    ("net", "kind"),
    [
        (Net(), Transport),
        (Net(transport="aiohttp"), Transport),
        (Net(transport="httpx"), StockTransport),
        (Net(proxy="http://127.0.0.1:3128"), StockTransport),
        (Net(proxy="http://127.0.0.1:3128", transport="aiohttp"), StockTransport),
    ],
)
async def test_the_settings_choose_the_transport(net: Net, kind: type) -> None:
    transport = make_transport(net, Guard())
    assert type(transport) is kind
    await transport.aclose()


async def test_a_session_lists_and_downloads(
    http: SiteHttp, server: Server, tmp_path: Path
) -> None:
    posts = server.on("/posts.json", then_reset(), json_reply("[1]"))
    file = server.on("/a.png", then_close(reply(PNG)[:-100]), reply(PNG))
    moved = server.on("/moved.png", reply(status=302, Location=file))
    assert await http.get_json(posts, {"page": "1"}) == [1]
    fetched = await http.fetch(Rung(moved), tmp_path / "part")
    assert (fetched.final_url, fetched.sha256) == (file, hashlib.sha256(PNG).hexdigest())
    assert [len(server.asked(path)) for path in ("/posts.json", "/moved.png", "/a.png")] == [
        2,
        2,
        2,
    ]
    assert all(asked.headers["user-agent"].startswith("trawl/") for asked in server.ledger)
    assert all(asked.headers["accept-encoding"] == "identity" for asked in server.ledger)


async def test_a_session_stops_where_it_must(
    http: SiteHttp, server: Server, tmp_path: Path
) -> None:
    refused = server.on("/noai.png", reply(PNG, X_Robots_Tag="noai"))
    for url, reason in (
        (refused, "noai"),
        (server.on("/gone.png", reply(status=410)), "http_410"),
        ("http://127.0.0.1/a.png", "blocked_address"),
        (server.on("/in.png", reply(status=302, Location="http://[::1]/")), "blocked_address"),
    ):
        with pytest.raises(FetchError) as caught:
            await http.fetch(Rung(url), tmp_path / "part")
        assert caught.value.reason == reason
    with pytest.raises(ConfigError, match="not public"):
        await http.get_json("http://localhost/posts.json")
    assert not (tmp_path / "part").exists()


async def test_a_silent_address_leaves_time_for_the_next_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/", reply(PNG))
    Names(monkeypatch, {"two.example": ["127.0.0.9", "127.0.0.1"]})
    with socket.socket() as deaf, contextlib.ExitStack() as waiting:
        deaf.bind(("127.0.0.9", server.port))
        deaf.listen(0)
        for _ in range(4):
            filler = waiting.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.9", server.port))
        pair, began = f"two.example:{server.port}", time.monotonic()
        async with client_of(made("stock", pair)) as client:
            assert (await client.get(f"http://{pair}/")).content == PNG
        assert 0.4 < time.monotonic() - began < 0.9


async def test_a_name_is_asked_for_once_for_each_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(monkeypatch, {"one.example": ["127.0.0.1"]})
    server.on("/", reply(PNG))
    pair = f"one.example:{server.port}"
    async with client_of(made("stock", pair)) as client:
        await client.get(f"http://{pair}/")
    assert names.asked.count("one.example") == 1


async def test_files_of_this_machine_are_no_addresses() -> None:
    with pytest.raises(Blocked):
        await GuardedBackend(Guard(), 1.0).connect_unix_socket("/run/docker.sock")
