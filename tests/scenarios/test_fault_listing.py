"""Trouble with the site's answers: pages come again or the run ends and says why; a bad post costs
only itself."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from crawler.demo.faults import (
    Action,
    Body,
    Bomb,
    CloseDelimited,
    Delay,
    Drip,
    EmptyPage,
    Fault,
    Faults,
    Hops,
    Html,
    Informational,
    Overlong,
    Padded,
    Redirect,
    Reset,
    Spoil,
    Stall,
    Status,
    Truncate,
)
from crawler.demo.world import big_world
from tests.scenarios.audit import audit
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address
from tests.scenarios.faulty import CRAWL, IMPATIENT
from tests.scenarios.outcome import Fact, outcome, rows

NESTED = Body(b"[" * 100_000 + b"]" * 100_000)

PASSING: Sequence[Sequence[Action]] = (
    (Status(502), Status(503, html=True), Reset(0.0)),
    (Truncate(0.7), Truncate(0.7, honest=True), CloseDelimited(0.7)),
    (Html(), Stall(0.5, 5), Status(429, html=True)),
    (Delay(5), Drip(10, 0.05), Status(504)),
    (Drip(1, 0.1, head=True), Reset(0.5), Status(408)),
    (Body(b""), NESTED, Overlong(0.7)),
    (Status(500), Status(500), CloseDelimited(0.7, reset=True)),
    (EmptyPage(),),
    (Hops(3),),
    (Informational(103, 100),),
)
"""Troubles with one page, one after the other, as many as are borne with."""

SHORT_WAITS = IMPATIENT | {"TRAWL_NET__ATTEMPTS": "2", "TRAWL_NET__RETRY_FIRST": "0.002"}
LASTING: dict[str, tuple[Action, str]] = {
    "the database times out": (Status(500), "timed out"),
    "not found": (Status(404), "404"),
    "a web page": (Html(), "web page"),
    "cut JSON": (Truncate(0.7, honest=True), "not JSON"),
    "no list": (Body(b'{"posts": []}'), "expected a list"),
    "nested too deeply": (NESTED, "not JSON"),
    "not UTF-8": (Body(b'["\xff\xfe\xfd"]'), "not JSON"),
    "seventeen megabytes": (Padded(17_000_000), "larger than"),
    "compressed": (Bomb("gzip", 10_000), "compressed"),
    "redirected for ever": (Hops(), "redirects"),
    "redirected to this machine": (Redirect("http://127.0.0.1/"), "127.0.0.1"),
}


@pytest.mark.parametrize("actions", PASSING, ids=lambda some: "-".join(map(repr, some))[:60])
def test_trouble_with_a_page_of_the_listing_loses_nothing(
    serve: Serve, tmp_path: Path, actions: Sequence[Action]
) -> None:
    world = big_world(4)
    faults = [Fault(do, "/posts.json", nth=n) for n, do in enumerate(actions, start=1)]
    site = serve(world, faults=Faults(faults))
    Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts})
    played = {entry.fault for entry in site.ledger if entry.fault}
    assert played == {type(do).__name__ for do in actions}


@pytest.mark.parametrize("name", LASTING)
def test_trouble_with_the_listing_that_stays_ends_the_run_with_its_reason(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    action, told = LASTING[name]
    site = serve(big_world(4), faults=Faults([Fault(action, "/posts.json")]))
    done = Trawl(tmp_path, address(site), SHORT_WAITS)(*CRAWL, code=None)
    assert done.code in (4, 5), done.err
    assert told in done.err, done.err
    assert outcome(tmp_path / "set").works == []
    assert site.ledger.originals() == []


def test_what_a_listing_began_is_gone_on_with_when_the_site_is_well_again(
    serve: Serve, tmp_path: Path
) -> None:
    """The second page cannot be had: what the first one told is kept, and it is not read again."""
    world = big_world(208)
    hidden = [replace(post, hidden=True) for post in world.posts[10:200]]  # listed, not fetched
    world = replace(world, posts=(*world.posts[:10], *hidden, *world.posts[200:]))
    second = Fault(Html(), "/posts.json", query="*page=b9&*")
    site = serve(world, faults=Faults([second]))
    trawl = Trawl(tmp_path, address(site), SHORT_WAITS)
    first = trawl(*CRAWL, code=5)
    assert "web page" in first.err
    assert len(outcome(tmp_path / "set").works) == 200
    asked = len(site.ledger.requests("/posts.json"))
    site.course.plan = Faults()
    trawl(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts if not post.hidden})
    (again,) = site.ledger.requests("/posts.json")[asked:]
    assert dict(parse_qsl(again.query))["page"] == "b9"


NOWHERE = Fact("", "never listed", None, None)
FIELDS = (
    *("id", "created_at", "updated_at", "md5", "rating", "image_width", "image_height", "file_ext"),
    *("file_size", "file_url", "source", "pixiv_id", "parent_id", "has_children", "score"),
    *("fav_count", "is_pending", "is_flagged", "is_deleted", "is_banned", "media_asset"),
    *("tag_string_general", "tag_string_artist", "tag_string_character", "tag_string_meta"),
)
NONSENSE = {
    "null": "null",
    "true": "true",
    "a negative number": "-1",
    "a fraction": "0.5",
    "a number beyond every float": "1e999",
    "no number": "NaN",
    "a number of four thousand digits": "9" * 4000,
    "an empty text": '""',
    "a text of control characters": json.dumps("\0\x1b[2J\u202e../../etc/passwd\r\n"),
    "half a character": '"\\ud800"',
    "a long text": json.dumps("x" * 100_000),
    "a list": "[1, [2], {}]",
    "an object": '{"id": 1, "": {"": []}}',
    "a deep list": "[" * 500 + "]" * 500,
}


def test_a_post_that_is_nonsense_costs_only_itself(serve: Serve, tmp_path: Path) -> None:
    """Every field is once of every wrong kind, in a page with good posts around it."""
    cases = [(field, value) for field in FIELDS for value in NONSENSE.values()]
    random.Random(5).shuffle(cases)
    cases = cases[:150]
    assert {field for field, _ in cases} == set(FIELDS)
    world = big_world(175)
    poisoned = dict(zip([post.id for post in world.posts if post.id % 7], cases, strict=True))
    spoil = Spoil({post_id: {field: raw} for post_id, (field, raw) in poisoned.items()})
    site = serve(world, faults=Faults([Fault(spoil, "/posts*")]))
    Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL)
    found = outcome(tmp_path / "set")
    good = {post.id for post in world.posts} - set(poisoned)
    unharmed = {i for i in poisoned if found.facts.get(str(i), NOWHERE).state == "accepted"}
    audit(tmp_path / "set", site, good | unharmed)
    dropped = {r["reason"]: r["count"] for r in rows(tmp_path / "set", "SELECT * FROM dropped")}
    told = len(found.works) + sum(dropped.values())
    assert told == len(world.posts), "a post is neither a work nor counted"
    assert {work.state for work in found.works} <= {"accepted", "unavailable", "rejected", "failed"}
    without = [i for i, (field, raw) in poisoned.items() if field == "id" and raw != "true"]
    assert set(dropped) <= {"bad_post"}
    assert dropped["bad_post"] >= len(without) - 1


@pytest.mark.parametrize("raw", ["1" * 5000, "[" * 5000 + "]" * 5000], ids=["number", "list"])
def test_a_post_that_spoils_the_whole_page_is_told(serve: Serve, tmp_path: Path, raw: str) -> None:
    """No JSON reader takes these: the page cannot be read, and that ends the run in order."""
    world = big_world(4)
    site = serve(world, faults=Faults([Fault(Spoil({2: {"score": raw}}), "/posts*")]))
    done = Trawl(tmp_path, address(site), SHORT_WAITS)(*CRAWL, code=None)
    assert done.code in (0, 5)
    if done.code == 5:
        assert "not JSON" in done.err


def test_a_key_that_comes_twice_does_not_lead_astray(serve: Serve, tmp_path: Path) -> None:
    """A right md5 and rating first, others behind them: whichever counts, no wrong file gets in."""
    world = big_world(6)
    other = world.posts[0].media
    spoil = Spoil(
        {post.id: {"md5": json.dumps(other.md5), "rating": '"e"'} for post in world.posts[3:]},
        twice=True,
    )
    site = serve(world, faults=Faults([Fault(spoil, "/posts*")]))
    Trawl(tmp_path, address(site), IMPATIENT)(*CRAWL)
    audit(tmp_path / "set", site, {post.id for post in world.posts[:3]})
