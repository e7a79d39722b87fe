"""Sockets are few, hosts many: who waits for one still hears what the host says meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from crawler.errors import FetchError
from crawler.http.guard import Guard
from crawler.http.politeness import Politeness
from crawler.http.retry import Trouble
from crawler.http.session import Session
from crawler.http.transports import make_transport
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.names import Names
from tests.crawler.http.server import PNG, Server, reply, slowly
from tests.crawler.http.transports import client_of, made

FAST = 1e6


@pytest.fixture
async def busy() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture(params=["aiohttp", "httpx"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def net_of(*servers: Server, **options: Any) -> Net:
    hosts = frozenset(server.host for server in servers)
    return Net(**{"contact": "me", "allow_hosts": hosts, "retry_first": 0.01, **options})


# In a session


@pytest.mark.parametrize(
    ("transport", "connections"), [("aiohttp", 2), ("httpx", 2), ("httpx", 64)]
)
async def test_who_waited_for_a_socket_obeys_what_the_host_said_meanwhile(
    busy: Server, server: Server, tmp_path: Path, transport: str, connections: int
) -> None:
    """All sockets are taken; the first request that gets one is refused for a second."""
    slow = busy.on("/slow", slowly(reply(PNG), 0.6))
    url = server.on("/a.png", reply(status=429, Retry_After="1"), reply(PNG))
    net = net_of(busy, server, transport=transport, connections=connections)
    real = min(connections, 16) if transport == "httpx" else connections
    async with Session(net, Stats()) as session:
        quick = session.site(Site("busy", "danbooru", busy.url(""), FAST, 64))
        polite = session.site(Site("demo", "danbooru", server.url(""), 5.0, 8))
        taking = [
            asyncio.create_task(quick.fetch(Rung(slow), tmp_path / f"s{number}"))
            for number in range(real)
        ]
        await asyncio.sleep(0.2)
        assert len(busy.ledger) == real
        await asyncio.gather(
            *taking, *(polite.fetch(Rung(url), tmp_path / f"{number}") for number in range(4))
        )
    refused, *others = (asked.at for asked in server.ledger)
    assert min(others) - refused >= 0.99
    assert min(later - earlier for earlier, later in pairwise(others)) >= 0.18


async def test_the_wait_for_a_socket_is_no_part_of_the_deadline(
    busy: Server, server: Server, tmp_path: Path, transport: str
) -> None:
    slow = busy.on("/slow", slowly(reply(PNG), 0.3))
    url = server.on("/a.png", reply(PNG))
    net = net_of(busy, server, transport=transport, connections=1, total_timeout=0.5, attempts=1)
    async with Session(net, Stats()) as session:
        quick = session.site(Site("busy", "danbooru", busy.url(""), FAST, 64))
        other = session.site(Site("demo", "danbooru", server.url(""), FAST, 8))
        await asyncio.gather(
            *(quick.fetch(Rung(slow), tmp_path / f"s{number}") for number in range(3)),
            *(other.fetch(Rung(url), tmp_path / f"{number}") for number in range(3)),
        )
    assert len(server.ledger) == 3


async def test_what_the_host_says_while_a_connection_opens_holds_the_request_back(
    server: Server, tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two spellings of one host, because a transport may know a name's address for a while."""
    known = {"slow.example": ["127.0.0.1"]}
    names = Names(monkeypatch, known, delays={"slow.example.": 0.5})
    server.on("/refuses", reply(status=429, Retry_After="1"), reply(PNG))
    server.on("/a.png", reply(PNG))
    hosts = frozenset(f"{name}:{server.port}" for name in ("slow.example", "slow.example."))
    net = net_of(allow_hosts=hosts, transport=transport)
    stats = Stats()
    async with Session(net, stats) as session:
        http = session.site(Site("demo", "danbooru", server.url(""), FAST, 8))

        def fetched(name: str, path: str) -> Any:
            return http.fetch(Rung(f"http://{name}:{server.port}{path}"), tmp_path / path[1:])

        opening = asyncio.create_task(fetched("slow.example.", "/a.png"))
        await asyncio.sleep(0.1)
        await asyncio.gather(opening, fetched("slow.example", "/refuses"))
    assert names.asked[:2] == ["slow.example.", "slow.example"]
    refused, *others = (asked.at for asked in server.ledger)
    assert len(others) == 2
    assert min(others) - refused >= 0.99


# In politeness alone


def polite(room: int, stats: Stats | None = None, **options: Any) -> Politeness:
    return Politeness(Net(**options), stats or Stats(), room=room)


