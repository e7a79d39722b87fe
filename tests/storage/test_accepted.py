"""What quotas are told of accepted pictures."""

from __future__ import annotations

from storage.accepted import accepted
from tests.storage.catalog import ACCEPTED, Catalog, candidate, picture, rejected


def test_accepted_works_come_in_their_order_with_artists_and_rating(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    works = [
        candidate("1", rating="g", tags={"artist": ("mofu", "ren"), "general": ("solo",)}),
        candidate("2", rating="s", tags={"artist": ("mofu",)}),
        candidate("3"),
        candidate("4", rating="g"),
    ]
    catalog.page(crawl, *works)
    for name, ruling in ("3", ACCEPTED), ("1", ACCEPTED), ("2", rejected()):
        catalog.fetched(crawl, name, name, ruling)
    found = accepted(catalog.db, crawl)
    assert [(one.candidate_id, one.artists, one.rating) for one in found] == [
        (catalog.id("1"), ("mofu", "ren"), "g"),
        (catalog.id("3"), (), None),
    ]
    assert [one.sha256 for one in found] == [picture(name)[0].sha256 for name in ("1", "3")]
    assert found[0].position < found[1].position
    assert accepted(catalog.db, "another") == []
