"""The server: who is welcome, limits, faults on the wire, and what the ledger says of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from crawler.demo.faults import (
    Action,
    Body,
    Corrupt,
    Delay,
    EmptyPage,
    Fault,
    Faults,
    Html,
    Redirect,
    Reset,
    Stall,
    Status,
    Truncate,
)
from crawler.demo.ledger import Ledger
from crawler.demo.posts import Post, World
from crawler.demo.site import DemoSite, RateLimit, ThreadedDemoSite

HONEST = {"User-Agent": "tests/1 (tests@example.org)"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=HONEST, trust_env=False, timeout=5) as client:
        yield client


def file_of(site: DemoSite, post: Post) -> str:
    return f"{site.cdn_url}/original/{post.media.path}"


@pytest.fixture
def post(world: World) -> Post:
    return world.of_kind("official_art")[0]


async def test_pages_lead_to_files_on_the_other_port(
    world: World, client: httpx.AsyncClient
) -> None:
    async with DemoSite(world) as site:
        page = await client.get(f"{site.base_url}/posts.json", params={"tags": "official_art"})
        row = page.json()[0]
        file = await client.get(row["file_url"])
    assert row["file_url"].startswith(site.cdn_url) != site.base_url
    assert len(file.content) == row["file_size"]
    assert file.headers["Content-Type"] == "image/jpeg"
    assert site.allow_hosts == f"{site.base_url[7:]},{site.cdn_url[7:]}"


@pytest.mark.parametrize(
    "agent", ["", "python-requests/2.32", "python-httpx/0.28", "Mozilla/5.0 (X11)", None]
)
async def test_nameless_and_disguised_clients_meet_a_challenge(
    world: World, post: Post, agent: str | None
) -> None:
    async with DemoSite(world) as site, httpx.AsyncClient(trust_env=False) as client:
        for url in (f"{site.base_url}/posts.json", file_of(site, post)):
            request = client.build_request("GET", url)
            del request.headers["User-Agent"]
            if agent is not None:
                request.headers["User-Agent"] = agent
            answer = await client.send(request)
            assert answer.status_code == 403
            assert answer.headers["cf-mitigated"] == "challenge"
            assert answer.headers["Content-Type"] == "text/html"


async def test_too_many_requests_at_once_are_refused_without_a_time(
    world: World, client: httpx.AsyncClient
) -> None:
    async with DemoSite(world, rate_limit=RateLimit(rate=10, burst=5)) as site:
        url = f"{site.base_url}/profile.json"
        answers = [await client.get(url) for _ in range(12)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert [answer.status_code for answer in answers[:6]] == [200] * 6
        assert len(refused) >= 4
        assert "Retry-After" not in refused[0].headers
        assert refused[0].headers["Content-Type"] == "text/html"
        await asyncio.sleep(0.25)
        assert (await client.get(url)).status_code == 200


async def test_a_limit_may_tell_when_to_come_back(world: World, client: httpx.AsyncClient) -> None:
    async with DemoSite(world, rate_limit=RateLimit(1, 0, retry_after=3)) as site:
        url = f"{site.base_url}/profile.json"
        answers = [await client.get(url) for _ in range(2)]
        assert answers[1].headers["Retry-After"] == "3"
        assert answers[1].json()["success"] is False
        await client.get(url)
        assert len(site.ledger.early()) == 1


async def test_a_get_with_a_body_is_a_bad_request(world: World, client: httpx.AsyncClient) -> None:
    async with DemoSite(world) as site:
        answer = await client.request("GET", f"{site.base_url}/posts.json", content=b"{}")
        assert answer.status_code == 400
        assert (await client.head(f"{site.base_url}/posts.json")).content == b""


# Faults on the wire


async def test_a_status_is_played_once(world: World, post: Post, client: httpx.AsyncClient) -> None:
    faults = Faults([Fault(Status(503, retry_after=2), post=post.id, nth=1)])
    async with DemoSite(world, faults=faults) as site:
        first = await client.get(file_of(site, post))
        second = await client.get(file_of(site, post))
    assert (first.status_code, first.headers["Retry-After"]) == (503, "2")
    assert second.content == post.media.read()
    assert site.ledger.early() == site.ledger.entries[1:]


async def test_a_time_may_be_told_as_a_date(world: World, client: httpx.AsyncClient) -> None:
    faults = Faults([Fault(Status(429, retry_after=60, dated=True))])
    async with DemoSite(world, faults=faults) as site:
        answer = await client.get(f"{site.base_url}/posts.json")
    when = parsedate_to_datetime(answer.headers["Retry-After"]).timestamp()
    assert 55 < when - time.time() < 65


async def test_an_honestly_short_body_arrives_whole_and_wrong(
    world: World, post: Post, client: httpx.AsyncClient
) -> None:
    faults = Faults([Fault(Truncate(0.5, honest=True), post=post.id)])
    async with DemoSite(world, faults=faults) as site:
        answer = await client.get(file_of(site, post))
    assert answer.content == post.media.read()[: post.media.size // 2]
    assert site.ledger.entries[0].completed


@pytest.mark.parametrize(
    "action", [Truncate(0.5), Reset(), Reset(0.5), Stall(0.5, seconds=0.1)], ids=repr
)
async def test_a_broken_body_is_an_error_at_the_client_and_in_the_ledger(
    world: World, post: Post, client: httpx.AsyncClient, action: Truncate | Reset | Stall
) -> None:
    async with DemoSite(world, faults=Faults([Fault(action, post=post.id, nth=1)])) as site:
        with pytest.raises(httpx.TransportError):
            await client.get(file_of(site, post))
        again = await client.get(file_of(site, post))
    assert again.content == post.media.read()
    broken = site.ledger.entries[0]
    assert not broken.completed
    assert broken.sent < post.media.size
    assert broken.fault == type(action).__name__


async def test_corrupt_bytes_have_the_right_length(
    world: World, post: Post, client: httpx.AsyncClient
) -> None:
    faults = Faults([Fault(Corrupt(10), post=post.id)])
    async with DemoSite(world, faults=faults) as site:
        answer = await client.get(file_of(site, post))
    wrong = [a != b for a, b in zip(answer.content, post.media.read(), strict=True)]
    assert 0 < sum(wrong) <= 10


async def test_pages_may_be_cut_empty_or_something_else(
    world: World, client: httpx.AsyncClient
) -> None:
    actions: list[Action] = [
        Truncate(0.5, honest=True),
        EmptyPage(),
        Html(),
        Body(b"null"),
        Redirect("/x"),
    ]
    faults = Faults([Fault(do, nth=n) for n, do in enumerate(actions, start=1)])
    async with DemoSite(world, faults=faults) as site:
        got = [await client.get(f"{site.base_url}/posts.json") for _ in actions]
    with pytest.raises(json.JSONDecodeError):
        got[0].json()
    assert got[1].json() == []
    assert (got[2].status_code, got[2].headers["Content-Type"]) == (200, "text/html")
    assert got[3].json() is None
    assert (got[4].status_code, got[4].headers["Location"]) == (302, "/x")


async def test_delay_and_latency_come_before_the_answer(
    world: World, client: httpx.AsyncClient
) -> None:
    faults = Faults([Fault(Delay(0.2), nth=1)], latency=0.05)
    async with DemoSite(world, faults=faults) as site:
        for _ in range(2):
            await client.get(f"{site.base_url}/profile.json")
    slow, normal = (entry.end - entry.start for entry in site.ledger)
    assert 0.25 <= slow < 1
    assert 0.05 <= normal < 0.2


async def test_the_world_brings_its_own_troubles(world: World, client: httpx.AsyncClient) -> None:
    async with DemoSite(world) as site:
        dead = [await client.get(file_of(site, world.of_kind("dead")[0])) for _ in range(3)]
        wrong = [await client.get(file_of(site, post)) for post in world.of_kind("md5_mismatch")]
        once = [await client.get(file_of(site, world.of_kind("error_once")[0])) for _ in range(2)]
    assert [answer.status_code for answer in dead] == [404, 404, 404]
    for answer, post in zip(wrong, world.of_kind("md5_mismatch"), strict=True):
        assert answer.status_code == 200
        assert answer.content != post.media.read()
    assert [answer.status_code for answer in once] == [500, 200]


# The ledger


async def test_the_ledger_notes_the_request_and_keeps_no_secret(
    world: World, post: Post, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.jsonl"
    async with DemoSite(world, ledger_file=file) as site:
        query = {"login": "gold", "api_key": "gold-key", "tags": "solo"}
        await client.get(f"{site.base_url}/posts.json", params=query)
        await client.get(f"{site.base_url}/posts.json", auth=("gold", "gold-key"))
        ranged = {"Range": "bytes=10-19", "If-Range": "x", "Referer": "http://a/"}
        await client.get(file_of(site, post), headers=ranged)
    by_query, by_header, ranged_entry = Ledger.read(file)
    assert (by_query.authorization, by_header.authorization) == (True, True)
    assert "gold-key" not in file.read_text()
    assert ranged_entry.range == "bytes=10-19"
    assert ranged_entry.if_range == "x"
    assert ranged_entry.headers["Referer"] == "http://a/"
    assert not ranged_entry.authorization
    assert ranged_entry.user_agent == HONEST["User-Agent"]
    assert (ranged_entry.host, ranged_entry.status) == (site.cdn_url[7:], 200)
    assert ranged_entry.start <= ranged_entry.end


# Other ways to run it


def test_in_a_thread_it_serves_code_that_blocks(world: World) -> None:
    with ThreadedDemoSite(DemoSite(world)) as site:
        answer = httpx.get(f"{site.base_url}/posts/{world.ids[0]}.json", headers=HONEST)
        assert answer.json()["id"] == world.ids[0]
    with pytest.raises(httpx.ConnectError):
        httpx.get(site.base_url, headers=HONEST)


def test_a_taken_port_is_an_error(world: World) -> None:
    with ThreadedDemoSite(DemoSite(world)) as site:
        port = int(site.base_url.rpartition(":")[2])
        with pytest.raises(OSError), ThreadedDemoSite(DemoSite(world, port=port)):
            pass


def test_as_a_process_it_says_where_it_is_and_writes_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    words = ["--posts", "30", "--latency", "1", "--ledger", str(file), "--faults", "hostile"]
    command = [sys.executable, "-m", "crawler.demo", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        answer = httpx.get(f"{ready['base_url']}/posts.json?limit=200", headers=HONEST)
        process.terminate()
    assert len(answer.json()) == ready["posts"] == 30
    assert answer.json()[0]["file_url"].startswith(ready["cdn_url"])
    assert [entry.path for entry in Ledger.read(file)] == ["/posts.json"]
