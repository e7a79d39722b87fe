"""Forgetting: blocked content without a trace, rejected bytes over their budget, a killed run's."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import derived, purge, tallies
from storage.derived import DerivedImage
from storage.export_index import record_export
from storage.reader import Reader
from storage.records import Candidate, Ruling
from storage.states import settle
from tests.storage.catalog import (
    ACCEPTED,
    BLOCKED,
    Catalog,
    candidate,
    picture,
    rejected,
    sha256_of,
    short,
)


def marked(site_id: str = "66") -> Candidate:
    """A work full of words that must not stay."""
    return candidate(
        site_id,
        tags={"general": ("secret_tag",), "artist": ("secret_artist", "aoi")},
        source_url="https://elsewhere.test/secret",
        page_url="https://site.test/secret",
        metadata={"secret": 1},
        caption="secret",
        parent="secret",
        pixel_hash="secret",
    )


@pytest.fixture
def crawl(catalog: Catalog) -> str:
    """A crawl that has taken a marked work before anybody knew, beside a harmless one."""
    made = catalog.crawl()
    catalog.page(made, marked(), candidate("1", tags={"artist": ("aoi",)}))
    catalog.fetched(made, "66", "bad")
    catalog.fetched(made, "1", "good")
    return made


def block(catalog: Catalog, crawl: str, site_id: str = "66") -> None:
    catalog.page(crawl, (marked(site_id), BLOCKED))


def test_found_later_its_bytes_and_every_word_of_it_go(catalog: Catalog, crawl: str) -> None:
    assert catalog.holding("secret") != []
    block(catalog, crawl)
    assert catalog.holding("secret") == []
    assert catalog.files() == {sha256_of("good")}
    assert catalog.states(crawl) == {"66": "rejected:blocked_content", "1": "accepted"}
    assert catalog.rows("SELECT sha256 FROM images") == [(sha256_of("good"),)]
    assert catalog.rows("SELECT name FROM tags") == [("aoi",)]  # another work has it too


def test_consumers_are_told_once(catalog: Catalog, crawl: str) -> None:
    block(catalog, crawl)
    block(catalog, crawl)
    last = catalog.events()[2:]
    assert [(e.kind, e.sha256) for e in last] == [("retracted", sha256_of("bad"))]
    assert last[0].payload == {"reason": "blocked_content", "live": False}


def test_what_events_told_of_it_goes_even_of_pictures_it_had_before(
    catalog: Catalog, crawl: str
) -> None:
    again = candidate("66", tags={"general": ("secret_new_tag",)}, md5="a" * 32)
    catalog.page(crawl, again)
    replaced = candidate("66", tags={"general": ("secret_new_tag",)}, md5="b" * 32)
    catalog.page(crawl, replaced)  # another picture now: the old one's events stay behind
    assert [table for table, _ in catalog.holding("secret_new_tag")].count("events") == 1
    block(catalog, crawl)
    assert catalog.holding("secret") == []


def test_works_that_are_the_same_picture_go_with_it(catalog: Catalog, crawl: str) -> None:
    other = catalog.crawl("other")
    catalog.page(crawl, candidate("twin", tags={"general": ("secret_twin",)}))
    catalog.page(other, candidate("twin", tags={"general": ("secret_twin",)}))
    catalog.fetched(crawl, "twin", "bad")
    catalog.known(other, "twin", "bad")
    block(catalog, crawl)
    assert catalog.holding("secret") == []
    assert catalog.states(crawl)["twin"] == "rejected:blocked_content"
    assert catalog.states(other)["twin"] == "rejected:blocked_content"
    assert sha256_of("bad") not in catalog.files()


def derive(catalog: Catalog, parent: str, name: str) -> str:
    _, data = picture(name)
    temp = catalog.store.temp()
    temp.write_bytes(data)
    made = DerivedImage(parent, sha256_of(name), "png", 8, 9, len(data))
    catalog.write(
        lambda db: derived.keep(
            db, catalog.store, made, temp, stage=name, version=1, parameters={}, number=0
        )
    )
    return made.sha256


def test_everything_derived_and_every_exported_copy_goes(
    catalog: Catalog, crawl: str, tmp_path: Path
) -> None:
    small = derive(catalog, sha256_of("bad"), "small")
    smaller = derive(catalog, small, "smaller")
    spared = derive(catalog, sha256_of("good"), "spared")
    out = tmp_path / "out"
    out.mkdir()
    names = {"a": sha256_of("bad"), "b": small, "c": smaller, "d": sha256_of("good"), "e": spared}
    for name in names:
        (out / f"{name}.png").write_bytes(b"copy")
        (out / f"{name}.txt").write_text("secret words")
    files = [(sha, out / f"{name}{end}") for name, sha in names.items() for end in (".png", ".txt")]
    (out / "sheet.jpg").write_bytes(b"all of them")
    record_export(catalog.path, [*files, *((sha, out / "sheet.jpg") for sha in names.values())])
    block(catalog, crawl)
    assert {p.name for p in out.iterdir()} == {"d.png", "d.txt", "e.png", "e.txt"}
    assert catalog.files() == {sha256_of("good"), spared}
    assert catalog.rows("SELECT sha256 FROM derived") == [(spared,)]
    assert {sha for (sha,) in catalog.rows("SELECT sha256 FROM exported")} == {
        sha256_of("good"),
        spared,
    }


def test_an_exported_copy_that_cannot_be_removed_stops_nothing_and_is_tried_again(
    catalog: Catalog, crawl: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = tmp_path / "stuck.png"
    stuck.mkdir()  # a folder has taken its place: it cannot be unlinked
    record_export(catalog.path, [(sha256_of("bad"), stuck)])
    block(catalog, crawl)
    assert catalog.states(crawl)["66"] == "rejected:blocked_content"
    assert "must go but cannot be removed" in caplog.text
    stuck.rmdir()
    stuck.write_bytes(b"copy")
    catalog.write(lambda db: None)
    assert not stuck.exists()


# -- rejected bytes ---------------------------------------------------------------------------


def drop(catalog: Catalog, budget: int) -> int:
    return catalog.write(lambda db: purge.drop_rejected(db, budget))


def fill(catalog: Catalog, *sizes: int) -> str:
    crawl = catalog.crawl()
    for n, size in enumerate(sizes):
        catalog.page(crawl, candidate(str(n)))
        catalog.fetched(crawl, str(n), f"p{n}", ruling=rejected(), size=size)
    return crawl


def kept(catalog: Catalog, *sizes: int) -> list[int]:
    on_disk = catalog.files()
    return [n for n, size in enumerate(sizes) if sha256_of(f"p{n}", size) in on_disk]


def test_the_oldest_rejected_bytes_go_first(catalog: Catalog) -> None:
    sizes = (100, 100, 100, 100)
    fill(catalog, *sizes)
    assert drop(catalog, 250) == 200
    assert kept(catalog, *sizes) == [2, 3]
    assert drop(catalog, 250) == 0


def test_nothing_older_is_kept_than_what_was_dropped(catalog: Catalog) -> None:
    sizes = (50, 300, 100)
    fill(catalog, *sizes)
    assert drop(catalog, 200) == 350
    assert kept(catalog, *sizes) == [2]


def test_within_the_budget_everything_stays(catalog: Catalog) -> None:
    fill(catalog, 100, 100)
    assert drop(catalog, 200) == 0
    assert kept(catalog, 100, 100) == [0, 1]


def test_what_was_measured_outlives_the_bytes(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    catalog.fetched(crawl, "1", "one", ruling=rejected(), quality={"score": 0.2})
    drop(catalog, 0)
    with Reader(catalog.workspace) as reader:
        image = reader.image(catalog.id("1"), crawl)
    assert image is not None
    assert image.path is None
    assert image.measures == {"quality": {"score": 0.2}}


def test_accepted_bytes_are_never_dropped_whichever_crawl_or_work_accepts_them(
    catalog: Catalog,
) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, candidate("1"), candidate("2"))
    catalog.page(two, candidate("3"))
    catalog.fetched(one, "1", "mine", ruling=rejected())
    catalog.known(two, "3", "mine")  # known by its pixels: its bytes are those of the rejected one
    catalog.fetched(one, "2", "alone", ruling=rejected())
    drop(catalog, 0)
    assert catalog.files() == {sha256_of("mine")}


def unwanted(catalog: Catalog) -> list[tuple[str, int]]:
    """(sha256, bytes) of what no crawl takes, newest first: read from the works themselves."""
    return catalog.rows(
        "SELECT i.sha256, i.bytes FROM images i WHERE i.stored = 1 AND NOT EXISTS ("
        " SELECT 1 FROM candidates c JOIN works w ON w.candidate_id = c.id"
        " WHERE c.image = i.sha256 AND w.state IN ('accepted', 'duplicate')) ORDER BY i.rowid DESC"
    )


WORKS = 4
happenings = st.one_of(
    st.tuples(st.just("settle"), st.integers(0, 1), st.integers(0, WORKS - 1), st.booleans()),
    st.tuples(st.just("fetch"), st.integers(0, 1), st.integers(0, WORKS - 1), st.booleans()),
    st.tuples(st.just("replace"), st.just(0), st.integers(0, WORKS - 1), st.booleans()),
    st.tuples(st.just("drop"), st.just(0), st.integers(0, 500), st.booleans()),
)


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(happenings, max_size=14))
def test_what_is_dropped_follows_from_the_works_whatever_happened_to_them(steps: list) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        catalog.db.execute("PRAGMA synchronous=OFF")
        crawls = [catalog.crawl("one"), catalog.crawl("two")]
        for crawl in crawls:
            catalog.page(crawl, *(candidate(str(n), md5="0" * 32) for n in range(WORKS)))
        for version, (what, which, n, wanted) in enumerate((*steps, ("drop", 0, 100, True)), 1):
            ruling = ACCEPTED if wanted else rejected()
            match what:
                case "settle":
                    put(catalog, crawls[which], str(n), ruling)
                case "fetch":
                    put(catalog, crawls[which], str(n), Ruling("pending"))
                    catalog.fetched(crawls[which], str(n), f"p{n % 3}", ruling, size=100 + n)
                case "replace":
                    catalog.page(crawls[0], candidate(str(n), md5=f"{version:032}"))
                case "drop":
                    expected, kept = set(), 0
                    for sha256, size in unwanted(catalog):  # newest first
                        if expected or kept + size > n:
                            expected.add(sha256)
                        else:
                            kept += size
                    before = catalog.files()
                    drop(catalog, n)
                    assert before - catalog.files() == expected
        catalog.db.close()


def put(catalog: Catalog, crawl: str, site_id: str, ruling: Ruling) -> None:
    catalog.write(lambda db: settle(db, crawl, catalog.id(site_id), ruling))


# -- after a kill -----------------------------------------------------------------------------


def test_a_killed_run_is_tidied_up_after(catalog: Catalog, crawl: str) -> None:
    catalog.store.temp().write_bytes(b"half a pic")
    orphan = catalog.store.temp()
    orphan.write_bytes(b"renamed, not committed")
    orphan = catalog.store.adopt(orphan, sha256_of("orphan"), "png")
    catalog.write(lambda db: purge.tidy(db, catalog.store))
    assert list(catalog.store.tmp.iterdir()) == []
    assert not orphan.exists()
    assert catalog.files() == {sha256_of("bad"), sha256_of("good")}


def test_files_that_were_dropped_but_not_yet_removed_are_swept(
    catalog: Catalog, crawl: str
) -> None:
    catalog.db.execute("UPDATE images SET stored = 0 WHERE sha256 = ?", (sha256_of("bad"),))
    catalog.write(lambda db: purge.tidy(db, catalog.store))
    assert catalog.files() == {sha256_of("good")}


def test_derived_files_are_known_to_the_sweep(catalog: Catalog, crawl: str) -> None:
    small = derive(catalog, sha256_of("good"), "small")
    catalog.write(lambda db: purge.tidy(db, catalog.store))
    assert small in catalog.files()


def test_a_clean_end_spares_the_next_start_the_work(catalog: Catalog, crawl: str) -> None:
    catalog.write(purge.mark_clean)
    ((value,),) = catalog.rows("SELECT value FROM meta WHERE key = 'clean_at'")
    assert abs(float(value) - time.time()) < 5


def orphan(catalog: Catalog, made_at: float) -> Path:
    """A file that a killed run left without a row, in a folder of that time."""
    temp = catalog.store.temp()
    temp.write_bytes(b"renamed, not committed")
    path = catalog.store.adopt(temp, sha256_of("orphan"), "png")
    os.utime(path.parent, (made_at, made_at))
    return path


def test_a_clock_that_was_turned_back_during_a_run_hides_nothing_from_the_sweep(
    catalog: Catalog, crawl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    catalog.write(purge.mark_clean)
    monkeypatch.setattr("storage.purge.time.time", lambda: now - 3600)
    catalog.write(purge.follow_clock)  # the run goes on, and is killed
    left = orphan(catalog, now - 3590)
    monkeypatch.setattr("storage.purge.time.time", lambda: now + 10)  # set right again
    catalog.write(purge.follow_clock)
    catalog.write(lambda db: purge.tidy(db, catalog.store))
    assert not left.exists()
    assert catalog.files() == {sha256_of("bad"), sha256_of("good")}


def test_a_clock_that_is_still_behind_hides_nothing_either(
    catalog: Catalog, crawl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    catalog.write(purge.mark_clean)
    left = orphan(catalog, now - 3600)
    monkeypatch.setattr("storage.purge.time.time", lambda: now - 3590)
    catalog.write(lambda db: purge.tidy(db, catalog.store))
    assert not left.exists()
    assert catalog.files() == {sha256_of("bad"), sha256_of("good")}


def test_a_clock_that_runs_on_leaves_the_mark_alone(catalog: Catalog, crawl: str) -> None:
    catalog.write(purge.mark_clean)
    before = catalog.rows("SELECT value FROM meta WHERE key = 'clean_at'")
    catalog.write(purge.follow_clock)
    assert catalog.rows("SELECT value FROM meta WHERE key = 'clean_at'") == before
    old = orphan(catalog, time.time() - 3600)
    catalog.write(lambda db: purge.tidy(db, catalog.store))
    assert old.exists()  # not looked at: nothing can be left from before a clean mark


def test_a_blocked_work_that_was_never_fetched_needs_no_event(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, marked())
    block(catalog, crawl)
    assert catalog.events() == []
    assert catalog.holding("secret") == []
    assert tallies.pending_count(catalog.db, crawl) == 0


def test_retractions_name_the_picture_and_nothing_else(catalog: Catalog, crawl: str) -> None:
    block(catalog, crawl)
    assert catalog.told()[-1] == ("retracted", *short(["bad"]), None)


def test_a_word_that_another_work_of_the_same_page_has_stays(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("66", tags={"general": ("hat",)}))
    catalog.page(crawl, (marked(), BLOCKED), candidate("1", tags={"general": ("hat",)}))
    with Reader(catalog.workspace) as reader:
        assert [image.site_id for image in reader.query(["hat"])] == ["1"]


def test_words_of_a_work_that_stays_blocked_are_not_taken_in(catalog: Catalog, crawl: str) -> None:
    block(catalog, crawl)
    catalog.page(catalog.crawl("other"), marked())
    assert catalog.holding("secret") == []


def test_a_list_loses_the_lines_of_what_must_go(
    catalog: Catalog, crawl: str, tmp_path: Path
) -> None:
    bad, good = sha256_of("bad"), sha256_of("good")
    listed = tmp_path / "manifest.jsonl"
    listed.write_text(f'{{"sha256": "{bad}", "words": "x"}}\n{{"sha256": "{good}"}}\n')
    record_export(catalog.path, [(bad, listed), (good, listed)])
    block(catalog, crawl)
    assert listed.read_text() == f'{{"sha256": "{good}"}}\n'
    assert catalog.rows("SELECT path FROM doomed") == []
