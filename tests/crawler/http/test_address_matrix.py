"""No spelling of a private address is reached, by any way that leads to a request of ours.

Spellings x ways x transports. The wire leads every address that is not of the web to a listener on
this machine, so a hole in the guard is a connection there.
"""

# ruff: noqa: SIM905 - lists of addresses read better as words
from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from crawler.adapters.base import Predicate
from crawler.adapters.danbooru import Danbooru
from crawler.errors import BadAnswer, ConfigError, FetchError
from crawler.http.guard import BadUrl, Guard
from crawler.http.session import Session, SiteHttp
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.adapters.danbooru.posts import a_post
from tests.crawler.http.names import Names
from tests.crawler.http.proxy_server import ConnectProxy
from tests.crawler.http.server import PNG, Server, json_reply
from tests.crawler.http.wire import PUBLIC, Canary, Wire

ADDRESSES = (
    "127.0.0.1 127.255.255.254 127.1 127.0.1 127.000.000.001 2130706433 0x7f000001 0x7f.1 "
    "0x7f.0.0.1 0177.0.0.1 017700000001 0 0.0.0.0 127.0.0.1. 10.0.0.1 172.16.0.1 192.168.0.1 "
    "100.64.0.1 169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 168.63.129.16 "
    "100.100.100.200 255.255.255.255 224.0.0.1 192.0.0.8 198.18.0.1 [::1] [::] [0:0:0:0:0:0:0:1] "
    "[::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:169.254.169.254] [::127.0.0.1] "
    "[64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b:1::a00:1] [2002:7f00:1::] "
    "[2002:a9fe:a9fe::1] [2001:0:808:808::80ff:fffe] [fe80::1] [fc00::1] [fd00:ec2::254] "
    "[fec0::1] [ff02::1]"
).split()

KNOWN = {
    "localhost": ["127.0.0.1", "::1"],
    "metadata.google.internal": ["169.254.169.254"],
    "intranet.example": ["10.1.2.3"],
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::1"],
    "linklocal.example": ["fe80::1"],
}

SPELLINGS = [
    *ADDRESSES,
    "localhost",
    "LOCALHOST",
    "localhost.",
    "127。0。0。1",
    "①②⑦.0.0.1",
    *KNOWN,
]

PRIVATE = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:7f00:1", "64:ff9b::7f00:1")


@dataclass
class World:
    """An honest site, a canary, a wire between them, and a session to be led astray."""

    server: Server
    http: SiteHttp
    wire: Wire
    into: Path
    numbers: Iterator[int] = field(default_factory=count)

    async def fetched(self, url: str) -> str:
        """The reason for which a picture could not be had."""
        try:
            await self.http.fetch(Rung(url), self.into)
        except FetchError as error:
            return error.reason
        return "accepted"

    def moved(self, target: str) -> str:
        """The URL of a picture that has moved to another."""
        head = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        return self.server.on(f"/moved/{next(self.numbers)}", head.encode())


def expected(host: str, moved: bool = False) -> set[str]:
    """What may be said of a host: its spelling is refused, or else its address."""
    url = f"http://{host}/"
    try:
        Guard().check_url(url)
    except BadUrl:
        # httpx looks at the targets of redirects itself, before we do.
        return {"bad_url", "connect_failed"} if moved and not _parses(url) else {"bad_url"}
    return {"blocked_address"}


def _parses(url: str) -> bool:
    try:
        httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return True


