"""States of works: exactly one each, the same whatever came first, and the events they make."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from storage import tallies, works
from storage.records import Ruling
from storage.states import settle
from tests.storage.catalog import (
    ACCEPTED,
    BLOCKED,
    Catalog,
    candidate,
    rejected,
    sha256_of,
    short,
)


def put(catalog: Catalog, crawl: str, site_id: str, ruling: Ruling) -> None:
    catalog.write(lambda db: settle(db, crawl, catalog.id(site_id), ruling))


def test_the_first_picture_is_accepted_and_told(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    (settled,) = catalog.fetched(crawl, "1", "one")
    assert (settled.site_id, settled.before, settled.ruling) == ("1", "pending", ACCEPTED)
    assert catalog.told() == [("accepted", *short(["one"]), crawl)]


def test_the_same_file_again_is_a_duplicate_and_no_news(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    catalog.fetched(crawl, "2", "one")
    assert catalog.states(crawl) == {"1": "accepted", "2": "duplicate:same_file"}
    assert len(catalog.events()) == 1


def test_the_earlier_place_wins_whoever_arrives_first(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    catalog.fetched(crawl, "2", "one")
    own, other = catalog.fetched(crawl, "1", "one")
    assert (own.site_id, own.before, own.ruling.state) == ("1", "pending", "accepted")
    assert (other.site_id, other.before, other.ruling.state) == ("2", "accepted", "duplicate")
    assert catalog.states(crawl) == {"1": "accepted", "2": "duplicate:same_file"}
    assert len(catalog.events()) == 1  # the picture was live all along


def test_a_duplicate_takes_the_place_of_a_rejected_work(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"), candidate("3"))
    for site_id in "123":
        catalog.fetched(crawl, site_id, "one")
    put(catalog, crawl, "1", rejected("comic"))
    assert catalog.states(crawl) == {
        "1": "rejected:comic",
        "2": "accepted",
        "3": "duplicate:same_file",
    }
    assert [e.kind for e in catalog.events()] == ["accepted"]
    put(catalog, crawl, "2", rejected("comic"))
    put(catalog, crawl, "3", rejected("comic"))
    assert [e.kind for e in catalog.events()] == ["accepted", "retracted"]
    assert catalog.events()[-1].payload == {"reason": "comic", "live": False}


def test_other_bytes_of_the_same_pixels_are_told_apart_from_the_same_file(
    catalog: Catalog,
) -> None:
    crawl = catalog.crawl()
    catalog.page(
        crawl, candidate("1", pixel_hash="p"), candidate("2", pixel_hash="p", md5="e" * 32)
    )
    catalog.fetched(crawl, "1", "one")
    catalog.known(crawl, "2", "one")
    assert catalog.states(crawl)["2"] == "duplicate:same_pixels"


def test_each_crawl_has_its_own_live_pictures(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    catalog.page(one, candidate("1"))
    catalog.page(two, candidate("1"))
    catalog.fetched(one, "1", "one")
    assert catalog.states(two) == {"1": "pending"}
    catalog.known(two, "1", "one")
    assert catalog.told() == [("accepted", *short(["one"]), crawl) for crawl in (one, two)]
    put(catalog, one, "1", rejected())
    assert catalog.states(two) == {"1": "accepted"}
    assert catalog.told()[2:] == [("retracted", *short(["one"]), one)]


def test_a_picture_that_another_crawl_accepts_is_still_live(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    for crawl in (one, two):
        catalog.page(crawl, candidate("1"))
    catalog.fetched(one, "1", "one")
    catalog.known(two, "1", "one")
    put(catalog, one, "1", rejected())
    put(catalog, two, "1", rejected())
    assert [(e.kind, e.crawl_id, e.payload["live"]) for e in catalog.events()] == [
        ("accepted", one, True),
        ("accepted", two, True),
        ("retracted", one, True),
        ("retracted", two, False),
    ]


def test_a_replaced_file_that_another_work_still_is_stays_live(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    first, second = candidate("1", md5="a" * 32), candidate("2")
    catalog.page(one, first)
    catalog.page(two, first, second)
    catalog.fetched(one, "1", "one")
    catalog.known(two, "1", "one")
    catalog.known(two, "2", "one")
    catalog.page(one, candidate("1", md5="b" * 32))
    assert catalog.states(two) == {"1": "pending", "2": "accepted"}
    assert [(e.kind, e.crawl_id, e.payload) for e in catalog.events()[2:]] == [
        ("retracted", one, {"reason": "replaced", "live": True})
    ]


steps_of_crawls = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 2),
        st.sampled_from(["accept", "reject", "wait", "replace", "block"]),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps_of_crawls)
def test_a_consumer_that_heeds_live_holds_what_some_crawl_accepts(steps: list) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        catalog.db.execute("PRAGMA synchronous=OFF")
        crawls = [catalog.crawl("one"), catalog.crawl("two")]
        for crawl in crawls:
            catalog.page(crawl, *(candidate(str(n), md5="0" * 32) for n in range(3)))
        for version, (which, n, what) in enumerate(steps):
            crawl, site_id = crawls[which], str(n)
            match what:
                case "accept":
                    put(catalog, crawl, site_id, Ruling("pending"))
                    catalog.fetched(crawl, site_id, "ab"[n % 2])
                case "reject":
                    put(catalog, crawl, site_id, rejected())
                case "wait":
                    put(catalog, crawl, site_id, Ruling("pending"))
                case "replace":
                    catalog.page(crawl, candidate(site_id, md5=f"{version + 1:032}"))
                case "block":
                    catalog.page(crawl, (candidate(site_id), BLOCKED))
        _check_told_in_turns(catalog)
        assert _held(catalog) == {s for (s,) in catalog.rows("SELECT sha256 FROM accepted")}
        catalog.db.close()


def _held(catalog: Catalog) -> set[str | None]:
    held: set[str | None] = set()
    for event in catalog.events():
        if event.payload.get("live"):
            held.add(event.sha256)
        elif event.kind == "retracted":
            held.discard(event.sha256)
    return held


def _check_told_in_turns(catalog: Catalog) -> None:
    """A crawl is told to have a picture once, and to have let it go once, by turns."""
    told: set[tuple[str | None, str | None]] = set()
    for event in catalog.events():
        pair = (event.crawl_id, event.sha256)
        if event.kind == "accepted":
            assert pair not in told
            told.add(pair)
        elif event.crawl_id is None:
            told = {(crawl, sha256) for crawl, sha256 in told if sha256 != event.sha256}
        else:
            told.remove(pair)


def test_settling_a_work_reads_no_more_of_a_large_crawl(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    asked: list[str] = []
    catalog.db.set_trace_callback(asked.append)
    catalog.fetched(crawl, "2", "one")
    put(catalog, crawl, "1", rejected())
    catalog.db.set_trace_callback(None)
    plans = [
        plan[3]
        for sql in asked
        if sql.startswith(("SELECT", "UPDATE works", "UPDATE candidates"))
        and "max(" not in sql
        and "FROM doomed" not in sql
        for plan in catalog.rows(f"EXPLAIN QUERY PLAN {sql}")
    ]
    assert len(plans) > 10
    assert [p for p in plans if p.startswith("SCAN") or p.endswith("(crawl_id=?)")] == []


def test_a_work_that_was_found_to_be_blocked_meanwhile_stays_blocked(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", tags={"general": ("secret",)}), candidate("2"))
    catalog.page(crawl, (candidate("1"), replace(rejected("blocked_content"), filter="content")))
    catalog.fetched(crawl, "1", "one")
    assert catalog.states(crawl)["1"] == "rejected:blocked_content"
    assert catalog.files() == set()
    assert list(catalog.store.tmp.iterdir()) == []
    catalog.write(
        lambda db: works.settle_failed(
            db, crawl, catalog.id("1"), Ruling("failed", "http_404"), [(0, "http_404")]
        )
    )
    put(catalog, crawl, "1", rejected("secret", measured="secret"))
    assert catalog.states(crawl)["1"] == "rejected:blocked_content"
    assert catalog.rows("SELECT outcome, image FROM candidates WHERE site_id = '1'") == [
        ("blocked", None)
    ]
    assert catalog.rows("SELECT 1 FROM attempts") == []
    assert catalog.holding("secret") == []


def test_evidence_is_kept_with_the_state(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    put(catalog, crawl, "1", rejected("too_small", measured=300, threshold=768))
    assert catalog.rows("SELECT measured, threshold, filter FROM works") == [
        ("300", "768", "resolution")
    ]
    put(catalog, crawl, "1", ACCEPTED)
    assert catalog.rows("SELECT measured, threshold, filter FROM works") == [(None, None, None)]


# Works of one crawl: which picture each turns out to be, and its verdict in two rounds.
outcomes = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), outcomes=outcomes)
def test_states_are_a_function_of_the_set_alone(data: st.DataObject, outcomes: list) -> None:
    """Any order of settling the same works ends in the same states and the same kept works."""
    numbers = range(len(outcomes))
    order = data.draw(st.permutations(numbers))
    again = data.draw(st.permutations(numbers))
    assert _after(outcomes, order, again) == _after(outcomes, numbers, numbers)


def _after(outcomes, first, second):
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        catalog.db.execute("PRAGMA synchronous=OFF")
        crawl = catalog.crawl()
        catalog.page(crawl, *(candidate(str(n)) for n in range(len(outcomes))))
        for n in first:
            name, wanted, _ = outcomes[n]
            catalog.fetched(crawl, str(n), name, ruling=ACCEPTED if wanted else rejected())
        for n in second:
            put(catalog, crawl, str(n), ACCEPTED if outcomes[n][2] else rejected("comic"))
        states = catalog.states(crawl)
        events = _live(catalog)
        kept = catalog.rows("SELECT w.position, w.duplicate_of FROM works w ORDER BY w.position")
        catalog.db.close()
    expected = {
        sha256_of(outcomes[int(n)][0]) for n, state in states.items() if state == "accepted"
    }
    assert events == expected
    assert len(states) == len(outcomes)
    return states, kept, expected


def _live(catalog: Catalog) -> set[str]:
    """What a consumer of the events believes to be live; each step must make sense to it."""
    live: set[str] = set()
    for event in catalog.events():
        assert event.sha256 is not None
        if event.kind == "accepted":
            assert event.sha256 not in live
            live.add(event.sha256)
        else:
            assert event.kind == "retracted"
            live.remove(event.sha256)
    return live


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["accept", "reject", "fail", "wait"])),
        max_size=12,
    )
)
def test_every_work_is_in_exactly_one_state(steps: list) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        catalog.db.execute("PRAGMA synchronous=OFF")
        crawl = catalog.crawl()
        catalog.page(crawl, *(candidate(str(n)) for n in range(4)))
        for n, what in steps:
            match what:
                case "accept":
                    catalog.fetched(crawl, str(n), "ab"[n % 2])
                case "reject":
                    put(catalog, crawl, str(n), rejected())
                case "fail":
                    put(catalog, crawl, str(n), Ruling("failed", "http_404"))
                case "wait":
                    put(catalog, crawl, str(n), Ruling("pending"))
            counted = Counter(state.split(":")[0] for state in catalog.states(crawl).values())
            assert counted.total() == 4
            assert counted["accepted"] == tallies.accepted_count(catalog.db, crawl)
            assert counted["pending"] == tallies.pending_count(catalog.db, crawl)
            pictures = catalog.rows(
                "SELECT c.image, count(*) FROM works w JOIN candidates c ON c.id = w.candidate_id"
                " WHERE w.state = 'accepted' GROUP BY 1"
            )
            assert all(count == 1 for _, count in pictures)
            _live(catalog)
        catalog.db.close()
