"""Hosts that say "not now": no worker, no other process and no later run comes before the time."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import RateLimited
from crawler.http.session import Session, SiteHttp
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.hosts import HostCooldowns
from storage.records import Rung
from tests.crawler.http.server import PNG, Asked, Server, json_reply, reply

NOW = "Wed, 21 Oct 2015 07:28:00 GMT"
SOON = "Wed, 21 Oct 2015 07:28:01 GMT"
IN_TEN_YEARS = "Mon, 20 Oct 2025 07:28:00 GMT"


@asynccontextmanager
async def opened(
    *servers: Server, store: HostCooldowns | None = None, stats: Stats | None = None, **options: Any
) -> AsyncIterator[SiteHttp]:
    quick = {"retry_first": 0.01, "retry_longest": 0.05, "cooldown_first": 0.3, "contact": "me"}
    net = Net(allow_hosts=frozenset(server.host for server in servers), **{**quick, **options})
    async with Session(net, stats or Stats(), store) as session:
        yield session.site(Site("demo", "danbooru", servers[0].url(""), 5000.0, 8))


@dataclass
class Refusing:
    """Refuses ``workers`` requests at a time, all at once, for so many rounds; then serves.

    No request is under way when a refusal is sent, so any that comes before the time is early.
    """

    workers: int
    rounds: int
    headers: list[dict[str, str]]
    waiting: list[asyncio.StreamWriter] = field(default_factory=list)
    until: float = 0.0
    refused: int = 0
    early: list[float] = field(default_factory=list)

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.at < self.until:
            self.early.append(self.until - asked.at)
        if self.refused >= self.workers * self.rounds:
            writer.write(reply(PNG))
            return
        self.waiting.append(writer)
        if len(self.waiting) < self.workers:
            return
        headers = self.headers[(self.refused // self.workers) % len(self.headers)]
        self.until = time.monotonic() + 1.0
        for each in self.waiting:
            each.write(reply(b"slow down", status=429, kind="text/plain", **headers))
        self.refused += len(self.waiting)
        self.waiting.clear()


async def test_of_a_thousand_refusals_none_is_undercut(tmp_path: Path) -> None:
    forms = [{"Retry-After": "1"}, {"Retry-After": SOON, "Date": NOW}]
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Server()) for _ in range(25)]
        handlers = [Refusing(workers=8, rounds=5, headers=forms) for _ in servers]
        http = await stack.enter_async_context(opened(*servers, connections=256))
        urls = [s.on("/a.png", h) for s, h in zip(servers, handlers, strict=True)]
        await asyncio.gather(
            *(
                http.fetch(Rung(url), tmp_path / f"{host}-{worker}")
                for host, url in enumerate(urls)
                for worker in range(8)
            )
        )
    assert sum(handler.refused for handler in handlers) == 1000
    assert [early for handler in handlers for early in handler.early] == []
    assert len(list(tmp_path.iterdir())) == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing"),
        pytest.param({"Retry-After": "soon"}, id="garbage"),
        pytest.param({"Retry-After": "-5"}, id="negative"),
        pytest.param({"Retry-After": "1e3"}, id="a number that is none"),
        pytest.param({"Retry-After": NOW, "Date": SOON}, id="a date gone by"),
        pytest.param({"Retry-After": ""}, id="empty"),
    ],
)
async def test_a_refusal_that_names_no_time_is_met_with_our_own(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with Server() as server, opened(server) as http:
        url = server.on("/a.png", reply(status=429, **headers), reply(PNG))
        await http.fetch(Rung(url), tmp_path / "a")
    first, second = (asked.at for asked in server.ledger)
    assert 0.3 <= second - first < 1.3


@pytest.mark.parametrize("lines", [("Retry-After: 1",) * 2, ("Retry-After: 0.6",)])
async def test_a_time_said_twice_or_with_a_fraction_is_obeyed(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    head = "\r\n".join(("HTTP/1.1 429 Later", *lines, "Content-Length: 0", "", ""))
    async with Server() as server, opened(server, cooldown_first=0.05) as http:
        url = server.on("/a.png", head.encode(), reply(PNG))
        await http.fetch(Rung(url), tmp_path / "a")
    first, second = (asked.at for asked in server.ledger)
    assert 1.0 <= second - first < 2.0


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": str(10 * 365 * 86_400)}, id="seconds"),
        pytest.param({"Retry-After": IN_TEN_YEARS, "Date": NOW}, id="date"),
        pytest.param({"Retry-After": "9" * 500}, id="a number without measure"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_ten_years_end_this_run_and_the_next(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    store = HostCooldowns(tmp_path / "hosts.db")
    async with Server() as server:
        url = server.on("/a.png", reply(status=status, **headers))
        api = server.on("/p.json", json_reply("[]"))
        for _ in range(2):
            async with opened(server, store=HostCooldowns(store.path)) as http:
                began = time.monotonic()
                with pytest.raises(RateLimited, match=rf"{server.host}.*before 20\d\d-"):
                    await http.fetch(Rung(url), tmp_path / "a")
                with pytest.raises(RateLimited):
                    await http.get_json(api)
                assert time.monotonic() - began < 1.0
        assert len(server.ledger) == 1


async def test_a_second_session_obeys_what_the_first_was_told(tmp_path: Path) -> None:
    store = HostCooldowns(tmp_path / "hosts.db")
    async with Server() as server:
        refusal = reply(status=429, Retry_After="1")
        url = server.on("/a.png", refusal, reply(PNG))
        good = server.on("/good.png", reply(PNG))
        async with (
            opened(server, store=store) as first,
            opened(server, store=HostCooldowns(store.path)) as second,
        ):
            await asyncio.gather(
                first.fetch(Rung(url), tmp_path / "a"),
                *(late(second, good, tmp_path / str(n)) for n in range(8)),
            )
        told, *others = server.ledger
        assert len(others) == 9
        assert [asked for asked in others if asked.at < told.at + 1.0] == []


async def late(http: SiteHttp, url: str, into: Path) -> None:
    await asyncio.sleep(0.2)
    await http.fetch(Rung(url), into)


PROCESS = """
import asyncio, sys, time
from pathlib import Path
from crawler.http.session import Session
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.hosts import HostCooldowns
from storage.records import Rung

