"""A server that means harm: it leads us nowhere, learns nothing, and costs us little."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.demo.faults import Bomb, Fault, Faults, Headers, Redirect, Spoil, Status
from crawler.demo.world import REIMU, big_world
from tests.scenarios.audit import Canary, audit
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address
from tests.scenarios.faulty import CRAWL, IMPATIENT, crawl_with
from tests.scenarios.outcome import outcome
from tests.scenarios.worlds import file_of

MOST_MEMORY = 300_000_000
"""Bytes that a crawl may hold at its peak, whatever is sent to it."""

PRIVATE = (
    *("http://127.0.0.1/x", "http://localhost/x", "http://127.1/", "http://0/", "http://0x7f.1/"),
    *("http://2130706433/", "http://017700000001/", "http://[::1]/", "http://[::ffff:127.0.0.1]/"),
    *("http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/"),
    *("http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://192.168.0.1/"),
    *("http://172.16.0.1/", "http://100.64.0.1/", "http://[fe80::1]/", "http://[fc00::1]/"),
    *("http://224.0.0.1/", "http://168.63.129.16/", "https://127.0.0.1/"),
)
NO_URLS = (
    *("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "mailto:a@example.org"),
    *("data:image/png;base64,aGVsbG8=", "javascript:alert(1)", "about:blank"),
    *("http://[::1", "http://[zz]/", "http://a:99999/", "http://a:b/", "http://a..b/"),
    *("http://user:secret@127.0.0.1/x", "http://example.org:22/", "http://\\x/"),
    f"http://example.org/{'a' * 5000}",
)


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with Canary() as canary:
        yield canary


REFUSED = {("failed", "blocked_address"), ("failed", "bad_url")}


def targets(canary: Canary) -> list[str]:
    """Where we are led: the canary stands for all that listens on this machine."""
    ports = [f"http://{host}:{canary.port}/" for host in ("127.0.0.1", "localhost", "0x7f.1")]
    return [*PRIVATE, *NO_URLS, *ports]


def test_no_redirect_leads_to_a_private_address_or_another_scheme(
    tmp_path: Path, canary: Canary
) -> None:
    refused = targets(canary)
    # Half of them at once, half behind a harmless first hop.
    faults: dict[str, list[Fault]] = {}
    for number, target in enumerate(refused):
        if number % 2:
            faults[target] = [Fault(Redirect(target))]
        else:
            hop = f"/hop/{number}"
            faults[target] = [Fault(Redirect(hop)), Fault(Redirect(target), match=hop)]
    crawled = crawl_with(tmp_path, faults, lost=True)
    endings = {target: crawled.ending(target) for target in refused}
    not_even_tried = REFUSED | {("failed", "connect_failed")}  # a Location that is no URL
    for target, ending in endings.items():
        assert ending in (not_even_tried if target in NO_URLS else REFUSED), target
    assert endings["http://127.0.0.1/x"] == ("failed", "blocked_address")
    assert endings["file:///etc/passwd"] == ("failed", "bad_url")
    assert canary.visits == 0


def test_no_address_in_a_post_leads_to_a_private_host_or_another_scheme(
    serve: Serve, tmp_path: Path, canary: Canary
) -> None:
    refused = targets(canary)
    world = big_world(2 * len(refused))
    posts = dict(zip(refused, world.posts[::-2], strict=True))
    spoilt = {post.id: {"file_url": json.dumps(target)} for target, post in posts.items()}
    site = serve(world, faults=Faults([Fault(Spoil(spoilt), "/posts*")]))
    Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL)
    good = {post.id for post in world.posts} - {post.id for post in posts.values()}
    facts = audit(tmp_path / "set", site, good).facts
    for target, post in posts.items():
        assert facts[str(post.id)].ending in REFUSED | {("unavailable", "bad_post")}, target
    assert canary.visits == 0
    assert len(site.ledger.originals()) == len(good)


def test_another_origin_gets_no_login_cookie_or_referer(serve: Serve, tmp_path: Path) -> None:
    """The API and the image host both send us to another site, which we are allowed to ask."""
    world = big_world(8)
    other = serve(world)
    led = [post for post in world.posts if post.id % 2]
    listing = f"{other.base_url}/posts.json?limit=200&tags={REIMU}"
    cookie = Headers({"Set-Cookie": "tracked=yes; Domain=127.0.0.1; Path=/"})
    faults = [
        Fault(Redirect(listing), "/posts.json", nth=1),
        *(Fault(Redirect(f"{other.cdn_url}{file_of(post)}"), file_of(post)) for post in led),
        Fault(cookie, "/original/*"),
    ]
    site = serve(world, faults=Faults(faults))
    # What the other site lists are its own files: it sends us back for half of them.
    other.course.plan = Faults(
        [
            Fault(Redirect(f"{site.cdn_url}{file_of(post)}"), file_of(post))
            for post in world.posts
            if post not in led
        ]
        + [Fault(cookie, "*")]
    )
    settings = {
        "TRAWL_SITES__DANBOORU__LOGIN": "gold",
        "TRAWL_SITES__DANBOORU__API_KEY": "gold-key",
        "TRAWL_NET__ALLOW_HOSTS": f"{site.allow_hosts},{other.allow_hosts}",
    }
    Trawl(tmp_path, address(site), settings)(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts}, elsewhere=[other])
    home = [entry for entry in site.ledger if entry.host == site.base_url.removeprefix("http://")]
    assert home
    assert all(entry.authorization for entry in home)
    for stranger in (site.cdn_url, other.base_url, other.cdn_url):
        host = stranger.removeprefix("http://")
        met = [e for ledger in (site.ledger, other.ledger) for e in ledger.requests(host=host)]
        assert met, f"{host} was never asked: nothing is shown"


def test_large_redirects_and_bombs_cost_neither_time_nor_memory(tmp_path: Path) -> None:
    size = 300_000_000
    sizes = {f"redirect {n}": size for n in range(4)}
    faults = {
        name: [Fault(Redirect("?behind", body=size), query="")] for name, size in sizes.items()
    }
    crawled = crawl_with(tmp_path, faults)
    for name in sizes:
        first, second = crawled.requests(name)
        assert (first.status, second.status) == (302, 200)
        assert first.sent < size / 20, "the body of a redirect was read"
    assert crawled.peak <= MOST_MEMORY


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_an_answer_that_unpacks_to_gigabytes_is_not_unpacked(
    serve: Serve, tmp_path: Path, encoding: str
) -> None:
    size = 2**33 if encoding in ("br", "zstd") else 2**25
    bomb = Fault(Bomb(encoding, size), "/posts.json")  # type: ignore[arg-type]
    site = serve(big_world(2), faults=Faults([bomb]))
    done = Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL, code=5)
    assert "compressed" in done.err
    assert done.peak <= MOST_MEMORY


STOP_SIGNS = {
    "a challenge, said in a header": Headers({"cf-mitigated": "challenge"}),
    "a page of a captcha": Status(403, html=True),
}


@pytest.mark.parametrize("sign", STOP_SIGNS)
@pytest.mark.parametrize("where", ["/posts.json", "/original/*"])
def test_a_challenge_ends_the_run_at_once(
    serve: Serve, tmp_path: Path, sign: str, where: str
) -> None:
    world = big_world(30)
    site = serve(world, faults=Faults([Fault(STOP_SIGNS[sign], where)], latency=0.02))
    done = Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL, code=5)
    assert "E_CHALLENGE" in done.err
    met = [entry for entry in site.ledger if entry.fault is not None]
    first = min(entry.end for entry in met)
    later = [entry for entry in site.ledger if entry.start > first + 0.3]
    assert later == []
    states = {work.state for work in outcome(tmp_path / "set").works}
    assert states <= {"pending"}
