"""Works of a crawl: listed in order, page and cursor as one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from storage import crawls, listing, works
from storage.records import Candidate, Ruling
from tests.storage.catalog import (
    ACCEPTED,
    BLOCKED,
    Catalog,
    candidate,
    picture,
    rejected,
    sha256_of,
)


def cursor(catalog: Catalog, crawl: str) -> Any:
    return crawls.walks(catalog.db, crawl)[0].cursor


def test_works_keep_the_order_they_were_listed_in(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("9"), candidate("2"))
    catalog.page(crawl, candidate("5"), candidate("9"))
    waiting = works.unsettled(catalog.db, crawl, after=0, limit=10)
    assert [(w.position, w.candidate.site_id) for w in waiting] == [(1, "9"), (2, "2"), (3, "5")]
    assert [w.position for w in works.unsettled(catalog.db, crawl, after=1, limit=1)] == [2]


def test_a_page_tells_what_is_new_and_what_it_decides(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    told = catalog.page(
        crawl,
        candidate("1"),
        (candidate("2"), rejected("rating")),
        (candidate("3", unavailable="hidden"), Ruling("unavailable", "hidden")),
    )
    assert [(s.site_id, s.before, s.ruling.state) for s in told] == [
        ("1", None, "pending"),
        ("2", None, "rejected"),
        ("3", None, "unavailable"),
    ]
    assert catalog.page(crawl, candidate("1"), (candidate("2"), rejected("rating"))) == []


def test_a_known_work_that_a_page_rejects_is_told_with_what_it_was(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    told = catalog.page(
        crawl, (candidate("1"), rejected("comic")), (candidate("2"), rejected("comic"))
    )
    assert [(s.site_id, s.before) for s in told] == [("1", "accepted"), ("2", "pending")]
    assert [e.kind for e in catalog.events()] == ["accepted", "retracted"]


def test_a_work_blocked_on_second_sight_is_told_with_what_it_was(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    catalog.fetched(crawl, "1", "one")
    (told,) = catalog.page(crawl, (candidate("1"), BLOCKED))
    assert (told.before, told.ruling) == ("accepted", BLOCKED)


def test_a_page_and_its_cursor_are_committed_as_one(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), cursor={"below": 5})
    broken = Candidate("site", "https://site.test", "3", metadata={"no": object()})
    with pytest.raises(TypeError):
        catalog.page(crawl, candidate("2"), broken, cursor={"below": 3})
    assert catalog.states(crawl) == {"1": "pending"}
    assert cursor(catalog, crawl) == {"below": 5}


def test_rows_that_were_dropped_are_counted_over_all_pages(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    for _ in range(2):
        catalog.write(
            lambda db: listing.commit_page(db, crawl, 0, [], None, {"too_small": 3, "video": 1})
        )
    assert catalog.rows("SELECT reason, count FROM dropped ORDER BY reason") == [
        ("too_small", 6),
        ("video", 2),
    ]


def test_a_file_is_kept_once_and_its_temporary_copy_never(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    catalog.fetched(crawl, "2", "one")
    assert catalog.files() == {sha256_of("one")}
    assert list(catalog.store.tmp.iterdir()) == []
    assert catalog.rows("SELECT count(*) FROM images") == [(1,)]


def test_every_attempt_leaves_a_row(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    ruling = Ruling("failed", "http_404")
    (settled,) = catalog.write(
        lambda db: works.settle_failed(
            db, crawl, catalog.id("1"), ruling, [(0, "http_404"), (1, "truncated")]
        )
    )
    assert (settled.before, settled.ruling) == ("pending", ruling)
    assert catalog.rows("SELECT rung, outcome, reason FROM attempts") == [
        (0, "failed", "http_404"),
        (1, "failed", "truncated"),
    ]


def test_what_an_outage_failed_is_tried_again(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    for site_id, reason in (("1", "timeout"), ("2", "http_404")):
        ruling = Ruling("failed", reason)
        catalog.write(
            lambda db, s=site_id, r=ruling: works.settle_failed(db, crawl, catalog.id(s), r, [])
        )
    assert catalog.write(lambda db: works.reopen(db, crawl, {"timeout"})) == 1
    assert catalog.states(crawl) == {"1": "pending", "2": "failed:http_404"}


@pytest.mark.parametrize("trouble", ["measures", "evidence"])
def test_a_file_is_kept_only_after_all_that_can_fail(catalog: Catalog, trouble: str) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    half = "half \ud800 character"
    measures = {"odd": {"value": half}} if trouble == "measures" else {}
    ruling = rejected(measured=half) if trouble == "evidence" else ACCEPTED
    with pytest.raises(UnicodeEncodeError):
        catalog.fetched(crawl, "1", "one", ruling=ruling, **measures)
    assert catalog.files() == set()


def test_bytes_that_were_dropped_and_come_back_are_kept_again(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    catalog.fetched(crawl, "1", "1", ruling=rejected())
    image, _ = picture("1")
    path = catalog.store.path(image.sha256, "png")
    # Ordered away, and not yet removed when they come back.
    catalog.db.execute("UPDATE images SET stored = 0")
    catalog.db.execute(
        "INSERT INTO doomed(path) VALUES (?)", (path.relative_to(catalog.workspace).as_posix(),)
    )
    catalog.db.execute("UPDATE works SET state = 'pending'")
    catalog.fetched(crawl, "1", "1", resolution={"side": 600})
    assert path.exists()
    assert catalog.rows("SELECT stored FROM images") == [(1,)]


def test_a_work_decided_while_its_bytes_came_stays_decided(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    worse = Ruling("rejected", "rating", "e", "g,s", "content")
    catalog.page(crawl, (candidate("1"), worse))
    assert catalog.fetched(crawl, "1", "one") == []
    assert catalog.states(crawl)["1"] == "rejected:rating"
    assert catalog.files() == set()
    assert list(catalog.store.tmp.iterdir()) == []
    assert catalog.rows("SELECT count(*) FROM events") == [(0,)]


def test_a_work_left_out_for_its_claims_is_pending_when_they_are_better(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    rating = Ruling("rejected", "rating", "e", "g,s", "content")
    hidden = replace(candidate("2"), unavailable="hidden", ladder=())
    catalog.page(crawl, (candidate("1"), rating), (hidden, Ruling("unavailable", "hidden")))
    catalog.page(crawl, candidate("1"), candidate("2"))
    assert set(catalog.states(crawl).values()) == {"pending"}
    assert catalog.rows("SELECT DISTINCT outcome, reason FROM candidates") == [(None, None)]


@pytest.mark.parametrize("rungs", [1, 3, 7])
def test_transient_trouble_is_tried_again_but_not_for_ever(catalog: Catalog, rungs: int) -> None:
    """However many rungs a run tries."""
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    cut = Ruling("failed", "truncated")
    for run in range(works.PATIENCE):
        for site_id, transient in (("1", True), ("2", False)):
            work = partial(
                works.settle_failed,
                crawl_id=crawl,
                candidate_id=catalog.id(site_id),
                ruling=cut,
                attempts=[(rung, "truncated") for rung in range(rungs)],
                transient=transient,
            )
            catalog.write(work)
        again = catalog.write(lambda db: works.reopen(db, crawl))
        assert again == (1 if run < works.PATIENCE - 1 else 0)
