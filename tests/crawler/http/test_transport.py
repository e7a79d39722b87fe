"""Conformance: both transports treat bad, odd and good servers alike.

Where they rightly differ, the test says so: ours is stricter, the stock one uses no connection
twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import traceback
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.crawler.http.server import (
    PNG,
    Handler,
    Server,
    drip,
    reply,
    slowly,
    then_close,
    then_reset,
)
from tests.crawler.http.transports import KINDS, client_of, made, until


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def client(kind: str, server: Server) -> AsyncIterator[httpx.AsyncClient]:
    hosts = (server.host, "127.0.0.1:1", f"localhost:{server.port}")
    async with client_of(made(kind, *hosts)) as client:
        yield client


@pytest.fixture
async def ours(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(made("ours", server.host)) as client:
        yield client


async def test_a_good_reply_arrives_whole(client: httpx.AsyncClient, server: Server) -> None:
    url = server.on("/a.png", reply(PNG, X_Dup="a", x_dup="b", ETag='"e"'))
    response = await client.get(url)
    assert (response.status_code, response.content) == (200, PNG)
    assert response.headers.get_list("x-dup") == ["a", "b"]
    assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "Reason")


async def test_ours_uses_connections_again_and_the_stock_one_never(
    kind: str, client: httpx.AsyncClient, server: Server
) -> None:
    url = server.on("/a.png", reply(PNG))
    for _ in range(10):
        await client.get(url)
    assert server.connections == (1 if kind == "ours" else 10)


async def test_refused_connections_are_connect_errors(client: httpx.AsyncClient) -> None:
    with pytest.raises(httpx.ConnectError):
        await client.get("http://127.0.0.1:1/")


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(then_close(b""), id="closed before the reply"),
        pytest.param(then_reset(), id="reset before the reply"),
        pytest.param(then_close(b"HTTP/1.1 200 OK\r\nContent-Le"), id="closed in the head"),
        pytest.param(then_close(CUT), id="closed in the body"),
        pytest.param(then_reset(CUT), id="reset in the body"),
        pytest.param(then_close(CHUNKED + b"5\r\nhello\r\n"), id="no last chunk"),
        pytest.param(then_close(CHUNKED + b"5\r\nhel"), id="cut in a chunk"),
        pytest.param(then_close(CHUNKED + b"5\r\nhello\r\n0\r\n"), id="no last line"),
        pytest.param(then_close(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"), id="bad chunk size"),
        pytest.param(then_close(b"HTP/1.1 200 OK\r\n\r\n"), id="bad protocol"),
        pytest.param(then_close(b"garbage\r\n\r\n"), id="garbage"),
        pytest.param(then_close(b"HTTP/1.1 abc OK\r\n\r\n"), id="bad status"),
        pytest.param(then_close(b"ICY 200 OK\r\n\r\n"), id="another protocol"),
        pytest.param(then_close(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), id="TLS bytes"),
        pytest.param(then_close(b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n"), id="no colon"),
        pytest.param(then_close(b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), id="space before colon"),
        pytest.param(then_close(b"HTTP/1.1 200 OK\r\nA(b): c\r\n\r\n"), id="bad header name"),
        pytest.param(then_close(b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n"), id="NUL in a header"),
        pytest.param(
            then_close(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), id="negative length"
        ),
        pytest.param(
            then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
            id="two lengths",
        ),
    ],
)
async def test_broken_replies_are_errors_and_the_next_request_is_fine(
    client: httpx.AsyncClient, server: Server, answer: Handler
) -> None:
    url = server.on("/a.png", answer)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(url)
    assert (await client.get(server.on("/b.png", reply(PNG)))).content == PNG


TWO_LENGTHS = b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"
LENGTH_AND_CHUNKS = b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize("framing", [TWO_LENGTHS, LENGTH_AND_CHUNKS], ids=["lengths", "both"])
async def test_ours_refuses_doubtful_framing_that_the_stock_one_can_read(
    kind: str, client: httpx.AsyncClient, server: Server, framing: bytes
) -> None:
    url = server.on("/a.png", then_close(b"HTTP/1.1 200 OK\r\n" + framing))
    if kind == "ours":
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    else:
        assert (await client.get(url)).content == b"ok"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        pytest.param(reply(PNG, status=999), 999, PNG, id="an unknown status"),
        pytest.param(reply(PNG, status=206), 206, PNG, id="a part"),
        pytest.param(reply(b"", status=416), 416, b"", id="no such part"),
        pytest.param(b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", id="no reason"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok", id="bare LF"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
            200,
            b"ok",
            id="a folded header",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: \xe9\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", id="latin-1"
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            + reply(PNG),
            200,
            PNG,
            id="hints before the reply",
        ),
        pytest.param(then_close(b"HTTP/1.0 200 OK\r\n\r\nok"), 200, b"ok", id="HTTP/1.0"),
    ],
)
async def test_odd_replies_are_read(
    client: httpx.AsyncClient, server: Server, answer: bytes | Handler, status: int, body: bytes
) -> None:
    response = await client.get(server.on("/a.png", answer))
    assert (response.status_code, response.content) == (status, body)


async def test_a_head_request_waits_for_no_body(client: httpx.AsyncClient, server: Server) -> None:
    url = server.on("/a.png", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    assert (await client.head(url)).headers["content-length"] == "5000"


@pytest.mark.parametrize("status", [204, 304])
async def test_replies_without_a_body(
    client: httpx.AsyncClient, server: Server, status: int
) -> None:
    head = f"HTTP/1.1 {status} Reason\r\nETag: x\r\n\r\n".encode()
    response = await client.get(server.on("/a.png", head))
    assert (response.status_code, response.content) == (status, b"")


async def test_a_body_that_ends_with_the_connection(
    client: httpx.AsyncClient, server: Server
) -> None:
    url = server.on("/a.png", then_close(b"HTTP/1.1 200 OK\r\n\r\n" + PNG))
    assert (await client.get(url)).content == PNG


async def test_a_reset_is_not_taken_for_the_end_of_such_a_body(
    client: httpx.AsyncClient, server: Server
) -> None:
    url = server.on("/a.png", then_reset(b"HTTP/1.1 200 OK\r\n\r\n" + PNG))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(url)


async def test_silence_ends_in_a_read_timeout(client: httpx.AsyncClient, server: Server) -> None:
    head = server.on("/head", slowly(reply(PNG), 30.0))
    body = server.on("/body", drip(CUT, 30.0, piece=400))
    for url in (head, body):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(url, timeout=httpx.Timeout(0.2, pool=None))


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(drip(reply(PNG), 0.05), id="a head that drips"),
        pytest.param(drip(CUT, 0.05, piece=60), id="a body that drips"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 900, 0.05, piece=25), id="hints only"),
    ],
)
async def test_a_deadline_ends_what_no_timeout_would(
    client: httpx.AsyncClient, server: Server, endless: Handler
) -> None:
    url = server.on("/a.png", endless)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await client.get(url, timeout=httpx.Timeout(0.3, pool=None))
    assert (await client.get(server.on("/b.png", reply(PNG)))).content == PNG


async def test_a_body_is_read_no_faster_than_it_is_wanted(
    client: httpx.AsyncClient, server: Server
) -> None:
    sent = 0

    async def large(asked: object, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with client.stream("GET", server.on("/a.png", large)) as response:
        await anext(response.aiter_raw())
        await asyncio.sleep(0.3)
        assert sent < 20_000_000


async def test_redirects_are_left_to_the_caller_and_their_bodies_unread(
    client: httpx.AsyncClient, server: Server
) -> None:
    sent = 0

    async def endless(asked: object, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            sent += 1_000_000

    url = server.on("/a", endless)
    async with client.stream("GET", url) as response:
        assert (response.status_code, response.headers["location"]) == (302, "/b")
    await asyncio.sleep(0.1)
    assert sent < 20_000_000
    assert (await client.get(server.on("/b", reply(PNG)))).content == PNG


@pytest.mark.parametrize(
    "target",
    [
        "/a%2fb.png",
        "/%7Euser/%41.png",
        "/a/%2e%2e/b",
        "/a//b///c",
        "/a;x=1,2/b",
        "/?u=http%3A%2F%2Fe%2Fz",
        "/?q=a+b&q=c%20d",
        "/?x=%5Bx%5D&e=",
        "/?sig=ab%2Bcd%3D%3D",
        "/?q='%27",
        "/%E6%9D%B1%E6%96%B9.png",
        "/a:b@c",
    ],
)
async def test_urls_are_sent_as_they_were_written(
    client: httpx.AsyncClient, server: Server, target: str
) -> None:
    server.on(target.partition("?")[0], reply(PNG))
    await client.get(server.url(target))
    assert server.ledger[-1].target == target


async def test_headers_are_sent_as_given_and_none_is_added(
    client: httpx.AsyncClient, server: Server
) -> None:
    url = server.on("/a.png", reply(PNG))
    request = httpx.Request("GET", url, headers={"User-Agent": "trawl/1"})
    await client.send(request)
    assert server.ledger[-1].headers == {"host": server.host, "user-agent": "trawl/1"}


async def test_a_line_break_in_a_header_is_not_sent(
    client: httpx.AsyncClient, server: Server
) -> None:
    with pytest.raises(httpx.LocalProtocolError):
        await client.get(server.url("/a.png"), headers={"X": "a\r\nEvil: b"})
    assert not server.ledger


async def test_compressed_bodies_are_not_touched(client: httpx.AsyncClient, server: Server) -> None:
    url = server.on("/a.png", reply(b"\x1f\x8bnot really", Content_Encoding="gzip"))
    async with client.stream("GET", url) as response:
        assert b"".join([c async for c in response.aiter_raw()]) == b"\x1f\x8bnot really"


async def test_after_a_storm_of_cancelled_requests_twenty_good_ones_arrive(
    client: httpx.AsyncClient, server: Server
) -> None:
    slow = server.on("/slow", drip(reply(PNG), 0.001, piece=500))
    chance = random.Random(7)

    async def cut_short() -> None:
        await asyncio.wait_for(client.get(slow), chance.uniform(0.0, 0.2))

    ends = await asyncio.gather(*(cut_short() for _ in range(300)), return_exceptions=True)
    assert sum(isinstance(end, TimeoutError) for end in ends) > 100
    url = server.on("/a.png", reply(PNG))
    good = await asyncio.gather(*(client.get(url) for _ in range(20)))
    assert all(response.content == PNG for response in good)
    await client.aclose()
    await until(lambda: server.open == 0)


async def test_closing_while_a_body_is_read_ends_the_reader(
    client: httpx.AsyncClient, server: Server
) -> None:
    url = server.on("/a.png", drip(reply(PNG), 5.0, piece=2000))
    reading = asyncio.create_task(client.get(url, timeout=None))
    await asyncio.sleep(0.2)
    await client._transport.aclose()
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await asyncio.wait_for(reading, 1.0)


async def test_an_unsolicited_second_reply_is_never_served(
    client: httpx.AsyncClient, server: Server
) -> None:
    server.on("/a.png", reply(PNG) + reply(b"EVIL"))
    assert (await client.get(server.url("/a.png"))).content == PNG
    assert (await client.get(server.on("/b.png", reply(PNG)))).content == PNG


@pytest.mark.parametrize("status", [204, 304])
async def test_a_body_where_none_may_be_harms_no_other_request(
    kind: str, client: httpx.AsyncClient, server: Server, status: int
) -> None:
    head = f"HTTP/1.1 {status} Reason\r\n".encode()
    url = server.on("/a.png", head + b"Content-Length: 4\r\n\r\nEVIL")
    if kind == "ours":
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    else:
        assert (await client.get(url)).content == b""
    assert (await client.get(server.on("/b.png", reply(PNG)))).content == PNG


@pytest.mark.parametrize("ending", [then_close(b""), then_reset()], ids=["closed", "reset"])
async def test_a_request_is_never_repeated_behind_our_back(
    kind: str, client: httpx.AsyncClient, server: Server, ending: Handler
) -> None:
    await client.get(server.on("/a.png", reply(PNG)))
    url = server.on("/b.png", ending)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.get(url)
    assert len(server.asked("/b.png")) == 1
    assert server.connections == (1 if kind == "ours" else 2)


async def test_long_headers_are_read_and_endless_ones_refused(
    client: httpx.AsyncClient, server: Server
) -> None:
    sent = 0

    async def endless(asked: object, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(ConnectionError):
            for number in range(1_000_000):
                writer.write(b"X-%d: %s\r\n" % (number, b"v" * 1000))
                await writer.drain()
                sent += 1000

    for length in (9_000, 60_000):
        url = server.on("/long", reply(PNG, X_Long="a" * length))
        assert (await client.get(url)).content == PNG
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(server.on("/longer", then_close(reply(PNG, X_Long="a" * 300_000))))
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(server.on("/endless", endless))
    assert sent < 20_000_000


async def test_ours_counts_headers_and_the_stock_one_their_bytes(
    kind: str, client: httpx.AsyncClient, server: Server
) -> None:
    many: dict[str, Any] = {f"X-{number}": "v" for number in range(1000)}
    url = server.on("/many", then_close(reply(PNG, **many)))
    if kind == "ours":
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    else:
        assert (await client.get(url)).content == PNG


async def test_errors_do_not_repeat_keys_of_the_url(
    client: httpx.AsyncClient, server: Server
) -> None:
    url, key = server.on("/a.png", then_close(b"garbage\r\n\r\n")), "canary".upper()
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        await client.get(f"{url}?api_key={key}", headers={"Authorization": key})
    assert key not in "".join(traceback.format_exception(caught.value))
