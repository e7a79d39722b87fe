"""The order of works: the first N acceptable ones, whoever arrives first, nothing in vain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.order import Frontier, identities
from storage.records import Candidate, Rung, Work


def work(position: int, md5: str | None = None, pixels: str | None = None) -> Work:
    rung = Rung(f"https://cdn{position % 3}.test/{position}", md5=md5)
    candidate = Candidate("site", "o", str(position), (rung,), pixel_hash=pixels)
    return Work(position, position, 0, candidate)


def frontier(
    *works: Work, want: int | None = 2, concurrency: int = 8, per_host: int | None = None
) -> Frontier:
    made = Frontier(want=want, concurrency=concurrency, per_host=per_host, pending=len(works))
    made.add(works)
    return made


def take(made: Frontier) -> list[int]:
    taken = []
    while (one := made.next()) is not None:
        taken.append(one.position)
    return taken


def land(made: Frontier, position: int, *, accepted: bool) -> None:
    (one,) = [w for w in made.flying if w.position == position]
    made.pending -= 1
    made.accepted += accepted
    made.landed(one, accepted=accepted)


def test_no_more_works_fly_than_are_wanted() -> None:
    made = frontier(*map(work, range(1, 9)), want=3)
    assert take(made) == [1, 2, 3]
    land(made, 2, accepted=True)
    assert take(made) == []  # 1 and 3 may both be accepted
    land(made, 3, accepted=False)
    assert take(made) == [4]


def test_without_a_target_concurrency_is_the_only_bound() -> None:
    made = frontier(*map(work, range(1, 9)), want=None, concurrency=5)
    assert take(made) == [1, 2, 3, 4, 5]


def test_a_host_with_enough_in_flight_does_not_hold_up_the_others() -> None:
    made = frontier(*map(work, (1, 4, 7, 8, 10, 12)), want=None, concurrency=3, per_host=1)
    assert take(made) == [1, 8, 12]  # 4, 7 and 10 are where 1 is
    land(made, 8, accepted=True)
    assert take(made) == []
    land(made, 1, accepted=True)
    assert take(made) == [4]
    assert not made.idle


def test_a_work_that_is_held_fills_its_place() -> None:
    made = frontier(*map(work, (1, 4, 5, 6)), want=3, per_host=1)
    assert take(made) == [1, 5]  # 4 has the third place
    land(made, 5, accepted=True)
    assert take(made) == []
    land(made, 1, accepted=False)
    assert take(made) == [4, 6]


def test_a_twin_of_a_held_work_waits_for_it() -> None:
    made = frontier(work(1), work(4, md5="a"), work(5, md5="a"), want=None, per_host=1)
    assert take(made) == [1]
    land(made, 1, accepted=True)
    assert take(made) == [4]
    land(made, 4, accepted=True)
    assert take(made) == [5]


def test_the_target_is_met_when_nothing_is_in_flight() -> None:
    made = frontier(*map(work, range(1, 9)), want=2)
    take(made)
    land(made, 2, accepted=True)
    assert not made.reached
    land(made, 1, accepted=True)
    assert made.reached
    assert made.in_flight == 0


def test_wanting_nothing_is_met_at_once() -> None:
    assert frontier(work(1), want=0).reached
    assert take(frontier(work(1), want=0)) == []


@pytest.mark.parametrize("same", [{"md5": "a"}, {"pixels": "p"}])
def test_a_twin_of_a_work_in_flight_waits_for_it(same: dict[str, str]) -> None:
    made = frontier(work(1, **same), work(2, **same), work(3), want=2)
    assert take(made) == [1, 3]
    assert not made.idle
    land(made, 1, accepted=True)
    assert take(made) == [2]  # known to be a duplicate: it takes nobody's place
    assert made.is_free(made.flying[-1])


def test_a_twin_of_a_failed_work_takes_its_turn() -> None:
    made = frontier(work(1, md5="a"), work(2, md5="a"), work(3, md5="a"), want=5)
    assert take(made) == [1]
    land(made, 1, accepted=False)
    assert take(made) == [2]
    assert not made.is_free(made.flying[0])
    land(made, 2, accepted=True)
    assert take(made) == [3]


def test_a_twin_that_is_no_duplicate_after_all_waits_for_its_turn() -> None:
    made = frontier(work(1, md5="a"), work(2, md5="a"), work(3), want=2)
    take(made)
    land(made, 1, accepted=True)
    (twin,) = take(made)
    made.returned(made.flying[-1])
    assert twin == 2
    assert take(made) == []  # work 3 is in flight and has the last place
    land(made, 3, accepted=False)
    assert take(made) == [2]
    assert not made.is_free(made.flying[0])


def test_a_work_is_not_taken_twice() -> None:
    made = frontier(work(1), work(2), want=None)
    assert take(made) == [1, 2]
    made.reopened()
    assert made.loaded == 0
    made.add([work(1), work(2), work(3)])
    made.pending = 3
    assert take(made) == [3]


def test_listing_is_asked_for_when_even_accepting_everything_is_not_enough() -> None:
    made = frontier(work(1), work(2), want=3)
    assert made.needs_listing(low_water=0)
    made.pending += 1
    assert not made.needs_listing(low_water=0)
    endless = frontier(work(1), want=None)
    assert endless.needs_listing(low_water=2)
    assert not endless.needs_listing(low_water=1)


def test_what_the_catalog_no_longer_holds_is_not_waited_for() -> None:
    made = Frontier(want=5, concurrency=2, pending=3)
    assert made.needs_loading
    made.add([work(1)])
    take(made)
    made.all_loaded()  # a page has decided the other two
    assert (made.pending, made.needs_loading) == (1, False)


def test_equal_md5_and_equal_pixels_are_what_makes_works_alike() -> None:
    assert identities(work(1).candidate) == ()
    assert identities(work(1, "a", "p").candidate) == ("md5:a", "pixels:p")


# -- any outcome, any order of completion -----------------------------------------------------


@dataclass
class Catalog:
    """The engine's side of the bargain: pages, loading, and what each work turns out to be."""

    outcomes: Sequence[tuple[str, str | None]]
    """For each work in order: accept, reject or fail; and the md5 that it claims, if any."""
    page: int
    pages: int = 0
    listed: int = 0
    settled: dict[int, str] = field(default_factory=dict)
    decoded: dict[str, str] = field(default_factory=dict)
    """md5 -> the verdict on the picture: later works that claim it are known."""
    fetched: list[int] = field(default_factory=list)

    def list_page(self) -> int:
        """List a page; returns how many works are new."""
        new = min(self.page, len(self.outcomes) - self.listed)
        self.pages += 1
        self.listed += new
        return new

    def unsettled(self, after: int, limit: int) -> list[Work]:
        waiting = [n for n in range(after + 1, self.listed + 1) if n not in self.settled]
        return [work(n, self.outcomes[n - 1][1]) for n in waiting[:limit]]

    def settle(self, position: int) -> str:
        outcome, md5 = self.outcomes[position - 1]
        known = self.decoded.get(md5) if md5 else None
        if known is not None:
            state = "duplicate" if known == "accept" else known
        else:
            self.fetched.append(position)
            state = outcome
            if md5 and outcome != "fail":
                self.decoded[md5] = outcome
        self.settled[position] = state
        return state

    @property
    def accepted(self) -> list[int]:
        return sorted(n for n, state in self.settled.items() if state == "accept")


