"""Works that are known to be blocked only when they are judged again: purged as by a listing."""

from __future__ import annotations

import sqlite3
from typing import Any

from storage import purge, works
from storage.judging import rejudging
from storage.records import Ruling
from tests.storage.catalog import BLOCKED, PENDING, Catalog, candidate, rejected, sha256_of

WORKS = ("accepted", "twin", "failed", "pending")


def judge_again(catalog: Catalog, crawl: str, rule: Any) -> dict[str, str]:
    catalog.write(lambda db: rejudging.rejudge(db, crawl, rule))
    return catalog.states(crawl)


def test_what_is_blocked_only_now_is_purged_whatever_its_state(catalog: Catalog) -> None:
    crawl, other = catalog.crawl("one"), catalog.crawl("other")
    hidden = (candidate("hidden", unavailable="hidden"), Ruling("unavailable", "hidden"))
    wrong = (candidate("rejected"), rejected())
    named = [candidate(name, tags={"general": (f"tag_{name}", "all")}) for name in WORKS]
    catalog.page(crawl, *named, hidden, wrong)
    catalog.page(other, named[0])
    catalog.fetched(crawl, "accepted", "one")
    catalog.known(crawl, "twin", "one")
    catalog.known(other, "accepted", "one")
    failed = Ruling("failed", "http_404")
    catalog.write(
        lambda db: works.settle_failed(db, crawl, catalog.id("failed"), failed, [(0, "http_404")])
    )
    assert set(judge_again(catalog, crawl, lambda *_: BLOCKED).values()) == {
        "rejected:blocked_content"
    }
    assert catalog.states(other) == {"accepted": "rejected:blocked_content"}
    assert catalog.files() == set()
    for left in ("tags", "rungs", "attempts", "images", "candidate_tags"):
        assert catalog.rows(f"SELECT * FROM {left}") == []
    (last,) = [event for event in catalog.events() if event.kind == "retracted"]
    assert last.payload == {"reason": "blocked_content", "live": False}


def test_words_of_other_works_outlive_a_judgement_that_blocks(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    for site_id in "12":
        catalog.page(crawl, candidate(site_id, tags={"general": ("all", f"only_{site_id}")}))
    judge_again(catalog, crawl, lambda work, _: BLOCKED if work.site_id == "1" else PENDING)
    assert {name for (name,) in catalog.rows("SELECT name FROM tags")} == {"all", "only_2"}


def test_a_picture_that_turns_out_to_be_blocked_goes_with_its_works(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(site_id) for site_id in "123"))
    catalog.fetched(crawl, "1", "one")
    settled = catalog.known(crawl, "2", "one", ruling=BLOCKED)
    assert [(s.site_id, s.before) for s in settled] == [("2", "pending"), ("1", "accepted")]
    (fresh,) = catalog.fetched(crawl, "3", "three", ruling=BLOCKED)
    assert fresh.ruling == BLOCKED
    assert set(catalog.states(crawl).values()) == {"rejected:blocked_content"}
    assert catalog.files() == set()
    assert list(catalog.store.tmp.iterdir()) == []
    assert catalog.rows("SELECT * FROM images") == catalog.rows("SELECT * FROM attempts") == []


def test_a_moved_workspace_still_finds_what_must_go(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("66"))
    catalog.fetched(crawl, "66", "bad")
    path = catalog.store.path(sha256_of("bad"), "png").relative_to(catalog.workspace)

    def ordered(db: sqlite3.Connection) -> set[str]:
        purge.purge(db, [catalog.id("66")])
        return {row["path"] for row in db.execute("SELECT path FROM doomed").fetchall()}

    assert path.as_posix() in catalog.write(ordered)
