"""The event log."""

from __future__ import annotations

from storage import stream
from storage.states import settle
from tests.storage.catalog import Catalog, candidate, rejected, sha256_of


def fill(catalog: Catalog, count: int) -> list[int]:
    return [
        catalog.write(lambda db, n=n: stream.append(db, "accepted", sha256=f"{n:064x}"))
        for n in range(count)
    ]


def test_events_are_numbered_in_commit_order_from_one(catalog: Catalog) -> None:
    assert fill(catalog, 3) == [1, 2, 3]
    assert [e.seq for e in stream.read(catalog.db, after=1)] == [2, 3]
    assert [e.seq for e in stream.read(catalog.db, after=0, limit=2)] == [1, 2]


def test_numbers_are_never_used_again(catalog: Catalog) -> None:
    fill(catalog, 2)
    catalog.db.execute("DELETE FROM events")
    assert fill(catalog, 1) == [3]


def test_an_event_says_what_happened_to_what_and_when(catalog: Catalog) -> None:
    catalog.write(
        lambda db: stream.append(
            db, "retracted", sha256="ab", candidate_id=4, crawl_id="c", payload={"reason": "x"}
        )
    )
    (event,) = catalog.events()
    assert (event.kind, event.sha256, event.candidate_id, event.crawl_id) == (
        "retracted",
        "ab",
        4,
        "c",
    )
    assert event.payload == {"reason": "x"}
    assert event.at.endswith("+00:00")


def test_a_crawl_is_told_finished_until_something_happens_in_it(catalog: Catalog) -> None:
    assert not stream.told_finished(catalog.db, "c")
    catalog.write(lambda db: stream.append(db, "crawl_finished", crawl_id="c"))
    catalog.write(lambda db: stream.append(db, "accepted", crawl_id="other"))
    assert stream.told_finished(catalog.db, "c")
    catalog.write(lambda db: stream.append(db, "accepted", crawl_id="c"))
    assert not stream.told_finished(catalog.db, "c")


def test_a_picture_is_told_as_it_is_now(catalog: Catalog) -> None:
    one, two = catalog.crawl("one"), catalog.crawl("two")
    for crawl, name in ((one, "1"), (two, "2")):
        catalog.page(crawl, candidate(name))
        catalog.fetched(crawl, name, "same")
    sha256 = sha256_of("same")
    first, second = (stream.living(catalog.db, catalog.workspace, sha256, c) for c in (one, two))
    assert (first and first.site_id, second and second.site_id) == ("1", "2")
    catalog.write(lambda db: settle(db, one, catalog.id("1"), rejected()))
    assert stream.living(catalog.db, catalog.workspace, sha256, one) is None
    still = stream.living(catalog.db, catalog.workspace, sha256, None)
    assert still is not None
    assert (still.site_id, still.state) == ("2", "accepted")
