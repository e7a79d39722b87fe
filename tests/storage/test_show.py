"""Everything known of one work, by any name it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from storage import actions, derived
from storage.derived import DerivedImage
from storage.errors import NotFound
from storage.reader import Reader
from storage.records import Candidate, Rung
from tests.storage.catalog import Catalog, candidate, rejected, sha256_of


def test_a_work_is_found_by_any_of_its_names(catalog: Catalog, tmp_path: Path) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("11"), candidate("22"))
    catalog.fetched(crawl, "22", "one")
    stored = next((catalog.workspace / "files").glob("??/??/*"))
    copied = tmp_path / "copy.png"
    copied.write_bytes(stored.read_bytes())
    with Reader(catalog.workspace) as reader:
        names = ("site:22", "22", sha256_of("one"), sha256_of("one")[:6], str(stored), str(copied))
        assert [reader.show(name)["site_id"] for name in names] == ["22"] * len(names)
        assert reader.show("11")["picture"] is None


def test_an_id_of_two_sites_names_both(catalog: Catalog) -> None:
    other = replace(candidate("1234567x"), site="other")
    catalog.page(catalog.crawl(), candidate("1234567x"), other)
    with Reader(catalog.workspace) as reader, pytest.raises(NotFound) as told:
        reader.show("1234567x")
    assert "other:1234567x, site:1234567x" in str(told.value)


def paged(site_id: str, page: str, site: str = "site") -> Candidate:
    return replace(candidate(site_id), page_url=page, site=site)


def test_a_page_names_its_work_however_it_is_written(catalog: Catalog) -> None:
    catalog.page(
        catalog.crawl(),
        paged("1", "https://site.test/posts/1"),
        paged("2", "http://site.test/view.php?id=2"),
        paged("a b", "//site.test/a%20b/"),
        paged("1", "https://other.test/posts/1", site="other"),
        paged("7", "https://both.test/7"),
        paged("7", "https://both.test/7/", site="other"),
    )
    pages = {
        "1": ("http://site.test/posts/1/", "HTTPS://SITE.test/posts/1?q=cat#top"),
        "2": ("https://site.test/view.php?id=2",),
        "a b": ("https://site.test/a%20b", "//site.test/a b/"),
    }
    with Reader(catalog.workspace) as reader:
        for site_id, written in pages.items():
            assert {reader.show(page)["site_id"] for page in written} == {site_id}
            assert {reader.show(page)["site"] for page in written} == {"site"}
        for wrong in ("https://site.test/posts/2", "https://site.test/view.php", "https://[/1"):
            with pytest.raises(NotFound):
                reader.show(wrong)
        with pytest.raises(NotFound, match="page of several works: site:7, other:7"):
            reader.show("https://both.test/7")


def test_an_id_that_begins_the_hash_of_another_work_names_neither(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    begins = sha256_of("one")[:6]
    catalog.page(crawl, candidate("1"), candidate(begins))
    catalog.fetched(crawl, "1", "one")
    with Reader(catalog.workspace) as reader:
        with pytest.raises(NotFound, match=f"id of site:{begins} and begins the sha256"):
            reader.show(begins)
        assert reader.show(sha256_of("one")[:9])["site_id"] == "1"
        assert reader.show(f"site:{begins}")["site_id"] == begins


def test_every_place_and_crawl_of_a_picture_is_told(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    for crawl in (one, two):
        catalog.page(crawl, candidate("1"), candidate("2"), candidate("3"))
    catalog.fetched(one, "1", "same")
    catalog.fetched(one, "2", "same")
    catalog.known(two, "2", "same", rejected("blurred"))
    with Reader(catalog.workspace) as reader:
        about = reader.show("site:2")
    assert [place["work"] for place in about["places"]] == ["site:1", "site:2"]
    assert about["group"] == ["site:1"]
    states = {(c["query"], c["state"], c["reason"]) for c in about["places"][1]["crawls"]}
    assert states == {("one", "duplicate", "same_file"), ("two", "rejected", "blurred")}
    assert {work["duplicate_of"] for work in about["works"]} == {"site:1", None}


def test_each_rung_says_what_it_claims_and_what_came_of_it(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    smaller = Rung("https://cdn.test/small.png", width=400, height=450, bytes=7)
    made = candidate("1", width=800, height=900)
    catalog.page(crawl, replace(made, ladder=(*made.ladder, smaller)))
    catalog.fetched(crawl, "1", "one")
    with Reader(catalog.workspace) as reader:
        first, second = reader.show("site:1")["ladder"]
    assert (first["width"], [a["outcome"] for a in first["attempts"]]) == (800, ["fetched"])
    assert (second["width"], second["bytes"], second["attempts"]) == (400, 7, [])


def shrunk(catalog: Catalog, parent: str, name: str) -> None:
    temp = catalog.store.temp()
    temp.write_bytes(name.encode())
    child = DerivedImage(parent, sha256_of(name), "png", 4, 5, 6)
    catalog.write(
        lambda db: derived.keep(
            db,
            catalog.store,
            child,
            temp,
            stage="shrink",
            version=1,
            parameters={"side": 9},
            number=0,
        )
    )


def test_lineage_exports_and_decisions_are_told(catalog: Catalog, tmp_path: Path) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    catalog.fetched(crawl, "1", "one")
    parent = sha256_of("one")
    shrunk(catalog, parent, "child")
    shrunk(catalog, sha256_of("child"), "grandchild")
    catalog.db.execute("INSERT INTO exported VALUES (?, ?)", (str(tmp_path / "a.png"), parent))
    action = catalog.write(lambda db: actions.record(db, "reject", {}, {}))
    catalog.db.execute(
        "INSERT INTO decisions(picture, decision, action_id, at) VALUES (?, 'reject', ?, 'now')",
        (parent, action),
    )
    with Reader(catalog.workspace) as reader:
        about = reader.show("site:1")
    assert [one["parent"] for one in about["made_of_it"]] == [parent, sha256_of("child")]
    assert about["made_of_it"][0]["parameters"] == {"side": 9}
    assert Path(about["made_of_it"][0]["path"]).is_file()
    assert about["exported"] == [str(tmp_path / "a.png")]
    assert [(d["decision"], d["about"]) for d in about["decisions"]] == [("reject", "the picture")]


def test_what_opens_a_link_is_not_told(catalog: Catalog) -> None:
    signed = "https://user:canary@cdn.test/1.png?id=1&signature=canary"
    made = candidate("1", page_url=signed, source_url=signed, metadata={"large": signed})
    catalog.page(catalog.crawl(), replace(made, ladder=(Rung(signed),)))
    with Reader(catalog.workspace) as reader:
        about = reader.show("site:1")
    assert "canary" not in str(about)
    assert about["places"][0]["page_url"] == "https://cdn.test/1.png?id=1"
