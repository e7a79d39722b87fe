"""Reading a catalog, also while an engine writes to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import crawls
from storage.errors import BadQuery, NotFound, NoWorkspace
from storage.lock import EngineLock
from storage.query.search import PAGE
from storage.reader import FirstPage, Reader
from tests.storage.catalog import Catalog, candidate, rejected, sha256_of


def fill(catalog: Catalog, count: int) -> str:
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(n), width=n + 1, height=10) for n in range(count)))
    return crawl


def test_a_folder_without_a_catalog_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoWorkspace):
        Reader(tmp_path)


@pytest.mark.parametrize("words", [[], ["sort:-width"], ["sort:-side"], ["width>3"]])
@pytest.mark.parametrize("count", [0, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 7])
def test_pages_hide_nothing_and_repeat_nothing(
    catalog: Catalog, count: int, words: list[str]
) -> None:
    fill(catalog, count)
    with Reader(catalog.workspace) as reader:
        got = [int(image.site_id) for image in reader.query(words)]
    expected = list(range(count))
    if words and words[0].startswith("sort:-"):
        expected.reverse()  # those of one side, too
    elif words:
        expected = expected[3:]
    assert got == expected


def test_works_that_change_between_pages_hide_no_others(catalog: Catalog) -> None:
    crawl = fill(catalog, PAGE + 50)
    with Reader(catalog.workspace) as reader:
        asked = reader.query(["state:pending"])
        got = [next(asked).site_id]
        catalog.page(crawl, *((candidate(str(n)), rejected()) for n in range(40)))
        got += [image.site_id for image in asked]
    assert got == [str(n) for n in range(PAGE + 50)]


def test_a_sorted_query_keeps_its_order_and_no_log_while_others_write(catalog: Catalog) -> None:
    crawl = fill(catalog, 30)
    with Reader(catalog.workspace) as reader:
        asked = reader.query(["state:pending"], sort="-width")
        got = [next(asked).site_id]
        catalog.page(crawl, *((candidate(str(n), width=99 - n), rejected()) for n in range(20)))
        (checkpoint,) = catalog.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        assert checkpoint[0] == 0  # nothing held by the question
        got += [image.site_id for image in asked]
    assert got == [str(n) for n in reversed(range(30))]


def test_a_work_of_several_crawls_is_shown_once(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    for crawl in (one, two):
        catalog.page(crawl, candidate("1"), candidate("2"))
    with Reader(catalog.workspace) as reader:
        assert [i.crawl_id for i in reader.query([])] == [min(one, two)] * 2
        assert [i.crawl_id for i in reader.query([f"crawl:{two}"])] == [two] * 2
        assert reader.count([]) == 2


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (1, 1), (600, 600), (10_000, 620)])
def test_a_limit_is_kept(catalog: Catalog, limit: int, count: int) -> None:
    fill(catalog, 620)
    with Reader(catalog.workspace) as reader:
        assert len(list(reader.query([], limit=limit))) == count


def test_a_limit_below_zero_is_none(catalog: Catalog) -> None:
    with Reader(catalog.workspace) as reader, pytest.raises(BadQuery):
        list(reader.query([], limit=-1))


def test_an_order_may_be_given_beside_the_words(catalog: Catalog) -> None:
    fill(catalog, 3)
    with Reader(catalog.workspace) as reader:
        assert [i.site_id for i in reader.query([], sort="-width")] == ["2", "1", "0"]


def test_what_a_writer_commits_is_seen_by_the_next_question(catalog: Catalog) -> None:
    crawl = fill(catalog, 2)
    with Reader(catalog.workspace) as reader:
        assert reader.count(["state:accepted"]) == 0
        catalog.fetched(crawl, "1", "one")
        assert reader.count(["state:accepted"]) == 1
        assert [e.kind for e in reader.events()] == ["accepted"]
        assert reader.acked("crop") == 0


def test_the_status_of_a_crawl_adds_up(catalog: Catalog) -> None:
    crawl = fill(catalog, 4)
    catalog.fetched(crawl, "0", "one")
    catalog.fetched(crawl, "1", "one")
    catalog.fetched(crawl, "2", "two", ruling=rejected())
    with Reader(catalog.workspace) as reader:
        (status,) = reader.crawls()
        assert (status.accepted, status.seen, status.pending) == (1, 4, 1)
        assert sum(row.count for row in status.rows) == status.seen
        assert not status.running  # its state says so, but no engine holds the workspace
        with EngineLock(catalog.workspace):
            assert reader.crawls()[0].running
        catalog.write(lambda db: crawls.update(db, crawl, state="finished"))
        with EngineLock(catalog.workspace):
            assert not reader.crawls()[0].running


def test_dropped_rows_are_told_by_reason(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.db.execute("INSERT INTO dropped VALUES (?, 'video', 3)", (crawl,))
    with Reader(catalog.workspace) as reader:
        assert reader.dropped(crawl) == {"video": 3}


def test_everything_known_of_a_work_is_shown(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", tags={"general": ("hat",)}), candidate("2"))
    catalog.fetched(crawl, "1", "one", quality={"score": 0.9})
    catalog.fetched(crawl, "2", "one", quality={"score": 0.9})
    with Reader(catalog.workspace) as reader:
        about = reader.show("site:2")
        assert about["works"][0]["duplicate_of"] == "site:1"
        about = reader.show("site:1")
        assert reader.show(sha256_of("one")[:10].upper())["site_id"] == "1"
    assert about["tags"] == {"general": ["hat"]}
    assert about["ladder"][0]["location"] == "https://cdn.test/1.png"
    assert [a["outcome"] for a in about["attempts"]] == ["fetched"]
    assert [(w["crawl_id"], w["state"]) for w in about["works"]] == [(crawl, "accepted")]
    assert about["picture"]["measures"] == {"quality": {"score": 0.9}}
    assert [e["kind"] for e in about["events"]] == ["accepted"]


@pytest.mark.parametrize("ref", ["site:9", "nowhere:1", "0000", "site:"])
def test_what_is_not_there_is_told_with_a_way_to_name_it(catalog: Catalog, ref: str) -> None:
    fill(catalog, 1)
    with Reader(catalog.workspace) as reader, pytest.raises(NotFound) as told:
        reader.show(ref)
    assert "site:id" in told.value.hint


def test_a_work_is_found_by_its_name_or_hash_without_reading_all(catalog: Catalog) -> None:
    crawl = fill(catalog, 2)
    catalog.fetched(crawl, "1", "one")
    asked: list[str] = []
    with Reader(catalog.workspace) as reader:
        reader.db.set_trace_callback(asked.append)
        reader.show("site:1")
        reader.show(sha256_of("one")[:8])
        reader.db.set_trace_callback(None)
        found = [sql for sql in asked if "FROM candidates" in sql]
        plans = [r[3] for sql in found for r in reader.db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(plans) >= 4
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
    assert [plan for plan in plans if plan.endswith("(site=?)")] == []


def test_a_hash_that_begins_several_is_told(catalog: Catalog) -> None:
    crawl = fill(catalog, 2)
    for number, digit in ((0, "0"), (1, "1")):
        catalog.fetched(crawl, str(number), f"p{number}")
        sha256 = "abcd" + digit * 60
        catalog.db.execute("PRAGMA foreign_keys=OFF")
        catalog.db.execute(
            "UPDATE images SET sha256 = ? WHERE sha256 = ?", (sha256, sha256_of(f"p{number}"))
        )
        catalog.db.execute(
            "UPDATE candidates SET image = ? WHERE site_id = ?", (sha256, str(number))
        )
    with Reader(catalog.workspace) as reader:
        with pytest.raises(NotFound, match="several"):
            reader.show("abcd")
        assert reader.show("abcd0")["site_id"] == "0"


def test_the_first_page_says_how_many_more_there_are(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(catalog, 30)
    with Reader(catalog.workspace) as reader:
        page = reader.first(["width>=11"], sort="-width", count=5)
        assert [image.site_id for image in page.images] == ["29", "28", "27", "26", "25"]
        assert (page.more, page.exact) == (15, True)
        assert reader.first(["width>=29"], count=5) == FirstPage(
            list(reader.query(["width>=29"])), 0, exact=True
        )
        monkeypatch.setattr("storage.reader.MOST_MORE", 10)
        for words in ([], ["sort:-width"], ["sort:-pixels"]):
            page = reader.first(words, count=5)
            assert (len(page.images), page.more, page.exact) == (5, 10, False)


def test_tags_that_no_work_has_are_told_with_those_meant(catalog: Catalog) -> None:
    catalog.page(catalog.crawl(), candidate("1", tags={"general": ("1girl", "hat")}))
    with Reader(catalog.workspace) as reader:
        asked = ["1gril", "hat", "artist:hat", "h*", "xyz", "-comic", "HAT", "width>3"]
        assert reader.unknown_tags(asked) == {
            "1gril": ["1girl"],
            "artist:hat": ["hat"],
            "xyz": [],
            "HAT": ["hat"],
        }


def test_a_work_that_is_decoded_while_a_query_is_read_comes_once(catalog: Catalog) -> None:
    sizes = [*range(1, 301), None, None]
    works = [candidate(str(n), width=size, height=size) for n, size in enumerate(sizes)]
    catalog.page(catalog.crawl(), *works)
    for words in (["sort:side"], ["sort:-pixels"]):
        with Reader(catalog.workspace) as reader:
            pages = reader.query(words)
            first = next(pages).site_id
            # It belongs behind all that is still to come, or among what nobody knows.
            for size in (1_000, None) if words == ["sort:side"] else (0, None):
                catalog.write(
                    lambda db, size=size, first=first: db.execute(  # type: ignore[misc]
                        "UPDATE candidates SET width = ?1, height = ?1 WHERE site_id = ?2",
                        (size, first),
                    )
                )
            found = [first, *(image.site_id for image in pages)]
        assert len(found) == len(set(found)) == len(sizes)
