"""Names that never answer: nobody else waits for them, not even the end of the process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import FetchError
from crawler.http import resolver as module
from crawler.http.resolver import SystemResolver
from crawler.http.session import Session
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.server import PNG, Server, reply


class Zone:
    """A DNS in which ``*.dead.example`` never answers until it is let go."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.now = self.most = 0
        self._lock = threading.Lock()
        self._genuine = socket.getaddrinfo
        self._released = threading.Event()

    def answer(self, host: Any, *rest: Any, **options: Any) -> Any:
        with self._lock:
            self.asked[host] += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if host.endswith(".dead.example") and self._released.wait(20.0):
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            if host == "gone.example":
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if host.endswith(".example"):
                time.sleep(0.05)
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
            return self._genuine(host, *rest, **options)
        finally:
            with self._lock:
                self.now -= 1

    def release(self) -> None:
        """All look-ups under way end now, and later ones at once."""
        self._released.set()


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    zone = Zone()
    monkeypatch.setattr(socket, "getaddrinfo", zone.answer)
    yield zone
    zone.release()


async def timed_out(resolver: SystemResolver, name: str) -> None:
    with pytest.raises(TimeoutError):
        await resolver.resolve(name, 80)


async def test_addresses_are_given_with_the_port(zone: Zone) -> None:
    (found,) = await SystemResolver(1.0).resolve("good.example", 8080)
    assert (found["hostname"], found["host"], found["port"]) == ("good.example", "127.0.0.1", 8080)
    assert found["family"] == socket.AF_INET


async def test_an_unknown_name_is_the_systems_error_and_is_asked_for_anew(zone: Zone) -> None:
    resolver = SystemResolver(1.0)
    for _ in range(2):
        with pytest.raises(socket.gaierror, match="not known"):
            await resolver.resolve("gone.example", 80)
    assert zone.asked["gone.example"] == 2


async def test_all_who_wait_for_a_name_get_one_answer(zone: Zone) -> None:
    resolver = SystemResolver(1.0)
    found = await asyncio.gather(*(resolver.resolve("good.example", port) for port in range(20)))
    assert [answers[0]["port"] for answers in found] == list(range(20))
    assert zone.asked["good.example"] == 1


async def test_who_leaves_takes_the_answer_from_nobody(zone: Zone) -> None:
    resolver = SystemResolver(1.0)
    first, second = (asyncio.create_task(resolver.resolve("good.example", port)) for port in (1, 2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second)[0]["host"] == "127.0.0.1"


async def test_dead_names_hold_up_neither_other_names_nor_files(zone: Zone) -> None:
    resolver = SystemResolver(5.0)
    dead = [asyncio.create_task(resolver.resolve(f"{n}.dead.example", 80)) for n in range(40)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1.0):
        await resolver.resolve("good.example", 80)
        await asyncio.to_thread(Path(__file__).read_bytes)
    await resolver.close()
    ends = await asyncio.gather(*dead, return_exceptions=True)
    assert {type(end) for end in ends} == {OSError}


async def test_threads_are_bounded_and_who_had_none_may_have_one_later(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_THREADS", 4)
    resolver = SystemResolver(0.1)
    await asyncio.gather(*(timed_out(resolver, f"{n}.dead.example") for n in range(8)))
    for _ in range(2):
        began = time.monotonic()
        await timed_out(resolver, "good.example")
        # It is not silent: it waited for its turn.
        assert time.monotonic() - began >= 0.09
    assert zone.most == 4
    assert zone.asked["good.example"] == 0
    zone.release()
    await asyncio.sleep(0.05)
    assert (await resolver.resolve("good.example", 80))[0]["host"] == "127.0.0.1"


async def test_a_silent_name_is_left_alone_for_a_while(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_FOR", 0.3)
    resolver = SystemResolver(0.1)
    await timed_out(resolver, "a.dead.example")
    began = time.monotonic()
    await timed_out(resolver, "A.dead.example")
    assert time.monotonic() - began < 0.05
    await asyncio.sleep(0.3)
    # Its first look-up has no end: waiting for that one takes no second thread.
    await timed_out(resolver, "a.dead.example")
    assert time.monotonic() - began >= 0.4
    assert zone.asked["a.dead.example"] == 1


async def test_a_name_that_answers_late_is_silent_no_more(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = SystemResolver(0.02)
    await timed_out(resolver, "late.example")
    await asyncio.sleep(0.1)
    monkeypatch.setattr(resolver, "_timeout", 1.0)
    assert (await resolver.resolve("late.example", 80))[0]["host"] == "127.0.0.1"


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
async def test_a_crawl_goes_on_beside_dead_names(
    zone: Zone, tmp_path: Path, transport: str
) -> None:
    async with Server() as server:
        url = server.on("/a.png", reply(PNG))
        net = Net(
            contact="me",
            allow_hosts=frozenset({server.host}),
            transport=transport,
            connect_timeout=0.5,
            attempts=1,
        )
        async with Session(net, Stats()) as session:
            http = session.site(Site("demo", "danbooru", server.url(""), 1000.0, 8))
            dead = [
                asyncio.create_task(
                    http.fetch(Rung(f"http://{n}.dead.example/"), tmp_path / f"{n}")
                )
                for n in range(12)
            ]
            await asyncio.sleep(0.05)
            began = time.monotonic()
            await http.fetch(Rung(url), tmp_path / "good")
            assert time.monotonic() - began < 0.3
            for task in dead:
                with pytest.raises(FetchError) as told:
                    await task
                assert told.value.reason == "timeout"


HANGING = """
import asyncio, socket, time

socket.getaddrinfo = lambda *_, **__: time.sleep(30)

from crawler.http.resolver import SystemResolver

async def main():
    resolver = SystemResolver(30.0)
    asking = asyncio.create_task(resolver.resolve("h.dead.example", 80))
    await asyncio.sleep(0.1)
    asking.cancel()
    await resolver.close()

asyncio.run(main())
"""


def test_the_end_of_the_process_waits_for_no_name() -> None:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", HANGING], check=True, timeout=25)
    assert time.monotonic() - began < 10
