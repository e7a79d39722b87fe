"""What faults look like on the wire, byte for byte."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import pytest

from crawler.demo.faults import (
    Action,
    CloseDelimited,
    Drip,
    Fault,
    Faults,
    Informational,
    Overlong,
    Redirect,
)
from crawler.demo.posts import Post, World
from crawler.demo.site import DemoSite


@pytest.fixture
def post(world: World) -> Post:
    return world.of_kind("official_art")[0]


class Received:
    """All that came over one connection, and how it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.reset = False
        self.seconds = 0.0

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


async def raw(site: DemoSite, post: Post, until: float = 5.0) -> Received:
    """Ask for a file and read until the connection ends, or for so many seconds."""
    place = urlsplit(site.cdn_url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(
        f"GET /original/{post.media.path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
        "User-Agent: tests/1 (tests@example.org)\r\n\r\n".encode()
    )
    received, began = Received(), time.monotonic()
    try:
        async with asyncio.timeout(until):
            while data := await reader.read(65_536):
                received.data += data
    except ConnectionResetError:
        received.reset = True
    except TimeoutError:
        pass
    finally:
        received.seconds = time.monotonic() - began
        writer.close()
    return received


async def played(world: World, post: Post, action: Action, until: float = 5.0) -> Received:
    async with DemoSite(world, faults=Faults([Fault(action, post=post.id)])) as site:
        received = await raw(site, post, until)
    (entry,) = site.ledger
    assert entry.fault == type(action).__name__
    return received


async def test_a_body_drips(world: World, post: Post) -> None:
    got = await played(world, post, Drip(1000, 0.05), until=0.3)
    assert f"Content-Length: {post.media.size}".encode() in got.head
    assert 1000 <= len(got.body) <= 7000
    assert post.media.read().startswith(got.body)


async def test_a_head_drips(world: World, post: Post) -> None:
    got = await played(world, post, Drip(2, 0.05, head=True), until=0.3)
    assert b"HTTP/1.1 200 OK".startswith(got.data)
    assert 2 <= len(got.data) <= 14


async def test_a_drip_that_is_waited_for_is_the_whole_file(world: World, post: Post) -> None:
    got = await played(world, post, Drip(post.media.size // 3 + 1, 0.02))
    assert got.body == post.media.read()


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_body_ends_with_its_connection(
    world: World, post: Post, share: float, reset: bool
) -> None:
    got = await played(world, post, CloseDelimited(share, reset))
    assert b"Content-Length" not in got.head
    assert b"Connection: close" in got.head
    assert got.body == post.media.read()[: int(post.media.size * share)]
    assert got.reset == reset


async def test_more_comes_than_was_told(world: World, post: Post) -> None:
    size = post.media.size
    got = await played(world, post, Overlong(extra=b"more"))
    assert f"Content-Length: {size}".encode() in got.head
    assert got.body == post.media.read() + b"more"
    got = await played(world, post, Overlong(0.5, extra=b""))
    assert f"Content-Length: {size // 2}".encode() in got.head
    assert got.body == post.media.read()


async def test_interim_answers_come_before_the_right_one(world: World, post: Post) -> None:
    got = await played(world, post, Informational(103, 250), until=0.5)
    *hints, last = got.data[: -post.media.size].split(b"HTTP/1.1 ")[1:]
    assert [hint[:3] for hint in hints] == [b"103"] * 250
    assert last.startswith(b"200 OK")
    assert got.data.endswith(post.media.read())


async def test_interim_answers_without_end_end_with_the_client(world: World, post: Post) -> None:
    got = await played(world, post, Informational(100, None), until=0.3)
    assert got.data.count(b"HTTP/1.1 100 Continue\r\n") > 100
    assert b"HTTP/1.1 200" not in got.data


async def test_a_redirect_may_bring_a_body_nobody_needs(world: World, post: Post) -> None:
    got = await played(world, post, Redirect("/elsewhere", body=3_000_000), until=1.0)
    assert b"302 Found" in got.head
    assert got.body == bytes(3_000_000)


@pytest.mark.parametrize(
    ("action", "completed"),
    [
        (CloseDelimited(), True),
        (CloseDelimited(0.5), False),
        (CloseDelimited(reset=True), False),
        (Drip(10**9), True),
        (Overlong(), True),
    ],
    ids=repr,
)
async def test_the_ledger_tells_what_was_sent(
    world: World, post: Post, action: Action, completed: bool
) -> None:
    async with DemoSite(world, faults=Faults([Fault(action, post=post.id)])) as site:
        await raw(site, post)
    (entry,) = site.ledger
    assert (entry.status, entry.completed) == (200, completed)
    whole = not isinstance(action, CloseDelimited) or action.share == 1
    assert (entry.sent == post.media.size) == whole
