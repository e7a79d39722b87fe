"""What becomes of every kind of post that a site has, in one crawl of the demo world."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from crawler.demo.kinds import KINDS, Fate
from crawler.demo.ledger import Ledger
from crawler.demo.posts import Post, World
from crawler.demo.world import REIMU
from crawler.site import VERSION
from tests.scenarios.driver import CONTACT, Done, Trawl, address, serving
from tests.scenarios.outcome import (
    Fact,
    assert_sound,
    catalog_bytes,
    outcome,
    rows,
    sha256,
    stored_files,
)
from tests.scenarios.worlds import file_of, reimu_posts

NOT_YET = {
    # Near-duplicates are found by looking at pictures, which no filter does yet: both are kept.
    "near_duplicate": Fate("accepted"),
}
LOOKED_AT = {"low_quality", "blurred"}
"""Kinds that are rejected for what is seen: only these are fetched in vain."""
WIDE = (
    *("--rating", "g,s,q,e"),
    *("--set", "resolution.min_side=1"),
    *("--set", "resolution.min_pixels=1"),
)


@dataclass(frozen=True)
class Crawled:
    """One finished crawl of everything the world has of the main character."""

    world: World
    workspace: Path
    ledger: Ledger
    facts: dict[str, Fact]
    done: Done

    def posts(self, kind: str) -> list[Post]:
        return [post for post in reimu_posts(self.world) if post.kind == kind]

    def fact(self, post: Post) -> Fact:
        return self.facts[str(post.id)]

    def asked(self, post: Post) -> bool:
        """Whether any form of the post's file was asked for."""
        files = [post.media, *([post.replacement] if post.replacement else [])]
        return any(media.md5 in entry.path for media in files for entry in self.ledger)