async def main(base, host, store, folder):
    net = Net(contact="me", allow_hosts=frozenset({host}))
    async with Session(net, Stats(), HostCooldowns(Path(store))) as session:
        http = session.site(Site("demo", "danbooru", base, 100.0, 8))
        for number in range(60):
            await http.fetch(Rung(base + "/good.png"), Path(folder) / str(number))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_another_process_obeys_within_a_moment(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    store = HostCooldowns(tmp_path / "hosts.db")
    async with Server() as server:
        server.on("/good.png", reply(PNG))
        refusing = server.on("/a.png", reply(status=429, Retry_After="2"), reply(PNG))
        arguments = [server.url(""), server.host, str(store.path), str(tmp_path / "other")]
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", PROCESS, *arguments)
        async with asyncio.timeout(30.0), opened(server, store=store) as http:
            while not server.asked("/good.png"):
                await asyncio.sleep(0.01)
            await http.fetch(Rung(refusing), tmp_path / "a")
            assert await other.wait() == 0
    told = server.asked("/a.png")[0].at
    # The other process looks ten times a second into what they share.
    assert [a.at - told for a in server.ledger if told + 0.5 < a.at < told + 2.0] == []
    assert len([a for a in server.asked("/good.png") if a.at > told + 2.0]) > 10
    assert len(list((tmp_path / "other").iterdir())) == 60


async def test_an_early_end_of_the_wait_is_noticed(tmp_path: Path) -> None:
    """The measure of this file can fail: without the cool-down the same server sees early ones."""
    handler = Refusing(workers=1, rounds=1, headers=[{}])
    async with Server() as server, opened(server, cooldown_first=0.05) as http:
        await http.fetch(Rung(server.on("/a.png", handler)), tmp_path / "a")
    assert len(handler.early) == 1
