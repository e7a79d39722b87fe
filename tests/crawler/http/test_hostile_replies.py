"""Replies meant to hurt: without end, without speed, in disguise. None is waited for or read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from crawler.errors import BadAnswer, FetchError
from crawler.http import exchange
from crawler.http.session import Session, SiteHttp
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.server import PNG, Asked, Handler, Server, drip, json_reply, reply

HUGE = 300_000_000
DEADLINE = 0.6


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@asynccontextmanager
async def opened(server: Server, **options: Any) -> AsyncIterator[SiteHttp]:
    net = Net(contact="me", allow_hosts=frozenset({server.host}), attempts=1, **options)
    async with Session(net, Stats()) as session:
        yield session.site(Site("demo", "danbooru", server.url(""), 1000.0, 8))


def pouring(head: bytes, sent: list[int]) -> Handler:
    """A reply whose body never ends; ``sent`` hears how much of it went out."""

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        piece = bytes(65_536)
        while sum(sent) < HUGE:
            writer.write(piece)
            await writer.drain()
            sent.append(len(piece))

    return handler


def endless(status: int, **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Reason",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


HEADERS = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000


@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(drip(HEADERS, 0.01), id="headers"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.01, 25), id="interim replies"),
        pytest.param(drip(reply(PNG), 0.01), id="body"),
        pytest.param(drip(reply(PNG, status=404), 0.01, 80), id="body of an error"),
        pytest.param(drip(reply(PNG, status=500), 0.01, 80), id="body of a failure"),
        pytest.param(drip(json_reply("[" + " " * 5000), 0.01, 10), id="JSON"),
    ],
)
@pytest.mark.parametrize("face", ["file", "api"])
async def test_what_only_drips_ends_at_the_total_deadline(
    server: Server, tmp_path: Path, slow: Handler, face: str
) -> None:
    url = server.on("/a", slow)
    # Nothing but the total deadline can end it: every byte comes soon after the last one.
    async with opened(server, total_timeout=DEADLINE, min_rate=0.0) as http:
        began = time.monotonic()
        if face == "file":
            with pytest.raises(FetchError) as caught:
                await http.fetch(Rung(url), tmp_path / "a")
            assert (caught.value.reason, caught.value.transient) == ("timeout", True)
        else:
            with pytest.raises(BadAnswer, match="no answer"):
                await http.get_json(url)
        took = time.monotonic() - began
    assert DEADLINE <= took < DEADLINE + 0.5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(endless(302, Location="/good"), None, id="302 without end"),
        pytest.param(endless(302, Location="/good", Content_Length=str(HUGE)), None, id="302"),
        pytest.param(
            endless(200, Content_Type="image/png", Content_Encoding="gzip"),
            "bad_encoding",
            id="gzip",
        ),
        pytest.param(
            endless(200, Content_Type="image/png", Content_Encoding="br"), "bad_encoding", id="br"
        ),
        pytest.param(
            endless(200, Content_Type="image/png", Content_Encoding="zstd"),
            "bad_encoding",
            id="zstd",
        ),
        pytest.param(
            endless(200, Content_Encoding="identity, gzip"), "bad_encoding", id="two encodings"
        ),
        pytest.param(endless(200, X_Robots_Tag="noai"), "noai", id="noai"),
        pytest.param(endless(200, Content_Length=str(10**12)), "too_big", id="too big by its word"),
        pytest.param(endless(200, Content_Type="image/png"), "too_big", id="too big by its bytes"),
        pytest.param(endless(404), "http_404", id="404"),
    ],
)
async def test_bodies_that_are_not_wanted_are_not_read(
    server: Server, tmp_path: Path, head: bytes, reason: str | None
) -> None:
    sent: list[int] = []
    server.on("/good", reply(PNG))
    url = server.on("/a", pouring(head, sent))
    async with opened(server) as http:
        before = psutil.Process().memory_info().rss
        if reason is None:
            await http.fetch(Rung(url), tmp_path / "a")
            assert (tmp_path / "a").read_bytes() == PNG
        else:
            with pytest.raises(FetchError) as caught:
                await http.fetch(Rung(url), tmp_path / "a", max_bytes=2_000_000)
            assert caught.value.reason == reason
        await asyncio.sleep(0.1)
        assert psutil.Process().memory_info().rss - before < 32 << 20
    # What the buffers of two sockets and a few reads hold.
    assert sum(sent) < 16 << 20


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "x-unknown", "gzip, identity"])
async def test_compressed_answers_of_an_api_are_refused_unread(server: Server, coding: str) -> None:
    sent: list[int] = []
    url = server.on("/p.json", pouring(endless(200, Content_Encoding=coding), sent))
    async with opened(server) as http:
        with pytest.raises(BadAnswer, match="compressed"):
            await http.get_json(url)
    assert sum(sent) < 16 << 20


async def test_one_slow_host_does_not_slow_another(server: Server, tmp_path: Path) -> None:
    slow = server.on("/slow", drip(reply(PNG), 0.01))
    async with Server() as other:
        good = other.on("/good", reply(PNG))
        net = Net(contact="me", allow_hosts=frozenset({server.host, other.host}))
        async with Session(net, Stats()) as session:
            http = session.site(Site("demo", "danbooru", server.url(""), 1000.0, 8))
            stuck = [
                asyncio.create_task(http.fetch(Rung(slow), tmp_path / f"s{n}")) for n in range(16)
            ]
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await asyncio.gather(*(http.fetch(Rung(good), tmp_path / f"{n}") for n in range(50)))
            assert time.monotonic() - began < 2.0
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)


async def test_an_error_whose_page_drips_is_known_by_its_status_soon(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "PEEK_SECONDS", 0.2)
    server.on("/busy", drip(reply(bytes(9_000), status=503), 0.01, 90))
    began = time.monotonic()
    async with opened(server) as http:
        with pytest.raises(FetchError) as told:
            await http.fetch(Rung(server.url("/busy")), tmp_path / "file")
    assert told.value.reason == "http_5xx"
    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_an_error_in_the_smallest_of_chunks_holds_up_nobody(
    server: Server, tmp_path: Path, transport: str
) -> None:
    async def crumbs(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            writer.write(b"1\r\nx\r\n" * 1_000)
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    server.on("/busy", crumbs)
    began = time.process_time()
    async with opened(server, transport=transport) as http:
        with pytest.raises(FetchError) as told:
            await http.fetch(Rung(server.url("/busy")), tmp_path / "file")
    assert told.value.reason == "http_5xx"
    assert time.process_time() - began < 3


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
@pytest.mark.parametrize("piece", ["HTTP/1.1 103 Early Hints\r\n\r\n", "A: 1\r\n"])
async def test_a_head_without_end_is_given_up_after_the_read_timeout(
    server: Server, tmp_path: Path, transport: str, piece: str
) -> None:
    async def dripping(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" if piece.startswith("A") else b"")
        while not writer.is_closing():
            writer.write(piece.encode())
            await writer.drain()
            await asyncio.sleep(0.05)

    url = server.on("/a.png", dripping)
    began = time.monotonic()
    async with opened(server, transport=transport, read_timeout=0.4) as http:
        with pytest.raises(FetchError) as told:
            await http.fetch(Rung(url), tmp_path / "file")
    assert told.value.reason == "timeout"
    assert 0.4 <= time.monotonic() - began < 1.2
