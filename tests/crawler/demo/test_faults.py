"""The plan of faults: declared, counted, seeded."""

from __future__ import annotations

import pytest

from crawler.demo.faults import FOR_EVER, Action, Course, Delay, Fault, Faults, Reset, Status
from crawler.demo.plans import PLANS


def played(course: Course, path: str, times: int, query: str = "") -> list[Action | None]:
    return [course.next(path, query, None)[1] for _ in range(times)]


def test_the_nth_request_of_each_url_meets_the_fault() -> None:
    error = Status(500)
    course = Course(Faults([Fault(error, match="/original/*", nth=2)]))
    assert played(course, "/original/a", 3) == [None, error, None]
    assert played(course, "/original/b", 3) == [None, error, None]
    assert played(course, "/posts.json", 2) == [None, None]


def test_several_times_in_a_row_and_for_ever() -> None:
    course = Course(
        Faults([Fault(Reset(), match="/a", nth=1, times=2), Fault(Delay(1), match="/b")])
    )
    assert played(course, "/a", 3) == [Reset(), Reset(), None]
    assert played(course, "/b", 3) == [Delay(1)] * 3


def test_a_fault_of_a_post_or_of_a_query() -> None:
    course = Course(Faults([Fault(Reset(), post=7), Fault(Status(500), query="*page=b*")]))
    assert course.next("/original/x", "", 7)[1] == Reset()
    assert course.next("/original/x", "", 8)[1] is None
    assert course.next("/posts.json", "tags=a&page=b5", None)[1] == Status(500)


def test_a_fault_of_requests_for_a_part() -> None:
    parts, wholes = Fault(Reset(), ranged=True), Fault(Delay(1), ranged=False)
    course = Course(Faults([parts, wholes]))
    assert course.next("/a", "", None, ranged=True)[1] == Reset()
    assert course.next("/a", "", None)[1] == Delay(1)


def test_from_a_request_on() -> None:
    course = Course(Faults([Fault(Reset(), nth=2, times=FOR_EVER)]))
    assert played(course, "/a", 4) == [None, Reset(), Reset(), Reset()]


@pytest.mark.parametrize("name", PLANS)
def test_named_plans_spare_most_requests(name: str) -> None:
    course = Course(PLANS[name])
    paths = [f"/original/{n}" for n in range(600)]
    met = [course.next(path, "", None)[1] for path in paths]
    assert 120 < sum(action is not None for action in met) < 300
    assert len({type(action) for action in met}) > 6


def test_the_first_fault_that_fits_is_played() -> None:
    course = Course(Faults([Fault(Reset(), nth=1), Fault(Status(500))]))
    assert played(course, "/a", 2) == [Reset(), Status(500)]


def test_chance_and_latency_depend_on_the_seed_alone() -> None:
    plan = Faults([Fault(Reset(), chance=0.5)], latency=(0.1, 0.9), seed=3)
    paths = [f"/{n}" for n in range(200)]
    one, other = Course(plan), Course(plan)
    forwards = {path: one.next(path, "", None) for path in paths}
    backwards = {path: other.next(path, "", None) for path in reversed(paths)}
    assert forwards == backwards
    assert 60 < sum(action is not None for _, action in forwards.values()) < 140
    assert all(0.1 <= wait <= 0.9 for wait, _ in forwards.values())
    assert len({wait for wait, _ in forwards.values()}) > 190
    third = Course(Faults(plan.faults, plan.latency, seed=4))
    assert {path: third.next(path, "", None) for path in paths} != forwards
