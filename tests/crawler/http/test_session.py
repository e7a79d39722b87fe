"""One session against a loopback site that misbehaves: the API, the files, the manners."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crawler.adapters.base import ApiStatus, Http
from crawler.errors import (
    AccessDenied,
    AuthenticationFailed,
    BadAnswer,
    ChallengePage,
    ConfigError,
    FetchError,
    RateLimited,
)
from crawler.http.session import Session, SiteHttp
from crawler.site import Credentials, Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.server import (
    PNG,
    Server,
    drip,
    html_reply,
    json_reply,
    reply,
    slowly,
    then_close,
    then_reset,
)

SECRET = "CANARYkey"
MD5 = hashlib.md5(PNG).hexdigest()
CHALLENGE = html_reply("<title>Just a moment...</title>", status=403, cf_mitigated="challenge")
CAPTCHA = html_reply("<html><form class='g-recaptcha captcha'></form></html>")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "part"


def net(*servers: Server, **options: Any) -> Net:
    quick = {"retry_first": 0.01, "retry_longest": 0.05, "cooldown_first": 0.1, "contact": "me"}
    return Net(allow_hosts=frozenset(s.host for s in servers), **{**quick, **options})


@asynccontextmanager
async def opened(
    server: Server,
    *others: Server,
    stats: Stats | None = None,
    credentials: Credentials | None = None,
    notify: Callable[[dict[str, Any]], None] | None = None,
    rate: float = 1000.0,
    **options: Any,
) -> AsyncIterator[SiteHttp]:
    site = Site("demo", "danbooru", server.url(""), rate, 8, credentials)
    session = Session(net(server, *others, **options), stats or Stats(), notify=notify)
    async with session:
        yield session.site(site)


def reason(caught: pytest.ExceptionInfo[FetchError]) -> tuple[str, bool]:
    return caught.value.reason, caught.value.transient


# The API


async def test_an_answer_is_decoded_and_counted(server: Server) -> None:
    stats, url = Stats(), server.on("/posts.json", json_reply('[{"id": 1}]'))
    async with opened(server, stats=stats) as http:
        face: Http = http
        assert await face.get_json(url, {"tags": "a b", "page": "b7"}) == [{"id": 1}]
    asked = server.ledger[0]
    assert asked.target == "/posts.json?tags=a+b&page=b7"
    assert asked.headers["user-agent"].startswith("trawl/")
    assert asked.headers["user-agent"].endswith("(me)")
    assert asked.headers["accept-encoding"] == "identity"
    assert "authorization" not in asked.headers
    assert (stats.api_requests, stats.bytes_api, stats.retries) == (1, 11, 0)


async def test_credentials_go_to_the_own_origin_only(server: Server, into: Path) -> None:
    async with Server() as cdn:
        file = cdn.on("/a.png", reply(PNG))
        moved = server.on("/moved.json", reply(status=302, Location=cdn.url("/x.json")))
        cdn.on("/x.json", json_reply("1"))
        own = server.on("/posts.json", json_reply("[]"))
        key = Credentials("me", SECRET)
        async with opened(server, cdn, credentials=key) as http:
            await http.get_json(own)
            await http.get_json(moved)
            await http.fetch(Rung(file), into)
        expected = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        assert [asked.headers.get("authorization") for asked in server.ledger] == [expected] * 2
        assert len(cdn.ledger) == 2
        for asked in cdn.ledger:
            assert not {"authorization", "cookie", "referer"} & asked.headers.keys()


async def test_cookies_are_never_kept(server: Server) -> None:
    url = server.on("/posts.json", json_reply("[]", Set_Cookie="id=1"))
    async with opened(server) as http:
        await http.get_json(url)
        await http.get_json(url)
    assert all("cookie" not in asked.headers for asked in server.ledger)


@pytest.mark.parametrize("status", [400, 404, 410, 422, 451])
async def test_statuses_for_the_adapter_come_at_once_with_their_body(
    server: Server, status: int
) -> None:
    url = server.on("/posts.json", json_reply('{"error": "X"}', status=status))
    async with opened(server) as http:
        with pytest.raises(ApiStatus) as caught:
            await http.get_json(url)
    assert (caught.value.status, caught.value.body) == (status, {"error": "X"})
    assert len(server.ledger) == 1


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([json_reply("{}", status=500)], id="500"),
        pytest.param([reply(b"oops", status=502)] * 3, id="502 three times"),
        pytest.param([then_close(b"")], id="closed"),
        pytest.param([then_reset(json_reply("[1, 2", length=50))], id="reset"),
        pytest.param([then_close(json_reply("[1, 2", length=50))], id="cut"),
        pytest.param([json_reply('[{"id": 1}, {"i')], id="cut JSON with an honest length"),
        pytest.param([html_reply("<html>maintenance</html>")], id="HTML with 200"),
    ],
)
async def test_passing_trouble_of_the_api_is_overcome(server: Server, answers: list[Any]) -> None:
    stats, url = Stats(), server.on("/posts.json", *answers, json_reply("[1]"))
    async with opened(server, stats=stats) as http:
        assert await http.get_json(url) == [1]
    assert stats.retries == len(answers)
    assert stats.api_requests == len(server.ledger) == len(answers) + 1


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        pytest.param(json_reply('{"message": "timed out"}', status=500), 3, id="500"),
        pytest.param(json_reply('{"message": "down"}', status=503), 4, id="503"),
    ],
)
async def test_lasting_server_errors_are_the_adapters(
    server: Server, answer: bytes, tries: int
) -> None:
    url = server.on("/posts.json", answer)
    async with opened(server) as http:
        with pytest.raises(ApiStatus) as caught:
            await http.get_json(url)
    assert caught.value.status in (500, 503)
    assert "message" in caught.value.body
    assert len(server.ledger) == tries


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(json_reply("[1, 2"), id="cut"),
        pytest.param(json_reply("[" * 200_000), id="nested without end"),
        pytest.param(html_reply("<html>hello</html>"), id="HTML"),
        pytest.param(json_reply("[]", Content_Encoding="gzip"), id="compressed"),
        pytest.param(json_reply('"' + "x" * 300_000 + '"'), id="too large"),
        pytest.param(then_close(b""), id="closed"),
    ],
)
async def test_lasting_nonsense_is_a_bad_answer(server: Server, answer: Any) -> None:
    url = server.on("/posts.json", answer)
    async with opened(server, max_answer_bytes=250_000) as http:
        with pytest.raises(BadAnswer) as caught:
            await http.get_json(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [CHALLENGE, CAPTCHA, html_reply("Forbidden", status=403)],
    ids=["challenge", "captcha", "plain HTML"],
)
async def test_a_challenge_stops_the_source_at_the_first_sight(
    server: Server, answer: bytes
) -> None:
    url = server.on("/posts.json", answer)
    async with opened(server) as http:
        with pytest.raises(ChallengePage) as caught:
            await http.get_json(url)
    assert "trawl config set net.contact" in caught.value.hint
    assert len(server.ledger) == 1


async def test_refused_logins_and_denied_pages_are_told_apart(server: Server) -> None:
    denied = json_reply('{"message": "Access denied.\\n"}', status=403)
    wrong = json_reply('{"message": "Invalid API key"}', status=401)
    async with opened(server, credentials=Credentials("me", SECRET)) as http:
        with pytest.raises(AccessDenied, match="Access denied"):
            await http.get_json(server.on("/a.json", denied))
        with pytest.raises(AuthenticationFailed, match="Invalid API key") as caught:
            await http.get_json(server.on("/b.json", wrong))
    assert "trawl auth set demo" in caught.value.hint
    assert len(server.ledger) == 2


async def test_a_private_api_host_needs_the_users_word(server: Server) -> None:
    url = server.on("/posts.json", json_reply("[]"))
    site = Site("demo", "danbooru", server.url(""))
    # The port is unusual too: for the address alone see the guard's own tests.
    async with Session(Net(), Stats()) as session:
        with pytest.raises(ConfigError, match="port"):
            await session.site(site).get_json(url)
        with pytest.raises(ConfigError, match="not public") as caught:
            await session.site(site).get_json("http://127.0.0.1/posts.json")
    assert "net.allow_hosts 127.0.0.1:80" in caught.value.hint
    assert server.connections == 0


async def test_a_dripping_answer_ends_at_the_total_deadline(server: Server) -> None:
    url = server.on("/posts.json", drip(json_reply("[" + " " * 1000), 0.02))
    async with opened(server, total_timeout=0.3, attempts=1) as http:
        began = time.monotonic()
        with pytest.raises(BadAnswer, match="no answer"):
            await http.get_json(url)
    assert time.monotonic() - began < 1.0


# Retry-After


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed_by_all_workers(server: Server, status: int) -> None:
    heard: list[dict[str, Any]] = []
    refusal = reply(b"slow down", status=status, kind="text/plain", Retry_After="1")
    url = server.on("/posts.json", *[refusal] * 3, json_reply("[]"))
    stats = Stats()
    async with opened(server, stats=stats, notify=heard.append) as http:
        answers = await asyncio.gather(*(http.get_json(url) for _ in range(6)))
    assert answers == [[]] * 6
    for refused in server.ledger[:3]:
        # What was under way when the refusal was sent could not know of it.
        early = [a for a in server.ledger if refused.at + 0.3 < a.at < refused.at + 1.0]
        assert early == []
    assert len(server.ledger) == 9
    assert heard[0]["host"] == server.host
    assert heard[0]["seconds"] == 1.0
    assert stats.waiting == {}


async def test_retry_after_as_a_date_counts_by_the_servers_clock(
    server: Server, into: Path
) -> None:
    refusal = reply(
        b"",
        status=429,
        Date="Wed, 21 Oct 2015 07:28:00 GMT",
        Retry_After="Wed, 21 Oct 2015 07:28:01 GMT",
    )
    url = server.on("/a.png", refusal, reply(PNG))
    async with opened(server) as http:
        await http.fetch(Rung(url), into)
    first, second = (asked.at for asked in server.ledger)
    assert 1.0 <= second - first < 2.0


async def test_refusals_without_a_time_are_met_with_growing_patience(
    server: Server, into: Path
) -> None:
    refusal = html_reply("<h1>429 Too Many Requests</h1>", status=429)
    url = server.on("/a.png", *[refusal] * 3, reply(PNG))
    async with opened(server) as http:
        await http.fetch(Rung(url), into)
    times = [asked.at for asked in server.ledger]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert [gap >= least for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=True)] == [True] * 3


async def test_a_refusal_that_is_cut_off_is_obeyed_too(server: Server, into: Path) -> None:
    cut = then_close(reply(b"slow", status=429, length=100, Retry_After="1"))
    url = server.on("/a.png", cut, reply(PNG))
    async with opened(server) as http:
        await http.fetch(Rung(url), into)
    assert server.ledger[1].at - server.ledger[0].at >= 1.0


async def test_a_wait_of_years_ends_the_run_at_once(server: Server, into: Path) -> None:
    url = server.on("/a.png", reply(status=429, Retry_After="315360000"))
    async with opened(server) as http:
        for _ in range(2):
            with pytest.raises(RateLimited, match=rf"{server.host}.*before 20\d\d-"):
                await http.fetch(Rung(url), into)
    assert len(server.ledger) == 1


async def test_a_host_that_never_relents_ends_the_run(server: Server, into: Path) -> None:
    url = server.on("/a.png", reply(status=429, Retry_After="0"))
    async with opened(server, cooldown_first=0.001) as http:
        with pytest.raises(RateLimited, match="although we waited"):
            await http.fetch(Rung(url), into)
    assert len(server.ledger) == 10


async def test_the_rate_is_never_exceeded_with_api_and_files_together(
    server: Server, tmp_path: Path
) -> None:
    api, file = server.on("/p.json", json_reply("[]")), server.on("/a.png", reply(PNG))
    async with opened(server, rate=25.0) as http:
        await asyncio.gather(
            *(http.get_json(api) for _ in range(5)),
            *(http.fetch(Rung(file), tmp_path / str(n)) for n in range(5)),
        )
    times = [asked.at for asked in server.ledger]
    # Arrival times jitter by what the loop was busy with; the average may not.
    assert len(times) == 10
    assert times[-1] - times[0] >= 9 / 25.0 - 0.02


# Files


async def test_a_file_arrives_with_its_hashes(server: Server, into: Path) -> None:
    stats, url = Stats(), server.on("/a.png", reply(PNG))
    async with opened(server, stats=stats) as http:
        got = await http.fetch(Rung(url, bytes=len(PNG), md5=MD5.upper()), into)
    assert into.read_bytes() == PNG
    assert (got.path, got.bytes, got.md5) == (into, len(PNG), MD5)
    assert got.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (got.content_type, got.final_url, got.status) == ("image/png", url, 200)
    assert (stats.file_requests, stats.bytes_fetched, stats.retries) == (1, len(PNG), 0)


async def test_large_files_arrive_whole(server: Server, into: Path) -> None:
    body = PNG * 400
    async with opened(server) as http:
        got = await http.fetch(Rung(server.on("/a.png", reply(body))), into)
    assert into.read_bytes() == body
    assert got.sha256 == hashlib.sha256(body).hexdigest()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(then_close(reply(PNG[:500], length=len(PNG))), id="cut"),
        pytest.param(then_reset(reply(PNG[:500], length=len(PNG))), id="reset in the body"),
        pytest.param(then_close(CHUNKED + b"5\r\nhello\r\n"), id="cut chunks"),
        pytest.param(then_close(b""), id="closed"),
        pytest.param(reply(b"", kind="image/png"), id="empty"),
        pytest.param(reply(PNG[:-1]), id="short with an honest length"),
        pytest.param(reply(PNG + b"x"), id="longer than claimed"),
        pytest.param(reply(PNG[:-1] + b"x"), id="wrong md5"),
        pytest.param(html_reply("<html>oops</html>"), id="HTML with 200"),
        pytest.param(reply(b"<html>oops</html>"), id="HTML called a picture"),
        pytest.param(reply(status=500), id="500"),
        pytest.param(reply(status=522), id="522"),
    ],
)
async def test_one_bad_reply_costs_a_retry_and_no_file(
    server: Server, into: Path, bad: Any
) -> None:
    stats, url = Stats(), server.on("/a.png", bad, reply(PNG))
    async with opened(server, stats=stats) as http:
        got = await http.fetch(Rung(url, bytes=len(PNG), md5=MD5), into)
    assert into.read_bytes() == PNG
    assert got.md5 == MD5
    assert (stats.retries, stats.file_requests) == (1, 2)


@pytest.mark.parametrize(
    ("bad", "expected", "transient", "tries"),
    [
        (reply(status=404), "http_404", False, 1),
        (reply(status=410), "http_410", False, 1),
        (reply(b"no", status=403, kind="text/plain"), "http_403", False, 1),
        (reply(status=451), "http_451", False, 1),
        (reply(status=304), "http_304", False, 1),
        (reply(status=503), "http_5xx", True, 4),
        (reply(status=501), "http_5xx", False, 1),
        (then_close(b""), "connect_failed", True, 4),
        (then_close(reply(PNG[:99], length=len(PNG))), "truncated", True, 4),
        (reply(PNG[:-1] + b"x"), "md5_mismatch", False, 3),
        (reply(PNG[:-1]), "size_mismatch", False, 3),
        (html_reply("<html>gone</html>"), "not_an_image", True, 3),
        (json_reply('{"a": "' + "x" * (len(PNG) - 9) + '"}'), "not_an_image", True, 3),
        (CHALLENGE, "challenge", False, 1),
        (CAPTCHA, "challenge", False, 1),
        (reply(PNG, X_Robots_Tag="noai"), "noai", False, 1),
        (reply(PNG, X_Robots_Tag="trawl: noimageai"), "noai", False, 1),
        (reply(PNG, X_Robots_Tag="noindex, nofollow"), "noindex", False, 1),
        (reply(PNG, X_Robots_Tag="noimageindex"), "noindex", False, 1),
        (reply(PNG, Content_Encoding="gzip"), "bad_encoding", False, 1),
        (reply(PNG, length=10**12), "too_big", False, 1),
        (then_close(b"HTTP/1.1 200 OK\r\n\r\n" + PNG * 200), "too_big", False, 1),
        (reply(status=302, Location="/a.png"), "too_many_redirects", False, 6),
        (reply(status=302, Location="http://127.0.0.1/x.png"), "blocked_address", False, 1),
        (reply(status=302, Location="http://[::ffff:10.0.0.1]/"), "blocked_address", False, 1),
        (reply(status=302, Location="http://example.org:22/"), "bad_url", False, 1),
        (reply(status=302, Location="file:///etc/passwd"), "bad_url", False, 1),
        (reply(status=302, Location="http://u:p@example.org/"), "bad_url", False, 1),
        (reply(status=302), "http_302", False, 1),
        (reply(status=302, Location="http://[::1"), "bad_url", False, 1),
        (reply(status=302, Location="http://xn--/"), "bad_url", False, 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_failure_has_its_reason_and_leaves_no_file(
    server: Server, into: Path, bad: Any, expected: str, transient: bool, tries: int
) -> None:
    url = server.on("/a.png", bad)
    async with opened(server) as http:
        with pytest.raises(FetchError) as caught:
            await http.fetch(Rung(url, bytes=len(PNG), md5=MD5), into, max_bytes=1_000_000)
    assert reason(caught) == (expected, transient)
    assert len(server.ledger) == tries
    assert not into.exists()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.png",
        "http://u:p@example.org/",
        "x" * 5000,
        "http://xn--/",
        "http://[::",
    ],
)
async def test_bad_urls_are_not_asked_for(server: Server, into: Path, url: str) -> None:
    async with opened(server) as http:
        with pytest.raises(ConfigError, match="bad URL"):
            await http.get_json(url)
        with pytest.raises(FetchError) as caught:
            await http.fetch(Rung(url), into)
    assert reason(caught) == ("bad_url", False)


async def test_redirects_are_followed_hop_by_hop_at_the_hosts_rate(
    server: Server, into: Path
) -> None:
    async with Server() as cdn:
        url = server.on("/a", reply(b"x" * 300_000, status=301, Location="/b?c=%2F"))
        server.on("/b", reply(status=307, Location=cdn.url("/c.png")))
        cdn.on("/c.png", reply(PNG))
        stats = Stats()
        async with opened(server, cdn, stats=stats, rate=20.0) as http:
            got = await http.fetch(Rung(url), into)
        assert got.final_url == cdn.url("/c.png")
        assert [asked.target for asked in server.ledger] == ["/a", "/b?c=%2F"]
        assert server.ledger[1].at - server.ledger[0].at >= 0.045
        assert stats.file_requests == 3


async def test_a_dripping_file_ends_at_the_total_deadline(server: Server, into: Path) -> None:
    url = server.on("/a.png", drip(reply(PNG), 0.02))
    async with opened(server, total_timeout=0.4, attempts=1) as http:
        began = time.monotonic()
        with pytest.raises(FetchError) as caught:
            await http.fetch(Rung(url), into)
    assert reason(caught) == ("timeout", True)
    assert time.monotonic() - began < 0.9
    assert not into.exists()


async def test_a_transfer_below_the_least_rate_is_given_up(server: Server, into: Path) -> None:
    url = server.on("/a.png", drip(reply(PNG), 0.02, piece=100))
    async with opened(server, min_rate=50_000.0, min_rate_window=0.2, attempts=1) as http:
        with pytest.raises(FetchError, match="too few") as caught:
            await http.fetch(Rung(url), into)
    assert reason(caught) == ("timeout", True)
    assert not into.exists()


async def test_a_silent_server_is_a_timeout(server: Server, into: Path) -> None:
    url = server.on("/a.png", slowly(reply(PNG), 30.0))
    async with opened(server, read_timeout=0.2, attempts=2) as http:
        with pytest.raises(FetchError) as caught:
            await http.fetch(Rung(url), into)
    assert reason(caught) == ("timeout", True)
    assert len(server.ledger) == 2


async def test_cancelling_leaves_no_partial_file_and_a_usable_session(
    server: Server, tmp_path: Path
) -> None:
    slow = server.on("/slow.png", drip(reply(PNG * 300), 0.005, piece=100_000))
    good = server.on("/good.png", reply(PNG))
    async with opened(server) as http:
        tasks = [
            asyncio.create_task(http.fetch(Rung(slow), tmp_path / f"slow{n}")) for n in range(8)
        ]
        async with asyncio.timeout(5.0):
            while not any(tmp_path.iterdir()):
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        began = time.monotonic()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        assert time.monotonic() - began < 0.5
        assert list(tmp_path.iterdir()) == []
        await asyncio.gather(*(http.fetch(Rung(good), tmp_path / f"g{n}") for n in range(20)))
    assert len(list(tmp_path.iterdir())) == 20


async def test_cancelling_a_back_off_returns_at_once(server: Server, into: Path) -> None:
    url = server.on("/a.png", reply(status=500))
    async with opened(server, retry_first=30.0, retry_longest=60.0) as http:
        fetching = asyncio.create_task(http.fetch(Rung(url), into))
        await asyncio.sleep(0.2)
        fetching.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert time.monotonic() - began < 0.2


async def test_nothing_is_held_while_backing_off(server: Server, tmp_path: Path) -> None:
    bad, good = server.on("/bad", reply(status=408)), server.on("/good", reply(PNG))
    async with opened(server, retry_first=30.0, retry_longest=60.0) as http:
        failing = [asyncio.create_task(http.fetch(Rung(bad), tmp_path / f"b{n}")) for n in range(8)]
        await asyncio.sleep(0.2)
        await asyncio.wait_for(http.fetch(Rung(good), tmp_path / "g"), 1.0)
        for task in failing:
            task.cancel()
        await asyncio.gather(*failing, return_exceptions=True)


async def test_an_existing_file_is_never_written_over(server: Server, into: Path) -> None:
    into.write_bytes(b"mine")
    url = server.on("/a.png", reply(PNG))
    async with opened(server) as http:
        with pytest.raises(FileExistsError):
            await http.fetch(Rung(url), into)
    assert into.read_bytes() == b"mine"


async def test_a_planted_link_is_not_followed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "part").symlink_to(tmp_path / "target")
    url = server.on("/a.png", reply(PNG))
    async with opened(server) as http:
        with pytest.raises(FileExistsError):
            await http.fetch(Rung(url), tmp_path / "part")
    assert not (tmp_path / "target").exists()


async def test_running_out_of_descriptors_pauses_and_blames_nobody(
    server: Server, into: Path
) -> None:
    url = server.on("/a.png", reply(PNG))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    blame = {"breaker_after": 1, "breaker_patience": 1, "retry_floor": 0.0}
    async with opened(server, attempts=1, **blame) as http:
        with open("/dev/null") as probe:
            # The loop and the server have what they need; no new descriptor can be had.
            resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno(), hard))
        try:
            fetching = asyncio.create_task(http.fetch(Rung(url), into))
            await asyncio.sleep(0.3)
            assert not fetching.done()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await asyncio.wait_for(fetching, 5.0)
    assert into.read_bytes() == PNG


# The session itself


@pytest.mark.parametrize("contact", ["Mozilla/5.0 (X11)", "me\r\nX-Evil: 1", "ich@bücher.de"])
async def test_a_contact_that_pretends_or_cannot_be_sent_is_refused(contact: str) -> None:
    with pytest.raises(ConfigError, match=r"net\.contact"):
        async with Session(Net(contact=contact), Stats()):
            pass


async def test_an_allow_list_without_ports_is_refused() -> None:
    with pytest.raises(ConfigError, match="host:port"):
        async with Session(Net(allow_hosts=frozenset({"localhost"})), Stats()):
            pass


async def test_keys_reach_neither_logs_nor_errors(
    server: Server, into: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[Exception] = []
    good = server.on("/good.json", json_reply("[]"))
    server.on("/a.png", then_close(b"garbage\r\n\r\n"))
    server.on("/gone", json_reply("{}", status=404))
    async with opened(server, credentials=Credentials(SECRET, SECRET), breaker_after=99) as http:
        await http.get_json(good, {"token": SECRET})
        for path in ("/gone", "/a.png"):
            try:
                await http.get_json(server.url(path), {"token": SECRET})
            except (ApiStatus, BadAnswer) as error:
                errors.append(error)
            try:
                await http.fetch(Rung(server.url(f"{path}?sig={SECRET}")), into)
            except FetchError as error:
                errors.append(error)
    assert len(errors) == 4
    assert "good.json" in caplog.text
    basic = base64.b64encode(f"{SECRET}:{SECRET}".encode()).decode()
    seen = caplog.text + "".join(f"{error} {error!r} {vars(error)}" for error in errors)
    assert SECRET not in seen
    assert basic not in seen


async def test_a_sites_long_words_are_cut_short(server: Server) -> None:
    url = server.on("/p.json", json_reply(json.dumps({"message": "x" * 5000}), status=403))
    async with opened(server) as http:
        with pytest.raises(AccessDenied) as caught:
            await http.get_json(url)
    assert len(caught.value.message) < 400
