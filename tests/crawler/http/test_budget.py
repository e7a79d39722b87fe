"""The retry budget: second tries stay a share of the requests, and none waits for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.http.budget import WINDOW, Budget

steps = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 20)), max_size=30)


def test_the_floor_is_there_for_hosts_that_are_asked_for_little() -> None:
    budget = Budget(0.1, 3.0)
    assert [budget.take(10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert budget.take(15.0) == 10.0 + WINDOW - 15.0
    assert budget.take(10.0 + WINDOW) == 0.0


def test_requests_free_second_tries() -> None:
    budget = Budget(0.5, 0.0)
    assert budget.take(0.0) == 0.0
    assert budget.take(1.0) > 0
    for _ in range(4):
        budget.request(1.0)
    assert budget.take(1.0) == 0.0
    assert budget.take(1.0) > 0


def test_requests_of_the_last_minute_count_no_more() -> None:
    budget = Budget(0.5, 0.0)
    for _ in range(10):
        budget.request(0.0)
    assert [budget.take(WINDOW - 1.0) == 0.0 for _ in range(6)] == [True] * 5 + [False]
    assert budget.take(WINDOW) > 0


def test_what_the_host_itself_asked_for_uses_the_budget_up_and_never_waits() -> None:
    budget = Budget(0.0, 2.0)
    for _ in range(5):
        budget.note(0.0)
    assert budget.take(1.0) == WINDOW - 1.0


@given(steps, st.floats(0, 1), st.floats(0, 10))
def test_no_minute_holds_more_second_tries_than_allowed(
    plan: list[tuple[float, int]], share: float, floor: float
) -> None:
    budget, now = Budget(share, floor), 0.0
    requests: list[float] = []
    second: list[float] = []
    for wait, count in plan:
        now += wait
        for _ in range(count):
            requests.append(now)
            budget.request(now)
            if budget.take(now) == 0.0:
                second.append(now)
                recent = sum(at > now - WINDOW for at in requests)
                used = sum(at > now - WINDOW for at in second)
                assert used <= max(1.0, share * recent + floor)


@given(st.floats(0, 1), st.floats(0, 3), st.integers(0, 20))
def test_who_waits_as_told_gets_a_second_try(share: float, floor: float, taken: int) -> None:
    budget, now = Budget(share, floor), 0.0
    for _ in range(taken):
        budget.note(now)
    for _ in range(taken + 1):
        if not (wait := budget.take(now)):
            return
        now += wait
    raise AssertionError("it waits for ever")
