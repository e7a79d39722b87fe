"""Hosts that fail: one request at a time finds out, nothing is lost, and no storm follows."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crawler.adapters.base import ApiStatus
from crawler.errors import BadAnswer, FetchError
from crawler.http.session import Session, SiteHttp
from crawler.site import Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.server import (
    PNG,
    Asked,
    Handler,
    Server,
    json_reply,
    reply,
    slowly,
    then_close,
    then_reset,
)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@asynccontextmanager
async def opened(
    *servers: Server,
    stats: Stats | None = None,
    notify: Callable[[dict[str, Any]], None] | None = None,
    allow: frozenset[str] = frozenset(),
    connections: int = 64,
    **options: Any,
) -> AsyncIterator[SiteHttp]:
    quick = {"retry_first": 0.01, "retry_longest": 0.05, "cooldown_first": 0.1, "contact": "me"}
    hosts = allow | {server.host for server in servers}
    net = Net(allow_hosts=hosts, **{**quick, **options})
    async with Session(net, stats or Stats(), notify=notify) as session:
        yield session.site(Site("demo", "danbooru", servers[0].url(""), 2000.0, connections))


def down_until(end: list[float], bad: bytes | Handler, good: bytes) -> Handler:
    """``bad`` up to the time in ``end``, then ``good``."""

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        answer = bad if time.monotonic() < end[0] else good
        if callable(answer):
            await answer(asked, writer)
        else:
            writer.write(answer)

    return handler


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(reply(b"down", status=503, kind="text/plain"), id="503"),
        pytest.param(then_reset(), id="reset"),
    ],
)
async def test_an_outage_under_64_workers_costs_a_few_probes_and_no_file(
    server: Server, tmp_path: Path, bad: bytes | Handler
) -> None:
    end, heard = [0.0], list[dict[str, Any]]()
    url = server.on("/a.png", down_until(end, bad, reply(PNG)))
    files = [tmp_path / str(number) for number in range(192)]
    arrived: list[float] = []

    async def worker(mine: list[Path], http: SiteHttp) -> None:
        for into in mine:
            await http.fetch(Rung(url), into)
            arrived.append(time.monotonic())

    async with opened(server, notify=heard.append, breaker_longest=0.8) as http:
        began = time.monotonic()
        end[0] = began + 3.0
        await asyncio.gather(*(worker(files[n::64], http) for n in range(64)))
    assert all(into.read_bytes() == PNG for into in files)
    during = [asked.at for asked in server.ledger if asked.at < end[0]]
    # One burst of all workers, then probes at 0.1, 0.2, 0.4 and every 0.8 seconds: six in three.
    assert len(during) <= 64 + 1.1 * 6
    assert 4 <= len(heard) <= 1.1 * 6 + 1
    # The next probe comes within the longest step; after it everybody is back.
    assert max(arrived) - end[0] < 0.8 + 1.5
    assert [event["type"] for event in heard] == ["waiting"] * len(heard)
    assert [round(event["seconds"], 3) for event in heard[:4]] == [0.1, 0.2, 0.4, 0.8]


async def test_probes_cost_the_works_whose_requests_they_are_none_of_their_tries(
    server: Server, tmp_path: Path
) -> None:
    end = [time.monotonic() + 0.6]
    url = server.on("/a.png", down_until(end, reply(status=503), reply(PNG)))
    quick = {"breaker_after": 2, "cooldown_first": 0.02, "breaker_longest": 0.05}
    async with opened(server, attempts=3, connections=1, **quick) as http:
        await http.fetch(Rung(url), tmp_path / "a")
    assert len(server.ledger) > 8


async def test_a_host_that_stays_down_is_given_up_and_the_others_are_not(
    server: Server, tmp_path: Path
) -> None:
    async with Server() as other:
        down = server.on("/a.png", reply(status=502))
        fine = other.on("/a.png", reply(PNG))
        stats = Stats()
        quick = {"breaker_patience": 3, "cooldown_first": 0.02}
        async with opened(server, other, stats=stats, connections=8, **quick) as http:
            tasks = [http.fetch(Rung(down), tmp_path / str(n)) for n in range(8)]
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            assert {(end.reason, end.transient) for end in ends if isinstance(end, FetchError)} == {
                ("host_down", True)
            }
            assert len(ends) == 8
            asked, began = len(server.ledger), time.monotonic()
            assert asked <= 8 + 3
            with pytest.raises(FetchError, match="given up"):
                await http.fetch(Rung(down), tmp_path / "late")
            with pytest.raises(BadAnswer, match="given up for this run") as caught:
                await http.get_json(server.on("/p.json", json_reply("[]")))
            assert caught.value.exit_code == 5
            assert caught.value.hint
            assert time.monotonic() - began < 0.2
            assert len(server.ledger) == asked
            await http.fetch(Rung(fine), tmp_path / "fine")
        assert stats.waiting == {}
    assert [path.name for path in tmp_path.iterdir()] == ["fine"]


async def test_a_port_nobody_listens_on_is_given_up_too(server: Server, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        quick = {"breaker_after": 2, "breaker_patience": 2, "cooldown_first": 0.02}
        async with opened(server, allow=frozenset({host}), **quick) as http:
            with pytest.raises(FetchError, match="2 probes") as caught:
                await http.fetch(Rung(f"http://{host}/a.png"), tmp_path / "a")
    assert caught.value.reason == "host_down"


async def test_a_cancelled_probe_hands_its_right_on(server: Server, tmp_path: Path) -> None:
    bad = server.on("/bad", reply(status=503))
    slow, good = server.on("/slow", slowly(reply(PNG), 60.0)), server.on("/good", reply(PNG))
    quick = {"breaker_after": 1, "attempts": 1, "cooldown_first": 0.05}
    async with opened(server, **quick) as http:
        with pytest.raises(FetchError):
            await http.fetch(Rung(bad), tmp_path / "bad")
        probing = asyncio.create_task(http.fetch(Rung(slow), tmp_path / "slow"))
        await asyncio.sleep(0.2)
        waiting = asyncio.create_task(http.fetch(Rung(good), tmp_path / "good"))
        await asyncio.sleep(0.2)
        assert [asked.target for asked in server.ledger] == ["/bad", "/slow"]
        probing.cancel()
        await asyncio.wait_for(waiting, 1.0)
    assert (tmp_path / "good").read_bytes() == PNG


async def test_the_next_probe_is_anothers_so_that_one_bad_file_does_not_speak_for_the_host(
    server: Server, tmp_path: Path
) -> None:
    bad, good = server.on("/bad", reply(status=500)), server.on("/good", reply(PNG))
    async with opened(server, breaker_after=1, cooldown_first=0.05, connections=1) as http:
        poison = asyncio.create_task(http.fetch(Rung(bad), tmp_path / "bad"))
        await asyncio.sleep(0.02)
        await asyncio.gather(*(http.fetch(Rung(good), tmp_path / str(n)) for n in range(20)))
        assert len(server.asked("/bad")) <= 4
        poison.cancel()
        await asyncio.gather(poison, return_exceptions=True)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(status=404), id="404"),
        pytest.param(reply(status=501), id="501"),
        pytest.param(reply(status=302, Location="/x y z"), id="redirect"),
        pytest.param(then_close(reply(b"x", length=100)), id="cut"),
        pytest.param(reply(b"<html>", kind="text/html"), id="HTML"),
        pytest.param(reply(PNG, X_Robots_Tag="noindex"), id="noindex"),
    ],
)
async def test_an_answer_of_any_kind_is_no_outage(
    server: Server, tmp_path: Path, answer: bytes | Handler
) -> None:
    bad, good = server.on("/bad", answer), server.on("/good", reply(PNG))
    async with opened(server, breaker_after=1, breaker_patience=1) as http:
        with pytest.raises(FetchError):
            await http.fetch(Rung(bad), tmp_path / "bad", max_bytes=50_000)
        await http.fetch(Rung(good), tmp_path / "good")


async def test_an_api_that_cannot_do_one_query_is_up(server: Server, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    hard = server.on("/posts.json", json_reply('{"message": "timed out"}', status=500))
    async with opened(server, breaker_after=1, notify=heard.append) as http:
        with pytest.raises(ApiStatus):
            await http.get_json(hard)
    assert len(server.ledger) == 3
    assert heard == []


async def test_second_tries_wait_for_their_share_and_hold_nothing(
    server: Server, tmp_path: Path
) -> None:
    bad, good = server.on("/bad", reply(status=408)), server.on("/good", reply(PNG))
    budget = {"retry_share": 0.5, "retry_floor": 0.0, "connections": 1}
    async with opened(server, **budget) as http:
        failing = asyncio.create_task(http.fetch(Rung(bad), tmp_path / "bad"))
        await asyncio.sleep(0.3)
        assert len(server.asked("/bad")) == 2
        for number in range(4):
            await http.fetch(Rung(good), tmp_path / str(number))
        with pytest.raises(FetchError, match="HTTP 408"):
            await asyncio.wait_for(failing, 2.0)
    assert len(server.asked("/bad")) == 4


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(json_reply('[{"'), id="cut JSON"),
        pytest.param(reply(b"<!doctype html><p>", kind="text/html"), id="a web page"),
        pytest.param(json_reply("[", status=503), id="503"),
    ],
)
async def test_answers_that_are_none_use_the_same_budget(server: Server, answer: bytes) -> None:
    url = server.on("/posts.json", answer)
    few = {"retry_share": 0.0, "retry_floor": 1.0, "breaker_after": 1000}
    async with opened(server, **few) as http:
        asking = [asyncio.create_task(http.get_json(url)) for _ in range(5)]
        await asyncio.sleep(0.6)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert len(server.ledger) == 5 + 1