@pytest.fixture(params=["ours", "stock", "proxy"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def world(
    transport: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[World]:
    async with Server() as server, Canary() as canary, ConnectProxy() as proxy:
        options: dict[str, Any] = {"transport": "httpx" if transport == "stock" else "aiohttp"}
        if transport == "proxy":
            options["proxy"] = proxy.url
        wire = Wire(canary, {server.port, proxy.port}).lay(monkeypatch)
        net = Net(
            allow_hosts=frozenset({server.host, proxy.host}),
            attempts=1,
            breaker_after=1000,
            **options,
        )
        site = Site("demo", "danbooru", server.url(""), 10_000.0, 8)
        async with Session(net, Stats()) as session:
            yield World(server, session.site(site), wire, tmp_path / "part")
        assert canary.reached == 0
        if transport == "proxy":
            elsewhere = {target.rpartition(":")[0].strip("[]") for target in proxy.targets}
            assert elsewhere <= {"127.0.0.1", *PUBLIC}
            assert {t for t in proxy.targets if t.startswith("127.")} <= {server.host}


def test_at_least_forty_spellings_are_refused_for_their_address() -> None:
    assert sum(expected(host) == {"blocked_address"} for host in SPELLINGS) >= 40
    assert sum(expected(host) == {"bad_url"} for host in SPELLINGS) >= 10


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_asked_for_directly(
    world: World, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    Names(monkeypatch, KNOWN)
    for host in SPELLINGS:
        assert await world.fetched(f"{scheme}://{host}/a.png") in expected(host), host
    assert world.wire.tried == []


@pytest.mark.parametrize("hops", [1, 2])
async def test_redirected_to(world: World, monkeypatch: pytest.MonkeyPatch, hops: int) -> None:
    Names(monkeypatch, KNOWN)
    for host in SPELLINGS:
        # Absolute, and with the scheme left out.
        for target in (f"http://{host}/a.png", f"//{host}/a.png"):
            url = world.moved(target)
            for _ in range(hops - 1):
                url = world.moved(url)
            assert await world.fetched(url) in expected(host, moved=True), host
    assert world.wire.tried == []
    assert len(world.server.ledger) == 2 * hops * len(SPELLINGS)


async def test_named_in_an_answer_of_the_site(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Names(monkeypatch, KNOWN)
    rows = [
        a_post(number, file_url=f"http://{host}/{number}.png", file_size=None)
        for number, host in enumerate(SPELLINGS, 1)
    ]
    world.server.on("/posts.json", json_reply(json.dumps(rows[::-1])), json_reply("[]"))
    adapter = Danbooru(Site("demo", "danbooru", world.server.url("")), Danbooru.Options())
    (part,) = adapter.partitions("hakurei_reimu", Predicate())
    pages = [page async for page in adapter.discover(part, None, world.http)]
    rungs = {c.site_id: c.ladder for page in pages for c in page.candidates}
    assert len(rungs) == len(SPELLINGS)
    for number, host in enumerate(SPELLINGS, 1):
        for rung in rungs[str(number)]:
            assert await world.fetched(rung.location) in expected(host), host
    assert sum(map(len, rungs.values())) >= 40
    assert world.wire.tried == []


@pytest.mark.parametrize("moved", [False, True])
async def test_asked_of_as_an_api(
    world: World, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    Names(monkeypatch, KNOWN)
    for host in SPELLINGS:
        url = f"http://{host}/posts.json"
        with pytest.raises((ConfigError, BadAnswer) if moved else ConfigError):
            await world.http.get_json(world.moved(url) if moved else url)
    assert world.wire.tried == []


async def test_a_name_that_is_public_first_and_then_private(
    world: World, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreachable = "proxy_failed" if transport == "proxy" else "connect_failed"
    known = {f"rebinding{n}.example": [["8.8.8.8"], [bad]] for n, bad in enumerate(PRIVATE)}
    names = Names(monkeypatch, known)
    for name in known:
        assert await world.fetched(f"http://{name}/a.png") == unreachable
        # Another port, because a transport may know the first answer for some seconds.
        assert await world.fetched(f"https://{name}/a.png") == "blocked_address", name
        assert names.asked.count(name) == 2
    assert {address for address, _ in world.wire.tried} == {"8.8.8.8"}


async def test_a_name_with_public_and_private_addresses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, list[str]] = {}
    for number, bad in enumerate(PRIVATE):
        known[f"first{number}.example"] = [bad, "8.8.8.8"]
        known[f"last{number}.example"] = ["8.8.8.8", "2606:4700:4700::1111", bad]
    Names(monkeypatch, known)
    for name in known:
        assert await world.fetched(f"http://{name}/a.png") == "blocked_address", name
        assert await world.fetched(world.moved(f"http://{name}/a.png")) == "blocked_address", name
    assert world.wire.tried == []


async def test_the_wire_leads_to_the_canary_where_nothing_guards_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Canary() as canary:
        wire = Wire(canary).lay(monkeypatch)
        for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[64:ff9b::7f00:1]"):
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(f"http://{host}/")).content == PNG
        assert (canary.reached, len(wire.tried)) == (5, 5)
