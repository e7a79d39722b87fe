"""Chains of redirects over several origins: what is ours stays with the site's own origin."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.errors import BadAnswer, FetchError
from crawler.http.exchange import MAX_REDIRECTS
from crawler.http.session import Session
from crawler.site import Credentials, Net, Site
from crawler.stats import Stats
from storage.records import Rung
from tests.crawler.http.server import PNG, Server, json_reply, reply

SECRET = "CANARYkey"
LOGIN = base64.b64encode(f"{SECRET}:{SECRET}".encode()).decode()

hops = st.tuples(
    st.integers(0, 2),
    st.sampled_from([301, 302, 303, 307, 308]),
    st.sampled_from(["whole", "scheme-relative", "with a fragment"]),
)
chains = st.lists(hops, min_size=1, max_size=MAX_REDIRECTS + 1)


def location(server: Server, path: str, form: str) -> str:
    match form:
        case "scheme-relative":
            return f"//{server.host}{path}"
        case "with a fragment":
            return f"{server.url(path)}#top"
        case _:
            return server.url(path)


async def follow(chain: list[tuple[int, int, str]], last: bytes, *, api: bool) -> list[Server]:
    """Walk one chain of origins; the first request goes to the site itself."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(Server()) for _ in range(3)]
        at = servers[0]
        for number, (origin, status, form) in enumerate(chain):
            to = location(servers[origin], f"/{number + 1}", form)
            cookie = f"id={SECRET}; Domain=127.0.0.1; Path=/"
            at.on(f"/{number}", reply(status=status, Location=to, Set_Cookie=cookie))
            at = servers[origin]
        at.on(f"/{len(chain)}", last)
        net = Net(contact="me", allow_hosts=frozenset(server.host for server in servers))
        site = Site("demo", "danbooru", servers[0].url(""), 1e6, 8, Credentials(SECRET, SECRET))
        session = await stack.enter_async_context(Session(net, Stats()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        http = session.site(site)
        try:
            if api:
                await http.get_json(servers[0].url("/0"), {"api_key": SECRET, "tags": "a"})
            else:
                await http.fetch(Rung(servers[0].url("/0")), folder / "part")
        except (FetchError, BadAnswer):
            assert len(chain) > MAX_REDIRECTS
        else:
            assert len(chain) <= MAX_REDIRECTS
        return servers


@settings(max_examples=40, deadline=None)
@given(chains, st.booleans())
def test_nothing_of_ours_reaches_another_origin(
    chain: list[tuple[int, int, str]], api: bool
) -> None:
    last = json_reply("[]") if api else reply(PNG)
    own, *others = asyncio.run(follow(chain, last, api=api))
    asked = sum(len(server.ledger) for server in (own, *others))
    assert asked == min(len(chain), MAX_REDIRECTS) + 1
    for server in others:
        for request in server.ledger:
            text = f"{request.target} {request.headers}"
            assert SECRET not in text
            assert LOGIN not in text
            assert not {"authorization", "cookie", "referer", "origin"} & request.headers.keys()
    for request in own.ledger:
        assert request.headers["authorization"] == f"Basic {LOGIN}"
        assert not {"cookie", "referer"} & request.headers.keys()


urlish = st.text("htps:/?#@[]%.-_xn0127a\\ &=é\u202e\x7f", max_size=40)
places = (
    urlish | st.builds("http://{}".format, urlish) | st.builds("http://127.0.0.{}".format, urlish)
)


async def visit(locations: list[str], folder: Path) -> list[BaseException]:
    """What comes of being sent to each of these places."""
    async with Server() as server:
        net = Net(
            contact="me",
            allow_hosts=frozenset({server.host}),
            connect_timeout=0.2,
            attempts=1,
            breaker_after=10**6,
        )
        async with Session(net, Stats()) as session:
            http = session.site(Site("demo", "danbooru", server.url(""), 1e6, 8))
            ends: list[BaseException] = []
            for number, text in enumerate(locations):
                raw = text.encode("utf-8")
                head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + raw
                url = server.on(f"/start-{number}", head + b"\r\n\r\n")
                try:
                    await http.fetch(Rung(url), folder / "part")
                except Exception as error:
                    ends.append(error)
            return ends


@settings(max_examples=15, deadline=None)
@given(st.lists(places, min_size=20, max_size=20))
def test_wherever_we_are_sent_it_is_a_failure_of_that_file_alone(locations: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ends = asyncio.run(visit(locations, Path(folder)))
    assert [type(end) for end in ends if not isinstance(end, FetchError)] == []
    assert len(ends) == len(locations)
