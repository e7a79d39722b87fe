"""The event log and its consumers."""

from __future__ import annotations

import pytest

from storage import stream
from storage.errors import NotFound
from tests.storage.catalog import Catalog


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


def test_a_consumer_nobody_has_seen_starts_at_the_beginning(catalog: Catalog) -> None:
    assert stream.acked(catalog.db, "new") == 0


def test_an_acknowledgement_never_goes_back(catalog: Catalog) -> None:
    fill(catalog, 3)
    for seq, remembered in ((2, 2), (1, 2), (3, 3), (0, 3)):
        catalog.write(lambda db, seq=seq: stream.acknowledge(db, "crop", seq))
        assert stream.acked(catalog.db, "crop") == remembered
    assert stream.acked(catalog.db, "tag") == 0


@pytest.mark.parametrize("seq", [4, -1, 10**12])
def test_what_has_not_happened_cannot_be_acknowledged(catalog: Catalog, seq: int) -> None:
    fill(catalog, 3)
    with pytest.raises(NotFound, match="the last one is 3"):
        catalog.write(lambda db: stream.acknowledge(db, "crop", seq))
    assert stream.acked(catalog.db, "crop") == 0


def test_a_crawl_is_told_finished_until_something_happens_in_it(catalog: Catalog) -> None:
    assert not stream.told_finished(catalog.db, "c")
    catalog.write(lambda db: stream.append(db, "crawl_finished", crawl_id="c"))
    catalog.write(lambda db: stream.append(db, "accepted", crawl_id="other"))
    assert stream.told_finished(catalog.db, "c")
    catalog.write(lambda db: stream.append(db, "accepted", crawl_id="c"))
    assert not stream.told_finished(catalog.db, "c")
