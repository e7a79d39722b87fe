"""Candidates: one per work of a site, and the pictures that are certainly theirs."""

from __future__ import annotations

from dataclasses import replace

from storage import candidates, listing, works
from storage.records import Rung
from tests.storage.catalog import BLOCKED, PENDING, Catalog, candidate, picture, short


def test_a_work_met_twice_is_one_candidate(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, candidate("1", rating="g"))
    catalog.page(two, candidate("1", rating="s"))
    assert catalog.rows("SELECT rating FROM candidates") == [("s",)]


def test_the_same_number_at_another_instance_is_another_work(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), replace(candidate("1"), origin="https://mirror.test"))
    assert len(catalog.rows("SELECT 1 FROM candidates")) == 2


def test_tags_are_searchable_and_follow_the_site(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", tags={"general": ("hat", "bow"), "artist": ("aoi",)}))
    catalog.page(crawl, candidate("1", tags={"general": ("hat",)}))
    found = catalog.rows(
        "SELECT t.name, t.category FROM candidate_tags ct JOIN tags t ON t.id = ct.tag_id"
    )
    assert found == [("hat", "general")]


def test_tags_of_a_work_that_is_read_again_are_searchable(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    again = candidate("1", tags={"general": ("never_seen_before",)})
    catalog.write(lambda db: listing.read_again(db, again, PENDING))
    assert catalog.rows("SELECT t.name FROM candidate_tags ct JOIN tags t ON t.id = ct.tag_id") == [
        ("never_seen_before",)
    ]


def test_new_tags_of_an_accepted_picture_are_told_once(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    before = candidate("1", tags={"general": ("hat",)})
    after = candidate("1", tags={"general": ("hat", "bow")})
    catalog.page(crawl, before, candidate("2"))
    catalog.fetched(crawl, "1", "one")
    catalog.page(crawl, before)
    catalog.page(crawl, after)
    catalog.page(crawl, after)
    catalog.page(crawl, candidate("2", tags={"general": ("sky",)}))  # nobody has it yet
    kinds = [(e.kind, e.payload) for e in catalog.events()]
    retagged = {"tags": {"general": ["hat", "bow"]}}
    assert kinds == [("accepted", {"live": True}), ("retagged", retagged)]


def test_a_replaced_file_starts_the_work_anew(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", md5="a" * 32))
    catalog.fetched(crawl, "1", "one")
    changed = catalog.page(crawl, candidate("1", md5="b" * 32))
    assert catalog.states(crawl) == {"1": "pending"}
    assert [(s.before, s.ruling.state) for s in changed] == [("accepted", "pending")]
    retracted = catalog.events()[-1]
    assert retracted.kind == "retracted"
    assert retracted.payload == {"reason": "replaced", "live": False}
    assert catalog.rows("SELECT image, outcome FROM candidates") == [(None, None)]


def test_a_twin_takes_the_place_of_a_work_whose_file_was_replaced(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", md5="a" * 32), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    catalog.fetched(crawl, "2", "one")
    catalog.page(crawl, candidate("1", md5="b" * 32))
    assert catalog.states(crawl) == {"1": "pending", "2": "accepted"}
    assert [e.kind for e in catalog.events()] == ["accepted"]  # the picture never went away


def test_a_replaced_file_reopens_the_work_in_every_crawl_that_took_it(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    for crawl in (one, two):
        catalog.page(crawl, candidate("1", md5="a" * 32))
    catalog.fetched(one, "1", "one")
    catalog.known(two, "1", "one")
    catalog.page(two, candidate("1", md5="b" * 32))
    assert (catalog.states(one), catalog.states(two)) == ({"1": "pending"}, {"1": "pending"})
    assert catalog.told()[2:] == [
        ("retracted", *short(["one"]), crawl) for crawl in sorted((one, two))
    ]


def test_a_rejected_picture_that_was_replaced_gets_another_chance(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", md5="a" * 32))
    catalog.fetched(crawl, "1", "one", ruling=replace(BLOCKED, reason="low_quality"))
    catalog.page(crawl, candidate("1", md5="a" * 32))
    assert catalog.states(crawl) == {"1": "rejected:low_quality"}
    catalog.page(crawl, candidate("1", md5="b" * 32))
    assert catalog.states(crawl) == {"1": "pending"}


def known(catalog: Catalog, **claims: str) -> str | None:
    held = candidates.known_picture(catalog.db, candidate("new", **claims))
    return None if held is None else held.picture.sha256


def test_a_work_with_the_md5_of_a_held_picture_is_known(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    catalog.fetched(crawl, "1", "one")
    image, _ = picture("one")
    assert known(catalog, md5=image.md5) == image.sha256
    assert known(catalog, md5="0" * 32) is None
    assert known(catalog) is None


def test_a_work_with_the_pixels_of_a_fetched_one_is_known(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", pixel_hash="p"), candidate("2", pixel_hash="q"))
    catalog.fetched(crawl, "1", "one")
    assert known(catalog, pixel_hash="p") == picture("one")[0].sha256
    assert known(catalog, pixel_hash="q") is None


def test_the_pixels_of_a_smaller_rung_are_not_those_of_the_original(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    small = replace(candidate("1", pixel_hash="p"), ladder=(Rung("u0"), Rung("u1")))
    catalog.page(crawl, small)
    image, data = picture("sample")
    temp = catalog.store.temp()
    temp.write_bytes(data)
    catalog.write(
        lambda db: works.settle_picture(
            db, catalog.store, crawl, catalog.id("1"), image, PENDING, temp=temp, rung=1
        )
    )
    assert known(catalog, pixel_hash="p") is None


def test_of_blocked_content_only_the_id_and_the_reason_are_kept(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    marked = candidate(
        "66",
        md5="c" * 32,
        tags={"general": ("secretword",), "artist": ("secretname",)},
        source_url="https://elsewhere.test/secretpage",
        metadata={"secretkey": "secretvalue"},
        page_url="https://site.test/secretpost",
        caption="secretcaption",
        pixel_hash="secrethash",
    )
    catalog.page(crawl, (marked, BLOCKED), candidate("1", tags={"general": ("hat",)}))
    assert catalog.states(crawl)["66"] == "rejected:blocked_content"
    assert catalog.holding("secret") == []
    row = dict(catalog.db.execute("SELECT * FROM candidates WHERE site_id = '66'").fetchone())
    assert {k for k, v in row.items() if v is not None} == {
        *("id", "site", "origin", "site_id", "outcome", "reason", "first_seen_at", "read_at")
    }


def test_blocked_content_stays_blocked_whatever_the_site_says_later(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, (candidate("66"), BLOCKED))
    harmless = candidate("66", tags={"general": ("secretword",)})
    catalog.page(crawl, harmless)
    catalog.page(other := catalog.crawl("other"), harmless)
    for met in (crawl, other):
        assert catalog.states(met) == {"66": "rejected:blocked_content"}
    assert catalog.rows("SELECT 1 FROM rungs") == []
    assert catalog.rows("SELECT 1 FROM candidate_tags") == []


def test_a_size_that_no_number_holds_is_kept_without_its_area(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", width=220_154_849, height=41_894_930_222))
    assert catalog.rows("SELECT side, pixels FROM candidates") == [(220_154_849, None)]
    catalog.db.execute("UPDATE candidates SET width = 10, height = 20")
    assert catalog.rows("SELECT side, pixels FROM candidates") == [(10, 200)]
