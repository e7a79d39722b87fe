"""Broken downloads go on where they stopped, and never join two versions of a file."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import FetchError
from crawler.http.resume import Part
from crawler.http.session import Session, SiteHttp
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.server import PNG, Asked, Handler, Server, html_reply, reply

FIRST = PNG + random.Random(1).randbytes(3_000_000)
SECOND = PNG + random.Random(2).randbytes(3_000_000)
OTHER_LENGTH = SECOND + b"more"
DAY = "Wed, 21 Oct 2015 07:28:00 GMT"
NEXT_DAY = "Thu, 22 Oct 2015 07:28:00 GMT"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "part"


@asynccontextmanager
async def opened(
    *servers: Server, stats: Stats | None = None, **options: Any
) -> AsyncIterator[SiteHttp]:
    quick = {"retry_first": 0.01, "retry_longest": 0.02, "breaker_after": 99, "contact": "me"}
    hosts = frozenset(server.host for server in servers)
    net = Net(allow_hosts=hosts, **{"resume_from": 1_000_000, **quick, **options})
    async with Session(net, stats or Stats()) as session:
        yield session.site(Site("demo", "danbooru", servers[0].url(""), 1000.0, 8))


@dataclass
class Version:
    """One state of a file at the server. ``cut`` is how many bytes of it a reply sends."""

    body: bytes = FIRST
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"1"'})
    cut: int | None = None
    how: str = "close"
    shift: int = 0
    """By how much a 206 starts elsewhere than it was asked to."""
    total: int = 0
    """By how much the length in a 206 is wrong."""
    said: int = 0
    """By how much the start that a 206 tells is wrong, while the right bytes come."""
    ranges: bool = True
    status: int | None = None


def plays(*versions: Version) -> Handler:
    """A server of ranges: each request meets the next version, the last one stays."""
    left = list(versions)

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        this = left.pop(0) if len(left) > 1 else left[0]
        writer.write(answer_of(this, asked.headers))
        if this.cut is None or (this.status or 0) >= 400:
            return
        await writer.drain()
        if this.how == "stall":
            await asyncio.sleep(60.0)
        if this.how == "reset":
            await asyncio.sleep(0.05)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()

    return handler


def answer_of(this: Version, asked: dict[str, str]) -> bytes:
    if this.status is not None:
        return reply(b"no", status=this.status, kind="text/plain")
    wanted, condition = asked.get("range"), asked.get("if-range")
    if wanted and this.ranges and condition in this.headers.values():
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) + this.shift
        part, total = this.body[start:], len(this.body) + this.total
        where = f"bytes {start + this.said}-{total - 1}/{total}"
        headers = {**this.headers, "Content-Range": where}
        return head(206, len(part), headers) + part[: this.cut]
    return head(200, len(this.body), this.headers) + this.body[: this.cut]


def head(status: int, length: int, headers: dict[str, str]) -> bytes:
    return reply(b"", status=status, length=length, **headers)


@pytest.mark.parametrize("how", ["close", "reset", "stall"])
async def test_a_broken_transfer_goes_on_where_it_stopped(
    server: Server, into: Path, how: str
) -> None:
    stats = Stats()
    broken = Version(cut=2_000_000, how=how)
    url = server.on("/a.png", plays(broken, Version(cut=500_000, how=how), Version()))
    async with opened(server, stats=stats, read_timeout=0.3) as http:
        got = await http.fetch(Rung(url), into)
    assert into.read_bytes() == FIRST
    assert got.sha256 == hashlib.sha256(FIRST).hexdigest()
    assert (got.bytes, got.md5) == (len(FIRST), md5(FIRST))
    ranges = [asked.headers.get("range") for asked in server.ledger]
    # What was on its way when the connection broke is lost, and asked for again.
    assert ranges[0] is None
    assert [text.startswith("bytes=") for text in ranges[1:] if text] == [True, True]
    assert all(asked.headers["if-range"] == '"1"' for asked in server.ledger[1:])
    # No byte that was received is asked for a second time.
    assert stats.bytes_fetched == len(FIRST)
    assert all(asked.headers["accept-encoding"] == "identity" for asked in server.ledger)


async def test_the_total_deadline_and_the_least_rate_break_transfers_too(
    server: Server, into: Path
) -> None:
    stalled = Version(cut=2_500_000, how="stall")
    url = server.on("/a.png", plays(stalled, Version()))
    async with opened(server, total_timeout=0.5) as http:
        await http.fetch(Rung(url), into)
    assert into.read_bytes() == FIRST
    assert server.ledger[1].headers["range"].startswith("bytes=")


async def test_trouble_between_the_tries_forgets_nothing(server: Server, into: Path) -> None:
    url = server.on(
        "/a.png",
        plays(Version(cut=2_000_000), Version(status=503), Version(status=429), Version()),
    )
    async with opened(server, cooldown_first=0.05) as http:
        await http.fetch(Rung(url), into)
    assert into.read_bytes() == FIRST
    assert server.ledger[1].headers["range"] == server.ledger[3].headers["range"]


CLAIMED = "claimed"


@pytest.mark.parametrize(
    ("headers", "rung", "goes_on"),
    [
        pytest.param({"ETag": '"1"'}, "", True, id="strong ETag"),
        pytest.param({"ETag": 'W/"1"'}, "", False, id="weak ETag"),
        pytest.param({"ETag": "1"}, "", False, id="ETag without quotes"),
        pytest.param({"Last-Modified": DAY}, "", False, id="date alone"),
        pytest.param({"Last-Modified": DAY}, CLAIMED, True, id="date and md5"),
        pytest.param({"ETag": 'W/"1"'}, CLAIMED, False, id="weak ETag and md5"),
        pytest.param({"ETag": 'W/"1"', "Last-Modified": DAY}, CLAIMED, True, id="date, weak, md5"),
        pytest.param({}, CLAIMED, False, id="md5 alone"),
    ],
)
async def test_only_a_promise_of_the_same_version_is_relied_on(
    server: Server, into: Path, headers: dict[str, str], rung: str, goes_on: bool
) -> None:
    version = Version(headers=headers)
    url = server.on("/a.png", plays(replace(version, cut=2_000_000), version))
    async with opened(server) as http:
        await http.fetch(Rung(url, md5=md5(FIRST) if rung else None), into)
    assert into.read_bytes() == FIRST
    assert ("range" in server.ledger[1].headers) is goes_on


@pytest.mark.parametrize(
    ("options", "body"),
    [({"resume_from": len(FIRST) + 1}, FIRST), ({}, PNG)],
    ids=["below the setting", "small"],
)
async def test_small_files_start_anew(
    server: Server, into: Path, options: dict[str, int], body: bytes
) -> None:
    url = server.on("/a.png", plays(Version(body, cut=len(body) - 10), Version(body)))
    async with opened(server, **options) as http:
        await http.fetch(Rung(url), into)
    assert into.read_bytes() == body
    assert "range" not in server.ledger[1].headers


@dataclass
class Change:
    """What the server does once a transfer broke; the last version is what must arrive."""

    before: Version
    after: list[Version]
    claimed: bool = False
    tries: int = 3


CUT = Version(cut=2_000_000)
NEW = {"ETag": '"2"'}
CHANGES = {
    "another ETag": Change(CUT, [Version(SECOND, NEW)], tries=2),
    "another ETag, another length": Change(CUT, [Version(OTHER_LENGTH, NEW)], tries=2),
    "another ETag, with a 206 all the same": Change(
        CUT, [Version(SECOND, {"ETag": '"2"', "X": '"1"'}), Version(SECOND, NEW)]
    ),
    "a 206 without the ETag": Change(CUT, [Version(SECOND, {"X": '"1"'}), Version(SECOND, NEW)]),
    "the same ETag, another md5": Change(CUT, [Version(SECOND), Version(SECOND)], claimed=True),
    "the same date, another md5": Change(
        Version(headers={"Last-Modified": DAY}, cut=2_000_000),
        [Version(SECOND, {"Last-Modified": DAY})],
        claimed=True,
    ),
    "another date": Change(
        Version(headers={"Last-Modified": DAY}, cut=2_000_000),
        [Version(SECOND, {"Last-Modified": NEXT_DAY})],
        claimed=True,
        tries=2,
    ),
    "a shifted start": Change(CUT, [Version(shift=-7), Version(FIRST)]),
    "a shifted start that it hides": Change(
        CUT, [Version(shift=-7, said=7), Version(FIRST)], claimed=True
    ),
    "the right bytes, said to be others": Change(CUT, [Version(said=1), Version(FIRST)]),
    "another total": Change(CUT, [Version(total=5), Version(FIRST)]),
    "a file that shrank below what is here": Change(
        CUT, [Version(SECOND[:1_500_000]), Version(SECOND[:1_500_000])]
    ),
    "416": Change(CUT, [Version(status=416), Version(SECOND, NEW)]),
    "no ranges": Change(CUT, [Version(FIRST, ranges=False)], tries=2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_two_versions_are_never_joined(server: Server, into: Path, change: Change) -> None:
    last = change.after[-1].body
    url = server.on("/a.png", plays(change.before, *change.after))
    async with opened(server) as http:
        got = await http.fetch(Rung(url, md5=md5(last) if change.claimed else None), into)
    assert into.read_bytes() == last
    assert (got.sha256, got.bytes) == (hashlib.sha256(last).hexdigest(), len(last))
    assert "range" in server.ledger[1].headers
    assert "range" not in server.ledger[-1].headers or change.tries == 2
    assert len(server.ledger) == change.tries


async def test_200_versions_changing_at_random_are_never_joined(
    server: Server, tmp_path: Path
) -> None:
    chance = random.Random(3)
    bodies = {tag: PNG + random.Random(tag).randbytes(60_000) for tag in range(4)}
    known = {hashlib.sha256(body).hexdigest() for body in bodies.values()}

    def version() -> Version:
        tag = chance.randrange(4)
        lies = {"shift": -3} if chance.random() < 0.1 else {}
        lies |= {"total": 2} if chance.random() < 0.1 else {}
        cut = chance.randrange(len(PNG), 60_000) if chance.random() < 0.6 else None
        return Version(bodies[tag], {"ETag": f'"{tag}"'}, cut=cut, **lies)

    async with opened(server, resume_from=10_000, attempts=8, retry_floor=1e6) as http:
        ends = await asyncio.gather(
            *(
                http.fetch(
                    Rung(server.on(f"/{n}", plays(*(version() for _ in range(8))))),
                    tmp_path / str(n),
                )
                for n in range(200)
            ),
            return_exceptions=True,
        )
    arrived = [end for end in ends if not isinstance(end, BaseException)]
    assert all(isinstance(end, FetchError) for end in ends if isinstance(end, BaseException))
    assert len(arrived) > 150
    assert all(hashlib.sha256(end.path.read_bytes()).hexdigest() in known for end in arrived)
    assert all(end.sha256 in known for end in arrived)
    assert sum("range" in asked.headers for asked in server.ledger) > 100
    assert len(list(tmp_path.iterdir())) == len(arrived)


async def test_a_redirect_elsewhere_is_asked_for_all_of_it(server: Server, into: Path) -> None:
    first, second = server.on("/1.png", plays(CUT)), server.on("/2.png", plays(Version(SECOND)))
    url = server.on("/a.png", reply(status=302, Location=first), reply(status=302, Location=second))
    async with opened(server) as http:
        await http.fetch(Rung(url), into)
    assert into.read_bytes() == SECOND
    assert all("range" not in asked.headers for asked in server.ledger)


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(plays(Version(cut=100_000)), id="broken again and again"),
        pytest.param(reply(status=404), id="gone"),
        pytest.param(html_reply("<html>"), id="a page"),
        pytest.param(plays(Version(headers={"ETag": '"1"', "X-Robots-Tag": "noai"})), id="noai"),
        pytest.param(
            plays(Version(headers={"ETag": '"1"', "Content-Encoding": "br"})), id="compressed"
        ),
    ],
)
async def test_a_request_that_fails_in_the_end_leaves_no_part_of_a_file(
    server: Server, into: Path, last: bytes | Handler
) -> None:
    url = server.on("/a.png", plays(CUT), last)
    async with opened(server) as http:
        with pytest.raises(FetchError):
            await http.fetch(Rung(url), into)
    assert "range" in server.ledger[1].headers
    assert not into.exists()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("where", ["in the back-off", "while going on"])
async def test_a_cancelled_request_leaves_no_part_of_a_file(
    server: Server, into: Path, where: str
) -> None:
    stalled = Version(cut=100_000, how="stall")
    url = server.on("/a.png", plays(CUT, stalled))
    longest = 60.0 if where == "in the back-off" else 0.01
    async with opened(server, retry_first=longest, retry_longest=longest) as http:
        fetching = asyncio.create_task(http.fetch(Rung(url), into))
        tries = 1 if where == "in the back-off" else 2
        await until(lambda: len(server.ledger) == tries and into.exists())
        await asyncio.sleep(0.1)
        assert into.stat().st_size > 0
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
    assert not into.exists()


async def test_somebody_elses_file_is_neither_gone_on_with_nor_removed(
    server: Server, into: Path
) -> None:
    into.write_bytes(FIRST[:1_000_000])
    url = server.on("/a.png", plays(CUT, Version()))
    async with opened(server) as http:
        with pytest.raises(FileExistsError):
            await http.fetch(Rung(url), into)
    assert into.read_bytes() == FIRST[:1_000_000]


async def test_a_file_is_closed_though_every_thread_is_busy(into: Path) -> None:
    part, written, files = Part(into, 10), asyncio.Event(), []

    async def write() -> None:
        with part:
            async with part.writing() as file:
                await file.write(b"x" * 10)
                files.append(file._file)
                written.set()
                await asyncio.Event().wait()

    writing = asyncio.create_task(write())
    await written.wait()
    released = threading.Event()
    busy = [asyncio.create_task(asyncio.to_thread(released.wait, 5.0)) for _ in range(64)]
    await asyncio.sleep(0.05)
    writing.cancel()
    try:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(writing, 1.0)
        assert files[0].closed
        assert not into.exists()
    finally:
        released.set()
        await asyncio.gather(*busy)
