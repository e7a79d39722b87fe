"""Crawls: which is which, and how far each has listed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import crawls
from storage.records import CrawlSpec
from tests.storage.catalog import Catalog, candidate

SPEC = CrawlSpec("source", "site", "https://site.test", "query", {})


def test_the_same_command_is_the_same_crawl(catalog: Catalog) -> None:
    crawl = catalog.crawl("query")
    found = crawls.find(catalog.db, SPEC)
    assert found is not None
    assert (found.id, found.generation, found.state) == (crawl, 1, "running")


def test_the_name_of_a_site_is_no_part_of_what_a_crawl_is() -> None:
    assert crawls.crawl_key(SPEC) == crawls.crawl_key(replace(SPEC, site="renamed"))


@pytest.mark.parametrize(
    "change",
    [
        {"source": "other"},
        {"origin": "https://other.test"},
        {"query": "other"},
        {"options": {"order": "score"}},
    ],
)
def test_anything_else_makes_another_crawl(change: dict[str, object]) -> None:
    assert crawls.crawl_key(SPEC) != crawls.crawl_key(replace(SPEC, **change))


def test_the_order_of_options_does_not_matter() -> None:
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert crawls.crawl_key(replace(SPEC, options=one)) == crawls.crawl_key(
        replace(SPEC, options=other)
    )


def test_a_fresh_crawl_is_the_next_generation(catalog: Catalog) -> None:
    first = catalog.crawl("query")
    second = catalog.crawl("query")
    assert second == f"{first}.2"
    assert crawls.find(catalog.db, SPEC) == crawls.get(catalog.db, second)


def test_ten_generations_are_told_apart_by_number(catalog: Catalog) -> None:
    made = [catalog.crawl("query") for _ in range(11)]
    found = crawls.find(catalog.db, SPEC)
    assert found is not None
    assert (found.id, found.generation) == (made[-1], 11)


def test_a_crawl_is_found_by_the_beginning_of_its_id(catalog: Catalog) -> None:
    crawl = catalog.crawl("query")
    found = crawls.get(catalog.db, crawl[:4])
    assert found is not None
    assert found.id == crawl
    assert crawls.get(catalog.db, "zzz") is None


def test_a_beginning_of_several_ids_names_none(catalog: Catalog) -> None:
    first = catalog.crawl("query")
    catalog.crawl("query")
    assert crawls.get(catalog.db, first[:4]) is None
    whole = crawls.get(catalog.db, first)
    assert whole is not None
    assert whole.generation == 1


def test_the_crawl_touched_last_comes_first(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    for touched, other in ((one, two), (two, one)):
        catalog.db.execute("UPDATE crawls SET updated_at = '2000' WHERE id = ?", (other,))
        catalog.write(lambda db, id=touched: crawls.update(db, id, state="running"))
        assert [c.id for c in crawls.every(catalog.db)] == [touched, other]


def test_an_update_leaves_what_it_does_not_name(catalog: Catalog) -> None:
    crawl = catalog.crawl(want=5, policy={"a": {"b": 1}}, predicate={"min": 2})
    catalog.write(lambda db: crawls.update(db, crawl, state="stopped", note="why"))
    found = crawls.get(catalog.db, crawl)
    assert found is not None
    assert (found.state, found.note, found.want) == ("stopped", "why", 5)
    assert (found.policy, found.predicate) == ({"a": {"b": 1}}, {"min": 2})
    catalog.write(lambda db: crawls.update(db, crawl, state="running", want=None, policy={}))
    found = crawls.get(catalog.db, crawl)
    assert found is not None
    assert (found.want, found.policy, found.note) == (None, {}, None)


def test_partitions_are_walked_in_their_order_from_their_cursor(catalog: Catalog) -> None:
    crawl = catalog.crawl(partitions=[("best", {"q": "a"}), ("rest", {"q": "b"})])
    catalog.page(crawl, candidate("1"), cursor={"below": 7})
    catalog.write(lambda db: crawls.set_exhausted(db, crawl, 1, True))
    best, rest = crawls.walks(catalog.db, crawl)
    assert (best.name, best.listing, best.cursor, best.exhausted) == (
        "best",
        {"q": "a"},
        {"below": 7},
        False,
    )
    assert (rest.name, rest.cursor, rest.exhausted) == ("rest", None, True)


def test_other_partitions_are_walked_from_their_start(catalog: Catalog) -> None:
    crawl = catalog.crawl(partitions=[("best", {}), ("rest", {})])
    catalog.page(crawl, candidate("1"), cursor={"below": 7})
    catalog.write(lambda db: crawls.set_walks(db, crawl, [("wide", {"w": 1})]))
    (walk,) = crawls.walks(catalog.db, crawl)
    assert (walk.name, walk.listing, walk.cursor, walk.exhausted) == ("wide", {"w": 1}, None, False)