@pytest.fixture(scope="module")
def crawled(world: World, tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    home = tmp_path_factory.mktemp("kinds")
    with serving(world) as site:
        trawl = Trawl(home, address(site))
        done = trawl("crawl", "danbooru", REIMU, "--all", "-w", "set")
    return Crawled(world, home / "set", site.ledger, outcome(home / "set").facts, done)


@pytest.fixture(scope="module")
def narrowed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    """A crawl that asked for every rating and size and was then run with the usual policy."""
    home = tmp_path_factory.mktemp("narrowed")
    with serving(world) as site:
        trawl = Trawl(home, address(site))
        crawl = ("crawl", "danbooru", REIMU, "--all", "-w", "set", "--option", "deleted=true")
        trawl(*crawl, *WIDE)
        done = trawl(*crawl)
    return Crawled(world, home / "set", site.ledger, outcome(home / "set").facts, done)


def expected(kind: str) -> Fate:
    return NOT_YET.get(kind, KINDS[kind])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_becomes_of_each_kind(crawled: Crawled, kind: str) -> None:
    posts, fate = crawled.posts(kind), expected(kind)
    assert posts, "the world has no such post"
    if fate.unlisted:
        assert not [post for post in posts if str(post.id) in crawled.facts]
        assert not [post for post in posts if crawled.asked(post)]
    elif fate.state == "copy":
        assert_one_of_each_picture(crawled, posts)
    else:
        assert {crawled.fact(p).ending for p in posts} == {(fate.state, fate.reason)}


@pytest.mark.parametrize("kind", sorted(kind for kind, fate in KINDS.items() if fate.unlisted))
def test_kinds_that_the_site_left_out_are_judged_alike_when_they_are_listed(
    narrowed: Crawled, kind: str
) -> None:
    fate = expected(kind)
    if kind in ("video", "ugoira"):  # no search of ours ever lists what is no picture
        assert not [post for post in narrowed.posts(kind) if str(post.id) in narrowed.facts]
        return
    endings = {narrowed.fact(post).ending for post in narrowed.posts(kind)}
    assert endings == {(fate.state, fate.reason)}


@pytest.mark.parametrize("kind", sorted(kind for kind, fate in KINDS.items() if not fate.unlisted))
def test_a_narrowed_policy_comes_to_the_same_end(
    crawled: Crawled, narrowed: Crawled, kind: str
) -> None:
    for post in crawled.posts(kind):
        assert narrowed.fact(post).ending == crawled.fact(post).ending


def assert_one_of_each_picture(crawled: Crawled, posts: list[Post]) -> None:
    endings: dict[str | None, Counter[str]] = {}
    for post in posts:
        endings.setdefault(post.copies, Counter())[crawled.fact(post).state] += 1
    for counts in endings.values():
        assert counts == {"accepted": 1, "duplicate": counts.total() - 1}


def test_every_listed_post_has_exactly_one_state(crawled: Crawled) -> None:
    listed = {str(post.id) for post in reimu_posts(crawled.world) if not KINDS[post.kind].unlisted}
    recorded = [r["site_id"] for r in rows(crawled.workspace, WORKS)]
    assert sorted(recorded) == sorted(listed)
    assert {fact.state for fact in crawled.facts.values()} == {
        *("accepted", "rejected", "duplicate", "failed", "unavailable")
    }
    assert all(fact.reason for fact in crawled.facts.values() if fact.state != "accepted")


WORKS = "SELECT c.site_id FROM works w JOIN candidates c ON c.id = w.candidate_id"


def test_the_table_counts_every_work_once(crawled: Crawled) -> None:
    counted = Counter(fact.ending for fact in crawled.facts.values())
    told: Counter[tuple[str, str | None]] = Counter()
    for line in crawled.done.out.splitlines():
        words = line.split()
        if "danbooru:" in line and words[0] in {state for state, _ in counted}:
            reason = None if words[0] == "accepted" else words[1]
            told[words[0], reason] = int(words[1 if reason is None else 2])
    assert told == counted


def test_accepted_originals_are_the_very_bytes_the_server_holds(crawled: Crawled) -> None:
    posts = {str(post.id): post for post in crawled.world.posts}
    files = stored_files(crawled.workspace)
    for fact in crawled.facts.values():
        if fact.state == "accepted":
            media = posts[fact.site_id].replacement or posts[fact.site_id].media
            held = files[fact.sha256 or ""].read_bytes()
            assert held == media.read()
            assert hashlib.md5(held).hexdigest() == media.md5
            assert sha256(held) == fact.sha256
    assert_sound(crawled.workspace)


def test_accepted_pictures_have_the_size_that_was_claimed(crawled: Crawled) -> None:
    posts = {str(post.id): post for post in crawled.world.posts}
    for work in outcome(crawled.workspace).works:
        if work.state != "accepted":
            continue
        media = posts[work.site_id].replacement or posts[work.site_id].media
        assert work.path is not None
        with Image.open(work.path) as picture:
            assert ImageOps.exif_transpose(picture).size == (media.width, media.height)
    claimed = rows(
        crawled.workspace,
        "SELECT c.width, c.height, i.width AS w, i.height AS h, c.bytes, i.bytes AS b"
        " FROM candidates c JOIN images i ON i.sha256 = c.image WHERE c.outcome = 'fetched'",
    )
    assert claimed
    for row in claimed:
        assert {row["width"], row["height"]} == {row["w"], row["h"]}
        assert row["bytes"] == row["b"]


def test_no_original_is_asked_for_that_claims_already_decide(crawled: Crawled) -> None:
    for post in reimu_posts(crawled.world):
        fact = crawled.facts.get(str(post.id))
        decided = fact is None or (
            fact.state in ("rejected", "unavailable") and post.kind not in LOOKED_AT
        )
        if decided:
            assert not crawled.asked(post), f"{post.kind} {post.id} was asked for"


def test_a_duplicate_that_the_site_tells_of_is_not_fetched(crawled: Crawled) -> None:
    for post in crawled.posts("pixel_identical"):
        assert crawled.asked(post) == (crawled.fact(post).state == "accepted")


def test_no_original_is_fetched_twice_but_for_trouble(crawled: Crawled) -> None:
    troubled = {
        file_of(post)
        for post in reimu_posts(crawled.world)
        if post.kind in ("error_once", "truncated_once", "md5_mismatch")
    }
    repeated = {url[url.index("/") :] for url in crawled.ledger.repeats("/original/*")}
    assert repeated == troubled


def test_nothing_but_originals_is_fetched_from_the_image_host(crawled: Crawled) -> None:
    host = next(iter(crawled.ledger.originals())).host
    assert crawled.ledger.requests(host=host) == crawled.ledger.originals()


def test_hidden_posts_stay_hidden(crawled: Crawled) -> None:
    hidden = [post for post in reimu_posts(crawled.world) if post.hidden]
    assert hidden
    stored = catalog_bytes(crawled.workspace)
    for post in hidden:
        assert not crawled.asked(post)
        assert post.media.md5.encode() not in stored


def test_every_request_says_who_we_are(crawled: Crawled) -> None:
    assert len(crawled.ledger) > 50
    assert {e.user_agent for e in crawled.ledger} == {f"trawl/{VERSION} ({CONTACT})"}
    assert not [e for e in crawled.ledger if e.authorization or "Cookie" in e.headers]


def test_of_blocked_works_only_the_id_and_the_reason_are_kept(crawled: Crawled) -> None:
    blocked = [*crawled.posts("blocked_tag"), *crawled.posts("blocked_age_coded")]
    stored = catalog_bytes(crawled.workspace)
    kept = {"id", "site", "origin", "site_id", "outcome", "reason", "first_seen_at", "read_at"}
    for post in blocked:
        (row,) = rows(crawled.workspace, "SELECT * FROM candidates WHERE site_id = ?", str(post.id))
        assert {name for name in row.keys() if row[name] is not None} == kept  # noqa: SIM118
        for table in ("rungs", "candidate_tags", "attempts"):
            assert not rows(
                crawled.workspace,
                f"SELECT * FROM {table} WHERE candidate_id = ?",
                row["id"],
            )
        (work,) = rows(crawled.workspace, "SELECT * FROM works WHERE candidate_id = ?", row["id"])
        assert (work["state"], work["reason"]) == ("rejected", "blocked_content")
        assert work["measured"] is work["threshold"] is None
        assert post.media.md5.encode() not in stored
    assert b"loli" not in stored
