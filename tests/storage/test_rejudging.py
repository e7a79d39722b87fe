"""Judging again one by one: what another policy makes of works, from what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from storage import works
from storage.judging import rejudging
from storage.records import Candidate, Ruling
from tests.storage.catalog import ACCEPTED, BLOCKED, PENDING, Catalog, candidate, rejected


def larger_than(side: int, *, comics: bool = True) -> rejudging.Rule:
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
        place = after
        after = catalog.write(partial(rejudging.rejudge, crawl_id=crawl, rule=rule, after=place))
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
    monkeypatch.setattr(rejudging, "CHUNK", 2)
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(n), width=800 - n % 2 * 200) for n in range(count)))
    places = [0]
    while (
        after := catalog.write(
            lambda db: rejudging.rejudge(db, crawl, larger_than(700), places[-1])
        )
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