async def test_there_is_room_for_no_more_requests_than_sockets() -> None:
    politeness, now, most = polite(3), 0, 0

    async def worker(host: str) -> None:
        nonlocal now, most
        async with politeness.slot(host, FAST, 8):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1

    await asyncio.gather(*(worker(f"host{number % 4}:80") for number in range(40)))
    assert most == 3


async def test_a_host_that_is_left_alone_takes_no_room_from_others() -> None:
    politeness = polite(1)
    async with politeness.slot("cooling:80", FAST, 1):
        await politeness.refused("cooling:80", 0.5, "HTTP 429", asked_at=time.monotonic())

    async def worker(host: str, rate: float) -> float:
        async with politeness.slot(host, rate, 1):
            return time.monotonic() - began

    began = time.monotonic()
    paced = [asyncio.create_task(worker("paced:80", 4.0)) for _ in range(3)]
    cooled = asyncio.create_task(worker("cooling:80", FAST))
    await asyncio.sleep(0.01)
    assert max([await worker("other:80", FAST) for _ in range(20)]) < 0.2
    assert await cooled >= 0.48
    assert [await each for each in paced][-1] >= 0.48


async def test_who_waits_for_room_has_used_up_neither_a_turn_nor_the_probe() -> None:
    politeness = polite(1, breaker_after=1, cooldown_first=0.01)
    with pytest.raises(Trouble):
        async with politeness.slot("down:80", FAST, 8):
            raise Trouble("http_5xx", transient=True)
    order: list[str] = []

    async def probe(name: str) -> None:
        async with politeness.slot("down:80", FAST, 8):
            order.append(name)
            politeness.served("down:80")

    async with politeness.slot("busy:80", FAST, 1):
        await asyncio.sleep(0.03)
        first, second = (asyncio.create_task(probe(name)) for name in ("first", "second"))
        await asyncio.sleep(0.03)
        assert politeness._hosts["down:80"].breaker.held(time.monotonic()) <= 0
        first.cancel()
    await asyncio.wait_for(second, 1.0)
    assert order == ["second"]


async def test_cancelled_at_any_moment_it_gives_its_room_back() -> None:
    politeness = polite(2)

    async def worker(host: str) -> None:
        async with politeness.slot(host, 200.0, 2):
            await asyncio.sleep(0.005)

    for step in range(60):
        tasks = [asyncio.create_task(worker(f"host{number % 3}:80")) for number in range(6)]
        await asyncio.sleep(step * 0.0005)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for number in range(4):
        async with asyncio.timeout(1.0), politeness.slot(f"new{number}:80", FAST, 1):
            assert politeness._room._value == 1


async def test_a_request_that_had_its_turn_is_held_back_without_costing_a_try() -> None:
    politeness = polite(4)
    async with politeness.slot("a:80", FAST, 4):
        politeness.check("a:80")
        await politeness.refused("a:80", 0.2, "HTTP 429", asked_at=time.monotonic())
        with pytest.raises(FetchError) as held:
            politeness.check("a:80")
    assert isinstance(held.value, Trouble)
    assert (held.value.reason, held.value.transient, held.value.free) == (
        "rate_limited",
        True,
        True,
    )


# In the transports


@pytest.mark.parametrize(
    ("options", "sockets"),
    [
        ({}, 64),
        ({"connections": 5}, 5),
        ({"transport": "httpx"}, 16),
        ({"transport": "httpx", "connections": 5}, 5),
        ({"proxy": "http://127.0.0.1:3128"}, 16),
    ],
)
async def test_a_transport_says_how_many_sockets_it_really_opens(
    options: dict[str, Any], sockets: int
) -> None:
    transport = make_transport(Net(**options), Guard())
    assert transport.connections == sockets
    await transport.aclose()


@pytest.mark.parametrize("kind", ["ours", "stock"])
async def test_the_last_look_is_taken_with_a_connection_and_before_the_request(
    kind: str, server: Server
) -> None:
    class Early(Exception):
        pass

    seen: list[tuple[int, int]] = []

    def connected() -> None:
        seen.append((server.connections, len(server.ledger)))
        if len(seen) == 1:
            raise Early

    url = server.on("/a.png", reply(PNG))
    async with client_of(made(kind, server.host, connections=1)) as client:
        extensions = {"connected": connected, "timeout": httpx.Timeout(1.0, pool=None).as_dict()}
        with pytest.raises(Early):
            await client.get(url, extensions=extensions)
        assert (await client.get(url, extensions=extensions)).content == PNG
        assert (await client.get(url)).content == PNG
    assert [asked for _, asked in seen] == [0, 0]
    assert len(server.ledger) == 2