def one_by_one(catalog: Catalog, want: int | None) -> Catalog:
    """The patient crawler: one work at a time, one page when there is nothing left."""
    position = 0
    while want is None or len(catalog.accepted) < want:
        if position == catalog.listed and catalog.list_page() == 0:
            break
        position += 1
        catalog.settle(position)
    return catalog


works = st.lists(
    st.tuples(st.sampled_from(["accept", "reject", "fail"]), st.sampled_from([None, *"abc"])),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    outcomes=works,
    want=st.integers(0, 12),
    concurrency=st.integers(1, 6),
    per_host=st.none() | st.integers(1, 3),
    page=st.integers(1, 7),
    load=st.integers(1, 5),
)
def test_any_order_of_completion_ends_as_if_works_had_been_taken_one_by_one(
    data: st.DataObject,
    outcomes: list[tuple[str, str | None]],
    want: int,
    concurrency: int,
    per_host: int | None,
    page: int,
    load: int,
) -> None:
    catalog = Catalog(outcomes, page)
    made = Frontier(want=want, concurrency=concurrency, per_host=per_host)
    for _ in _steps(data, made, catalog, load):
        assert made.accepted <= want
        assert made.in_flight <= concurrency
        assert made.accepted + sum(not made.is_free(w) for w in made.flying) <= want
    patient = one_by_one(Catalog(outcomes, page), want)
    assert catalog.accepted == patient.accepted
    assert sorted(catalog.fetched) == patient.fetched  # nothing in vain
    # The end of the source is only known by asking once more.
    assert catalog.pages <= patient.pages
    for position in range(1, max(patient.accepted, default=0) + 1):
        assert position in catalog.settled  # every earlier work has its verdict


