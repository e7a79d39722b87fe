"""What faults make of an answer, without a network."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from crawler.demo.alteration import altered
from crawler.demo.answers import Answer
from crawler.demo.api import Api, Asked
from crawler.demo.bombs import bomb
from crawler.demo.faults import (
    Action,
    Bomb,
    Corrupt,
    FalseRange,
    Headers,
    Hops,
    IgnoreRange,
    Padded,
    Spoil,
    Status,
    Version,
)
from crawler.demo.images import Images
from crawler.demo.posts import Post, World

OTHER = b"another version, longer than what is asked for" * 100


@pytest.fixture
def post(world: World) -> Post:
    return world.of_kind("official_art")[0]


def file(world: World, post: Post, action: Action | None = None, **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = Asked("GET", f"/original/{post.media.path}", {}, sent)
    return altered(action, asked, Images(world).answer, api=False)


def page(world: World, action: Action | None = None) -> Answer:
    asked = Asked("GET", "/posts.json", {"tags": "official_art"}, {})
    return altered(action, asked, Api(world, "http://cdn").answer, api=True)


def test_headers_are_replaced_added_and_taken_away(world: World, post: Post) -> None:
    change = Headers({"Content-Type": "text/html", "X-Robots-Tag": "noai", "ETag": None})
    answer = file(world, post, change)
    assert (answer.body, answer.content_type) == (post.media.read(), "text/html")
    assert answer.headers["X-Robots-Tag"] == "noai"
    assert "ETag" not in answer.headers


def test_a_bomb_is_told_as_an_encoding(world: World, post: Post) -> None:
    answer = file(world, post, Bomb("br", 2**30))
    assert answer.headers["Content-Encoding"] == "br"
    assert answer.body == bomb("br", 2**30)
    assert len(answer.body) < 2000


def test_hops_lead_to_the_file_or_nowhere(world: World, post: Post) -> None:
    asked = Asked("GET", f"/original/{post.media.path}", {}, {})
    for _ in range(3):
        answer = altered(Hops(3), asked, Images(world).answer, api=False)
        assert answer.status == 302
        target = urlsplit(answer.headers["Location"])
        query = dict(pair.split("=") for pair in target.query.split("&"))
        asked = Asked("GET", target.path, query, {})
    assert altered(Hops(3), asked, Images(world).answer, api=False).body == post.media.read()
    again = altered(Hops(), asked, Images(world).answer, api=False)
    assert again.headers["Location"].startswith(asked.path)


def test_another_version_has_its_own_validators(world: World, post: Post) -> None:
    first = file(world, post)
    etag = first.headers["ETag"]
    other = file(world, post, Version(OTHER))
    assert (other.status, other.body) == (200, OTHER)
    assert other.headers["ETag"] != etag
    assert other.headers["Last-Modified"] != first.headers["Last-Modified"]
    wanted = {"range": "bytes=50-"}
    resumed = file(world, post, Version(OTHER), **wanted, if_range=etag)
    assert (resumed.status, resumed.body) == (200, OTHER)
    same = file(world, post, Version(OTHER, same_etag=True), **wanted, if_range=etag)
    assert (same.status, same.body) == (206, OTHER[50:])


def test_a_range_is_ignored(world: World, post: Post) -> None:
    answer = file(world, post, IgnoreRange(), range="bytes=50-")
    assert (answer.status, answer.body) == (200, post.media.read())


def test_a_part_is_not_what_it_should_be(world: World, post: Post) -> None:
    data, size = post.media.read(), post.media.size
    wanted = {"range": "bytes=50-"}
    hidden = file(world, post, FalseRange(shift=7), **wanted)
    assert hidden.body == data[57:] + bytes(7)
    assert hidden.headers["Content-Range"] == f"bytes 50-{size - 1}/{size}"
    admitted = file(world, post, FalseRange(shift=7, admits=True), **wanted)
    assert admitted.body == data[57:]
    assert admitted.headers["Content-Range"] == f"bytes 57-{size - 1}/{size}"
    longer = file(world, post, FalseRange(total=5), **wanted)
    assert longer.headers["Content-Range"].endswith(f"/{size + 5}")
    assert file(world, post, FalseRange(etag='"x"'), **wanted).headers["ETag"] == '"x"'
    assert file(world, post, FalseRange(shift=7, total=5, etag='"x"')) == file(world, post)


def test_one_post_of_a_page_is_nonsense(world: World) -> None:
    rows = json.loads(page(world).body)
    bad = rows[1]["id"]
    spoilt = json.loads(page(world, Spoil({bad: {"md5": "[[1]]", "new": "1e999"}})).body)
    assert (spoilt[1]["md5"], spoilt[1]["new"]) == ([[1]], float("inf"))
    assert spoilt[0] == rows[0]
    twice = page(world, Spoil({bad: {"md5": "null"}}, twice=True)).body.decode()
    assert twice.count('"md5":') == page(world).body.decode().count('"md5":') + 1


def test_padding_is_still_json(world: World) -> None:
    answer = page(world, Padded(1_000_000))
    assert len(answer.body) == 1_000_000
    assert json.loads(answer.body) == json.loads(page(world).body)


@pytest.mark.parametrize(
    ("said", "written", "seconds"),
    [(2.0, "2", 2.0), (315_360_000.0, "315360000", 315_360_000.0), ("soon", "soon", None)],
)
def test_later_is_written_as_it_is_meant(
    world: World, said: str | float, written: str, seconds: float | None
) -> None:
    answer = page(world, Status(429, retry_after=said))
    assert (answer.headers["Retry-After"], answer.retry_after) == (written, seconds)


def test_later_as_a_date_counts_from_the_replys_own(world: World) -> None:
    answer = page(world, Status(429, retry_after=30.0, dated=True))
    until, now = (parsedate_to_datetime(answer.headers[key]) for key in ("Retry-After", "Date"))
    assert (until - now).total_seconds() == answer.retry_after == 30


def test_damage_is_the_same_every_time(world: World, post: Post) -> None:
    one, two = (file(world, post, Corrupt(10, seed)).body for seed in (1, 2))
    assert one == file(world, post, Corrupt(10, 1)).body != two
