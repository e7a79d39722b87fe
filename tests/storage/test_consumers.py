"""Consumers: what they are done with, what comes again, what they gave up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import consumers, stream
from storage.consumers import MAX_ATTEMPTS, Consumer, Nack
from storage.errors import NotFound
from storage.stream import EVERYTHING, Asked
from tests.storage.catalog import Catalog

CRAWL = "c1"


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    """Six events: an accepted and a retagged one in turns, of two crawls."""
    for n in range(6):
        catalog.write(
            lambda db, n=n: stream.append(
                db, "retagged" if n % 2 else "accepted", crawl_id=CRAWL if n < 4 else "c2"
            )
        )
    return catalog


def join(catalog: Catalog, asked: Asked = EVERYTHING, after: int | None = None) -> int:
    return catalog.write(lambda db: consumers.join(db, "crop", asked, after))


def settle(catalog: Catalog, *done: int, failed: tuple[Nack, ...] = (), at: float = 0) -> list[int]:
    return catalog.write(lambda db: consumers.settle(db, "crop", done, failed, at=at))


def crop(catalog: Catalog) -> Consumer:
    return consumers.get(catalog.db, "crop")


def answered(catalog: Catalog) -> list[tuple[int, str]]:
    rows = catalog.rows("SELECT seq, state FROM deliveries ORDER BY seq")
    return [(row[0], row[1]) for row in rows]


def test_a_new_consumer_begins_at_the_beginning_or_where_it_is_told(filled: Catalog) -> None:
    assert join(filled) == 0
    assert (crop(filled).acked_seq, crop(filled).lag) == (0, 6)
    filled.write(lambda db: consumers.forget(db, "crop"))
    assert join(filled, after=4) == 4
    assert crop(filled).lag == 2


def test_one_that_is_known_goes_on_where_it_was(filled: Catalog) -> None:
    join(filled)
    settle(filled, 1, 2)
    assert join(filled, after=5) == 2


def test_answers_out_of_order_are_kept_until_the_gap_closes(filled: Catalog) -> None:
    join(filled)
    settle(filled, 3, 5)
    assert (crop(filled).acked_seq, crop(filled).lag) == (0, 4)
    settle(filled, 1)
    assert crop(filled).acked_seq == 1
    settle(filled, 2)
    assert crop(filled).acked_seq == 3
    assert answered(filled) == [(5, "done")]
    settle(filled, 4, 6)
    assert (crop(filled).acked_seq, crop(filled).lag, answered(filled)) == (6, 0, [])


def test_the_same_answer_twice_is_one(filled: Catalog) -> None:
    join(filled)
    settle(filled, 2, 2)
    settle(filled, 2)
    settle(filled, 1)
    settle(filled, 1)
    assert (crop(filled).acked_seq, answered(filled)) == (2, [])


def test_what_was_answered_is_not_read_again(filled: Catalog) -> None:
    join(filled)
    settle(filled, 3, failed=(Nack(2, 5.0),))
    assert [e.seq for e in stream.read(filled.db, 0, consumer="crop")] == [1, 4, 5, 6]
    assert [e.seq for e in stream.read(filled.db, 0, consumer="other")] == [1, 2, 3, 4, 5, 6]


def test_a_failed_event_is_due_again_and_holds_the_place(filled: Catalog) -> None:
    join(filled)
    settle(filled, 1, 3, failed=(Nack(2, 5.0, "no memory"),), at=100.0)
    assert crop(filled).acked_seq == 1
    (retry,) = consumers.retries(filled.db, "crop")
    assert (retry.seq, retry.attempts, retry.due_at) == (2, 1, 105.0)
    settle(filled, 2)
    assert (crop(filled).acked_seq, consumers.retries(filled.db, "crop")) == (3, [])


def test_after_too_many_tries_it_is_a_dead_letter_and_holds_nothing_up(filled: Catalog) -> None:
    join(filled)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        dead = settle(filled, failed=(Nack(1, 0.0, f"try {attempt}"),))
        assert dead == ([1] if attempt == MAX_ATTEMPTS else [])
    assert (crop(filled).acked_seq, crop(filled).lag, crop(filled).dead) == (1, 5, 1)
    assert consumers.retries(filled.db, "crop") == []
    (letter,) = consumers.dead_letters(filled.db, "crop")
    assert (letter.seq, letter.attempts, letter.error) == (1, MAX_ATTEMPTS, "try 5")
    assert letter.kind == "accepted"


def test_a_dead_letter_that_is_given_again_counts_as_lag_until_it_is_done(filled: Catalog) -> None:
    join(filled)
    settle(filled, 2, 3, 4, 5, 6, failed=(Nack(1, 0.0, "why", max_attempts=1),))
    assert (crop(filled).acked_seq, crop(filled).lag, crop(filled).dead) == (6, 0, 1)
    assert filled.write(lambda db: consumers.retry_dead(db, "crop")) == 1
    assert (crop(filled).acked_seq, crop(filled).lag, crop(filled).dead) == (6, 1, 0)
    assert [r.attempts for r in consumers.retries(filled.db, "crop")] == [0]
    settle(filled, 1)
    assert (crop(filled).lag, answered(filled)) == (0, [])


def test_events_that_do_not_concern_it_are_neither_lag_nor_in_the_way(filled: Catalog) -> None:
    join(filled, Asked(frozenset({"accepted"}), CRAWL))
    assert crop(filled).lag == 2  # 1 and 3; 5 is of the other crawl
    settle(filled, 1)
    assert crop(filled).acked_seq == 2
    settle(filled, 3)
    assert (crop(filled).acked_seq, crop(filled).lag) == (6, 0)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (EVERYTHING, EVERYTHING, False),
        (EVERYTHING, Asked(frozenset({"accepted"}), CRAWL), False),
        (Asked(frozenset({"accepted"})), Asked(frozenset({"accepted"}), CRAWL), False),
        (Asked(frozenset({"accepted"})), EVERYTHING, True),
        (Asked(frozenset({"accepted"})), Asked(frozenset({"accepted", "retagged"})), True),
        (Asked(crawl=CRAWL), EVERYTHING, True),
        (Asked(crawl=CRAWL), Asked(crawl="another"), True),
    ],
)
def test_one_that_asks_for_more_than_before_is_told_what_it_does_not_get(
    filled: Catalog, caplog: pytest.LogCaptureFixture, before: Asked, now: Asked, told: bool
) -> None:
    join(filled, before)
    filled.write(lambda db: consumers.settle(db, "crop", [1]))
    join(filled, now)
    assert ("asked for less so far" in caplog.text) == told


def test_what_concerns_every_crawl_concerns_the_readers_of_one(filled: Catalog) -> None:
    filled.write(lambda db: stream.append(db, "retracted", sha256="ab"))
    assert [e.seq for e in stream.read(filled.db, 0, asked=Asked(crawl="c2"))] == [5, 6, 7]


def test_it_can_be_sent_back_and_ahead(filled: Catalog) -> None:
    join(filled)
    settle(filled, 1, 2, 3, 5, failed=(Nack(4, 5.0), Nack(6, 5.0, max_attempts=1)))
    filled.write(lambda db: consumers.rewind(db, "crop", 1))
    assert (crop(filled).acked_seq, crop(filled).lag, answered(filled)) == (1, 5, [])
    filled.write(lambda db: consumers.rewind(db, "crop", 5))
    assert (crop(filled).acked_seq, crop(filled).lag) == (5, 1)


def test_a_moment_is_found_in_the_log(filled: Catalog) -> None:
    assert stream.seq_before(filled.db, "2000-01-01T00:00:00.000+00:00") == 0
    assert stream.seq_before(filled.db, "2999-01-01T00:00:00.000+00:00") == 6
    at = stream.event(filled.db, 4).at
    assert stream.event(filled.db, stream.seq_before(filled.db, at) + 1).at == at


def test_a_forgotten_consumer_leaves_nothing(filled: Catalog) -> None:
    join(filled)
    settle(filled, 3)
    filled.write(lambda db: consumers.forget(db, "crop"))
    assert (consumers.every(filled.db), answered(filled)) == ([], [])


def test_all_are_listed_by_name(filled: Catalog) -> None:
    for name in ("tag", "crop"):
        filled.write(lambda db, name=name: consumers.join(db, name, EVERYTHING))
    settle(filled, 1)
    assert [(c.name, c.lag) for c in consumers.every(filled.db)] == [("crop", 5), ("tag", 6)]


@pytest.mark.parametrize("seq", [7, -1, 10**12])
def test_what_has_not_happened_has_no_answer(filled: Catalog, seq: int) -> None:
    join(filled)
    for work in (
        lambda db: consumers.settle(db, "crop", [seq]),
        lambda db: consumers.settle(db, "crop", [], [Nack(seq, 1.0)]),
        lambda db: consumers.rewind(db, "crop", seq),
        lambda db: consumers.join(db, "crop", EVERYTHING, seq),
    ):
        with pytest.raises(NotFound, match="the last one is 6"):
            filled.write(work)
    assert (crop(filled).acked_seq, answered(filled)) == (0, [])


def test_a_consumer_nobody_has_seen_is_told_of(filled: Catalog) -> None:
    for work in (consumers.get, consumers.retry_dead, consumers.forget):
        with pytest.raises(NotFound, match="'nobody'"):
            filled.write(lambda db, work=work: work(db, "nobody"))


@given(st.randoms(use_true_random=False), st.sets(st.sampled_from(range(1, 7))))
def test_any_order_comes_to_the_same(draw: random.Random, dead: set[int]) -> None:
    """Lag falls by one with every answer, and at the end all is folded, whatever the order."""
    import sqlite3

    from storage.schema import migrate

    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    migrate(db)
    for _ in range(6):
        stream.append(db, "accepted")
    consumers.join(db, "crop", EVERYTHING)
    order = list(range(1, 7))
    draw.shuffle(order)
    for left, seq in zip(range(5, -1, -1), order, strict=True):
        failed = [Nack(seq, 0.0, max_attempts=1)] if seq in dead else []
        consumers.settle(db, "crop", [] if failed else [seq], failed)
        assert consumers.get(db, "crop").lag == left
    assert consumers.get(db, "crop").acked_seq == 6
    assert {row["seq"] for row in db.execute("SELECT seq FROM deliveries")} == dead
    db.close()
