"""The table of reasons: every work counted once."""

from __future__ import annotations

from storage.reasons import STATES, reasons
from storage.records import Row, Ruling
from tests.storage.catalog import Catalog, candidate, rejected


def test_every_work_is_counted_once_with_its_first_as_example(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(
        crawl,
        candidate("1"),
        (candidate("2"), rejected("comic")),
        (candidate("3"), rejected("rating")),
        (candidate("4"), rejected("rating")),
        (candidate("5"), Ruling("unavailable", "hidden")),
        candidate("6"),
    )
    catalog.fetched(crawl, "6", "one")
    assert reasons(catalog.db, crawl) == [
        Row("accepted", None, 1, "site:6"),
        Row("rejected", "rating", 2, "site:3"),
        Row("rejected", "comic", 1, "site:2"),
        Row("unavailable", "hidden", 1, "site:5"),
        Row("pending", None, 1, "site:1"),
    ]


def test_a_crawl_without_works_has_an_empty_table(catalog: Catalog) -> None:
    assert reasons(catalog.db, catalog.crawl()) == []


def test_the_table_knows_every_state() -> None:
    from typing import get_args

    from storage.records import State

    assert set(STATES) == set(get_args(State))