@settings(max_examples=100, deadline=None)
@given(data=st.data(), outcomes=works, concurrency=st.integers(1, 6), load=st.integers(1, 5))
def test_without_a_target_every_work_gets_its_verdict(
    data: st.DataObject, outcomes: list[tuple[str, str | None]], concurrency: int, load: int
) -> None:
    catalog = Catalog(outcomes, 3)
    made = Frontier(want=None, concurrency=concurrency, per_host=1)
    for _ in _steps(data, made, catalog, load):
        assert made.in_flight <= concurrency
    assert len(catalog.settled) == len(outcomes)
    assert sorted(catalog.fetched) == one_by_one(Catalog(outcomes, 3), None).fetched


def _steps(data: st.DataObject, made: Frontier, catalog: Catalog, load: int) -> Iterator[None]:
    """Drive a frontier as the engine does, one random completion at a time, until it is done."""
    exhausted = False
    for _ in range(10_000):
        while made.needs_loading:
            loaded = catalog.unsettled(made.loaded, load)
            made.add(loaded)
            if len(loaded) < load:
                made.all_loaded()
        while made.next() is not None:
            yield
        yield
        wants_page = not exhausted and made.needs_listing(low_water=5)
        if not made.flying and (made.reached or (made.idle and not wants_page)):
            return
        if wants_page and (not made.flying or data.draw(st.booleans(), "list now")):
            new = catalog.list_page()
            exhausted = new == 0
            made.pending += new
            continue
        landing = data.draw(st.sampled_from(made.flying), "lands")
        state = catalog.settle(landing.position)
        made.pending -= 1
        made.accepted += state == "accept"
        made.landed(landing, accepted=state == "accept")
    raise AssertionError("it never ends")


def test_what_a_person_wants_needs_no_place_in_the_target() -> None:
    made = frontier(*map(work, range(1, 6)), want=2)
    assert take(made) == [1, 2]
    made.ask([work(4), work(9)])
    made.ask([work(4), work(1)])  # told twice, and on its way already
    assert take(made) == [4, 9]
    for position in (1, 2, 4):
        land(made, position, accepted=True)
    assert not made.reached
    land(made, 9, accepted=True)
    assert made.reached
    assert take(made) == []


def test_a_target_is_not_met_while_a_work_that_a_person_wants_waits() -> None:
    made = frontier(work(1), want=1, concurrency=1)
    assert take(made) == [1]
    land(made, 1, accepted=True)
    made.ask([work(2)])
    assert not made.reached
    assert not made.idle
    assert take(made) == [2]


def test_a_twin_that_a_person_wants_needs_no_place_after_its_twin_failed() -> None:
    one, two = work(1, md5="same"), work(2, md5="same")
    made = frontier(want=0)
    made.pending = 2
    made.ask((one, two))
    assert take(made) == [1]
    land(made, 1, accepted=False)
    assert not made.reached
    assert take(made) == [2]
    land(made, 2, accepted=True)
    assert made.reached


def test_a_follower_that_a_person_wants_does_not_wait_for_its_leader() -> None:
    same = [work(n, md5="same") for n in (1, 2, 3)]
    made = frontier(*same, want=1)
    made.pending = 4
    assert take(made) == [1]
    land(made, 1, accepted=False)
    made.accepted = 1  # by a person meanwhile: 2 has no place, and 3 waits for it
    assert take(made) == []
    made.ask((same[2],))
    assert take(made) == [3]
    made.accepted = 0
    land(made, 3, accepted=False)
    assert take(made) == [2]
    land(made, 2, accepted=False)
    assert take(made) == []  # each was started once
