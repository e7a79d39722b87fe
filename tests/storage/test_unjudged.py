"""Works whose state may no longer be what their policy says are noted, and only those."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import works
from storage.records import Ruling
from tests.storage.catalog import ACCEPTED, Catalog, candidate, rejected

SIZE = {"side": 800, "pixels": 640_000}


def noted(catalog: Catalog) -> list[tuple[str, str]]:
    """(query of the crawl, site_id) of the works that are to be judged anew."""
    return catalog.rows(
        "SELECT k.query, c.site_id FROM unjudged u JOIN crawls k ON k.id = u.crawl_id"
        " JOIN candidates c ON c.id = u.candidate_id ORDER BY 1, 2"
    )


def test_works_that_crawls_list_and_fetch_are_judged(catalog: Catalog) -> None:
    crawl = catalog.crawl("one")
    catalog.page(crawl, candidate("1"), candidate("2"), (candidate("3"), rejected()))
    catalog.fetched(crawl, "1", "one", resolution=SIZE)
    catalog.fetched(crawl, "2", "two", ruling=rejected(), resolution=SIZE)
    catalog.page(crawl, candidate("1"), candidate("2"), (candidate("3"), rejected()))
    assert noted(catalog) == []


def test_what_one_crawl_learns_of_a_picture_another_has_not_judged(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, candidate("1"))
    catalog.page(two, (candidate("1"), rejected()))
    catalog.fetched(one, "1", "one", resolution=SIZE)
    assert noted(catalog) == [("two", "1")]


def test_a_crawl_that_meets_a_work_that_was_fetched_has_not_judged_its_picture(
    catalog: Catalog,
) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, candidate("1"))
    catalog.fetched(one, "1", "one", resolution=SIZE)
    catalog.page(two, candidate("1"))
    assert noted(catalog) == [("two", "1")]
    catalog.known(two, "1", "one")
    assert noted(catalog) == []


@pytest.mark.parametrize(
    "claim", [{"rating": "q"}, {"tags": {"general": ("comic",)}}, {"caption": "words"}]
)
def test_what_a_source_says_anew_is_not_judged(catalog: Catalog, claim: dict[str, str]) -> None:
    crawl = catalog.crawl("one")
    catalog.page(crawl, candidate("1"), candidate("2"))
    for site_id in "12":
        catalog.fetched(crawl, site_id, site_id, resolution=SIZE)
    catalog.page(crawl, replace(candidate("1"), **claim), candidate("2"))  # type: ignore[arg-type]
    assert noted(catalog) == [("one", "1")]


def test_a_work_that_is_tried_again_has_not_been_judged_since_it_failed(catalog: Catalog) -> None:
    crawl = catalog.crawl("one")
    catalog.page(crawl, candidate("1"))
    failed = Ruling("failed", "timeout")
    catalog.write(lambda db: works.settle_failed(db, crawl, catalog.id("1"), failed, []))
    assert noted(catalog) == []
    catalog.write(lambda db: works.reopen(db, crawl, {"timeout"}))
    assert noted(catalog) == [("one", "1")]


def test_other_measures_of_a_picture_and_bytes_that_are_gone_are_not_judged(
    catalog: Catalog,
) -> None:
    crawl = catalog.crawl("one")
    catalog.page(crawl, candidate("1"), candidate("2"), candidate("3"))
    catalog.fetched(crawl, "1", "one", ruling=ACCEPTED, resolution=SIZE)
    catalog.fetched(crawl, "2", "two", ruling=ACCEPTED, resolution=SIZE)
    catalog.fetched(crawl, "3", "three", ruling=rejected(), resolution=SIZE)
    catalog.write(lambda db: db.execute("UPDATE images SET stored = 0 WHERE wanted = 0"))
    assert noted(catalog) == []  # what is rejected needs no bytes
    catalog.write(
        lambda db: db.execute(
            "UPDATE images SET stored = 0 WHERE sha256 = (SELECT image FROM candidates"
            " WHERE site_id = '1')"
        )
    )
    catalog.write(
        lambda db: db.execute(
            "UPDATE images SET measures = '{}' WHERE sha256 = (SELECT image FROM candidates"
            " WHERE site_id = '2')"
        )
    )
    assert noted(catalog) == [("one", "1"), ("one", "2")]


def test_the_first_of_its_copies_may_change_without_another_judgement(catalog: Catalog) -> None:
    crawl = catalog.crawl("one")
    catalog.page(crawl, candidate("1"), candidate("2"))
    catalog.fetched(crawl, "2", "one", resolution=SIZE)
    catalog.known(crawl, "1", "one")
    assert catalog.states(crawl) == {"1": "accepted", "2": "duplicate:same_file"}
    assert noted(catalog) == []
