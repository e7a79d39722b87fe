"""Trouble with files: what passes costs nothing, what stays is told, and the rest is unharmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.demo.faults import (
    Action,
    Body,
    Bomb,
    CloseDelimited,
    Corrupt,
    Delay,
    Drip,
    Fault,
    Faults,
    Headers,
    Hops,
    Html,
    Informational,
    Overlong,
    Redirect,
    Reset,
    Stall,
    Status,
    Truncate,
    Version,
)
from crawler.demo.world import big_world
from tests.scenarios.audit import audit
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address
from tests.scenarios.faulty import CRAWL, IMPATIENT, Crawled, crawl_with

CLOUDFLARE = (520, 521, 522, 523, 524)
PASSING: dict[str, Action] = {
    **{f"status {code}": Status(code) for code in (408, 425, 500, 502, 503, 504, *CLOUDFLARE)},
    "429 with nothing said": Status(429),
    "cut short": Truncate(0.6),
    "cut short with its own length": Truncate(0.6, honest=True),
    "cut by a close, no length told": CloseDelimited(0.6),
    "cut by a reset, no length told": CloseDelimited(0.6, reset=True),
    "longer than was told": Overlong(0.6),
    "reset before the first byte": Reset(0.0),
    "reset in the middle": Reset(0.5),
    "no answer": Delay(5),
    "silence in the middle": Stall(0.5, 5),
    "a body that drips": Drip(100, 0.05),
    "headers that drip": Drip(1, 0.1, head=True),
    "a web page with status 200": Html(),
    "called a web page": Headers({"Content-Type": "text/html"}),
    "some bytes wrong": Corrupt(40),
    "another version of the file": Version(b"\xff\xd8\xff\xe0" + bytes(5000)),
    "the same length, another picture": Corrupt(20_000, seed=1),
    "an empty body": Truncate(0.0, honest=True),
    "redirected to itself": Hops(),
}
LASTING: dict[str, tuple[Action, *tuple[str, ...]]] = {
    "not found": (Status(404), "http_404"),
    "gone": (Status(410), "http_410"),
    "for legal reasons": (Status(451), "http_451"),
    "a range nobody asked for": (Status(416), "http_416"),
    "a redirect to nowhere": (Status(302), "http_302"),
    "500": (Status(500), "http_5xx"),
    "522": (Status(522), "http_5xx"),
    "cut short": (Truncate(0.5), "truncated"),
    "an empty body": (Truncate(0.0, honest=True), "size_mismatch"),
    "cut short with its own length": (Truncate(0.5, honest=True), "size_mismatch"),
    "cut by a close, no length told": (CloseDelimited(0.6), "size_mismatch"),
    "cut by a reset, no length told": (CloseDelimited(0.6, reset=True), "truncated"),
    "longer than was told": (Overlong(0.6), "size_mismatch", "connect_failed"),
    "reset before the first byte": (Reset(0.0), "connect_failed"),
    "reset in the middle": (Reset(0.5), "truncated"),
    "no answer": (Delay(5), "timeout"),
    "silence in the middle": (Stall(0.5, 5), "timeout"),
    "a body that drips": (Drip(100, 0.05), "timeout"),
    "headers that drip": (Drip(1, 0.1, head=True), "timeout"),
    "interim answers without end": (Informational(103, None), "timeout"),
    "a web page with status 200": (Html(), "not_an_image"),
    "JSON called a picture": (Body(b'{"error": "no such key"}'.ljust(50_000)), "size_mismatch"),
    "some bytes wrong": (Corrupt(40), "md5_mismatch"),
    "another version of the file": (Version(bytes(50_000)), "size_mismatch"),
    "redirected to itself": (Hops(), "too_many_redirects"),
    "redirected six times": (Hops(6), "too_many_redirects"),
    "redirected to a mail address": (Redirect("mailto:a@example.org"), "bad_url"),
    "a gzip bomb": (Bomb("gzip"), "bad_encoding"),
    "a deflate bomb": (Bomb("deflate"), "bad_encoding"),
    "a brotli bomb": (Bomb("br", 2**33), "bad_encoding"),
    "a zstd bomb": (Bomb("zstd", 2**33), "bad_encoding"),
    "kept out of training sets": (Headers({"X-Robots-Tag": "noai"}), "noai"),
    "pictures kept out of training sets": (Headers({"X-Robots-Tag": "noimageai"}), "noai"),
    "kept out of indexes": (Headers({"X-Robots-Tag": "noindex"}), "noindex"),
    "pictures kept out of indexes": (Headers({"X-Robots-Tag": "noimageindex"}), "noindex"),
}
SMUGGLED: dict[str, Action] = {
    "more bytes behind the file": Overlong(),
    "another answer behind the file": Overlong(
        extra=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: image/png\r\n\r\nsmuggled!"
    ),
}
HARMLESS: dict[str, Action] = {
    "no length told": CloseDelimited(),
    "called a download": Headers({"Content-Type": "application/octet-stream"}),
    "called text": Headers({"Content-Type": "text/plain"}),
    "called another kind of picture": Headers({"Content-Type": "image/png"}),
    "early hints": Informational(103, 50),
    "continue, continue": Informational(100, 50),
    "redirected five times": Hops(5),
    "a little late": Delay(0.2),
    "other crawlers are not welcome": Headers({"X-Robots-Tag": "googlebot: noai"}),
}


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    faults = {name: [Fault(do, nth=1)] for name, do in (PASSING | SMUGGLED).items()}
    return crawl_with(tmp_path_factory.mktemp("passing"), faults)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    faults = {name: [Fault(do)] for name, (do, *_) in LASTING.items()}
    home = tmp_path_factory.mktemp("lasting")
    return crawl_with(home, faults, lost=True, TRAWL_NET__ATTEMPTS="2")


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    faults = {name: [Fault(do)] for name, do in HARMLESS.items()}
    return crawl_with(tmp_path_factory.mktemp("harmless"), faults)


@pytest.mark.parametrize("name", PASSING)
def test_trouble_that_passes_costs_no_file(passing: Crawled, name: str) -> None:
    assert passing.ending(name) == ("accepted", None)
    first, *others = passing.requests(name)
    assert first.fault is not None
    assert [entry.fault for entry in others] == [None]


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_follows_a_file_is_nobodys_answer(passing: Crawled, name: str) -> None:
    """Whether the file before it counts depends on what arrives first; it is the right one."""
    assert passing.ending(name) == ("accepted", None)
    assert len(passing.requests(name)) <= 2


@pytest.mark.parametrize("name", LASTING)
def test_trouble_that_stays_is_told_by_its_name(lasting: Crawled, name: str) -> None:
    state, reason = lasting.ending(name)
    assert state == "failed"
    assert reason in LASTING[name][1:]


@pytest.mark.parametrize("name", LASTING)
def test_trouble_that_stays_is_not_asked_for_again_and_again(lasting: Crawled, name: str) -> None:
    """Twice by the settings; bytes that differ from the claims once more; and each may redirect."""
    asked = [entry for entry in lasting.requests(name) if entry.status not in (301, 302)]
    assert len(asked) <= 3


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_only_odd_is_taken_at_the_first_time(harmless: Crawled, name: str) -> None:
    assert harmless.ending(name) == ("accepted", None)
    (served,) = [entry for entry in harmless.requests(name) if entry.status != 302]
    assert served.fault is not None


@pytest.mark.parametrize(
    ("refusal", "reason"), [(Status(451), "http_451"), (Html(), "not_an_image")]
)
def test_a_host_that_refuses_every_file_is_left_alone_and_tried_again_later(
    serve: Serve, tmp_path: Path, refusal: Action, reason: str
) -> None:
    world = big_world(60)
    site = serve(world, faults=Faults([Fault(refusal, match="/original/*")]))
    trawl = Trawl(tmp_path, address(site), IMPATIENT | {"TRAWL_LIMITS__CONCURRENCY": "4"})
    done = trawl(*CRAWL, code=5)
    assert f"20 works in a row failed with {reason} at 127.0.0.1" in done.err
    assert len({entry.path for entry in site.ledger.originals()}) <= 24
    site.course.plan = Faults()
    trawl(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts})
