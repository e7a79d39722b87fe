"""How many works a crawl has, by its states."""

from __future__ import annotations

from storage import tallies
from tests.storage.catalog import Catalog, candidate, rejected


def test_works_are_counted_by_state_for_each_crawl(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, *(candidate(str(n)) for n in range(3)), (candidate("3"), rejected()))
    catalog.page(two, candidate("3"))
    catalog.fetched(one, "1", "one")
    assert tallies.count(catalog.db, one) == 4
    assert tallies.accepted_count(catalog.db, one) == 1
    assert tallies.pending_count(catalog.db, one) == 2
    assert tallies.counts(catalog.db, two) == (0, 1)
    assert tallies.counts(catalog.db, "nobody's") == (0, 0)
