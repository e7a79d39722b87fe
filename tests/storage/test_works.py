"""Works of a crawl: listed in order, page and cursor as one, judged again by another policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from storage import crawls, listing, works
from storage.records import Candidate, Ruling
from tests.storage.catalog import (
    ACCEPTED,
    BLOCKED,
    PENDING,
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


# -- another policy ---------------------------------------------------------------------------


def larger_than(side: int, *, comics: bool = True):
    """A policy: by the measured side where there is one, else by the claimed one."""

    def rule(work: Candidate, measures: Mapping[str, Mapping[str, Any]] | None) -> Ruling:
        if not comics and "comic" in work.tags.get("general", ()):
            return rejected("comic")
        found = measures["resolution"]["side"] if measures else work.width
        if found is not None and found < side:
            return rejected("too_small", found, side)
        return ACCEPTED if measures else PENDING

    return rule


def rejudge(catalog: Catalog, crawl: str, rule: Any) -> dict[str, str]:
    after: int | None = 0
    while after is not None:
        after = catalog.write(lambda db, a=after: works.rejudge(db, crawl, rule, a))
    return catalog.states(crawl)


def fetch(catalog: Catalog, crawl: str, site_id: str, side: int, limit: int) -> None:
    ruling = larger_than(limit)(candidate(site_id), {"resolution": {"side": side}})
    catalog.fetched(crawl, site_id, site_id, ruling=ruling, resolution={"side": side})


def test_a_narrower_policy_rejects_what_was_accepted(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"), candidate("3", width=700))
    fetch(catalog, crawl, "1", 800, 500)
    fetch(catalog, crawl, "2", 600, 500)
    assert rejudge(catalog, crawl, larger_than(750)) == {
        "1": "accepted",
        "2": "rejected:too_small",
        "3": "rejected:too_small",  # never fetched: by what is claimed
    }
    assert [e.kind for e in catalog.events()] == ["accepted", "accepted", "retracted"]


def test_a_wider_policy_accepts_what_is_still_on_disk(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    fetch(catalog, crawl, "1", 600, 700)
    assert catalog.states(crawl) == {"1": "rejected:too_small"}
    assert rejudge(catalog, crawl, larger_than(500)) == {"1": "accepted"}
    assert [e.kind for e in catalog.events()] == ["accepted"]


def test_a_wider_policy_makes_works_pending_whose_bytes_are_needed(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    small = candidate("2", width=600)
    catalog.page(crawl, candidate("1"), (small, larger_than(700)(small, None)))
    fetch(catalog, crawl, "1", 600, 700)
    catalog.write(lambda db: db.execute("UPDATE images SET stored = 0"))
    assert rejudge(catalog, crawl, larger_than(500)) == {"1": "pending", "2": "pending"}
    assert catalog.events() == []
    # What was measured is not forgotten: the next narrower policy needs no bytes either.
    assert rejudge(catalog, crawl, larger_than(700)) == {
        "1": "rejected:too_small",
        "2": "rejected:too_small",
    }


def test_a_pending_work_is_not_accepted_before_its_turn(catalog: Catalog) -> None:
    """Another crawl has its picture; how many this crawl wants, its own order decides."""
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, candidate("1"))
    catalog.page(two, candidate("1"))
    fetch(catalog, one, "1", 800, 500)
    assert rejudge(catalog, two, larger_than(400)) == {"1": "pending"}
    assert rejudge(catalog, two, larger_than(900)) == {"1": "rejected:too_small"}


def test_a_policy_against_the_first_copy_promotes_the_next(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", tags={"general": ("comic",)}), candidate("2"))
    for site_id in "12":
        catalog.fetched(crawl, site_id, "one", resolution={"side": 800})
    assert rejudge(catalog, crawl, larger_than(500, comics=False)) == {
        "1": "rejected:comic",
        "2": "accepted",
    }
    assert rejudge(catalog, crawl, larger_than(500)) == {
        "1": "accepted",
        "2": "duplicate:same_file",
    }
    assert [e.kind for e in catalog.events()] == ["accepted"]


def test_judging_again_by_the_same_policy_changes_nothing(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(n)) for n in range(4)))
    for site_id, side in (("0", 800), ("1", 600), ("2", 900)):
        fetch(catalog, crawl, site_id, side, 700)
    before, events = catalog.states(crawl), catalog.events()
    assert rejudge(catalog, crawl, larger_than(700)) == before
    assert catalog.events() == events


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_a_crawl_is_judged_again_in_chunks(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(works, "CHUNK", 2)
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(n), width=800 - n % 2 * 200) for n in range(count)))
    places = [0]
    while (
        after := catalog.write(lambda db: works.rejudge(db, crawl, larger_than(700), places[-1]))
    ) is not None:
        places.append(after)
    assert places == list(range(0, max(count, 1), 2))
    assert catalog.states(crawl) == {
        str(n): "rejected:too_small" if n % 2 else "pending" for n in range(count)
    }


def test_each_work_is_judged_by_the_claims_of_its_own_rungs(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(n), width=n) for n in range(3)))
    seen: dict[str, list[int | None]] = {}

    def rule(work: Candidate, measures: Any) -> Ruling:
        seen[work.site_id] = [rung.width for rung in work.ladder]
        return PENDING

    rejudge(catalog, crawl, rule)
    assert seen == {"0": [0], "1": [1], "2": [2]}


def test_a_crawl_is_half_judged_until_all_of_it_is_noted_as_judged(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(works, "CHUNK", 1)
    crawl, other = catalog.crawl("one"), catalog.crawl("other")
    catalog.page(crawl, candidate("1"), candidate("2"))
    assert not works.half_judged(catalog.db, crawl)
    catalog.write(lambda db: works.rejudge(db, crawl, larger_than(700)))
    assert works.half_judged(catalog.db, crawl)
    assert not works.half_judged(catalog.db, other)
    catalog.write(lambda db: works.note_judged(db, crawl))
    assert not works.half_judged(catalog.db, crawl)


def test_failed_unavailable_and_blocked_works_are_not_judged_again(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(
        crawl,
        candidate("1"),
        (candidate("2"), Ruling("unavailable", "hidden")),
        (candidate("3"), BLOCKED),
    )
    ruling = Ruling("failed", "http_404")
    catalog.write(lambda db: works.settle_failed(db, crawl, catalog.id("1"), ruling, []))
    before = catalog.states(crawl)
    assert rejudge(catalog, crawl, lambda work, measures: ACCEPTED) == before


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
    fetch(catalog, crawl, "1", 600, 700)
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
