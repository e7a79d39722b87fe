"""Limits hold for the detail that is really there, whichever filter measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.base import BaseFilter, Bound, Rejection
from filters.borders import Box
from filters.effective import BOUNDS, REASONS, effective_measures, effective_size
from filters.policy import Judge, Policy
from filters.resolution import Resolution
from tests.filters.support import Work

factors = st.one_of(st.none(), st.floats(0.5, 64))
sides = st.integers(1, 30_000)


class Detail(BaseFilter):
    """Says of effective sizes what the limits of ``resolution`` say of pixel counts."""

    name: ClassVar[str] = "detail"
    order: ClassVar[int] = 45
    reasons: ClassVar[Mapping[str, str]] = REASONS
    bounds: ClassVar[tuple[Bound, ...]] = BOUNDS


JUDGE = Judge([Resolution(), Detail()])


def rejection(policy: Policy, *, content: Box, factor: float | None) -> Rejection | None:
    measures = {
        "resolution": {"version": 1, "side": 3000, "pixels": 9_000_000},
        "detail": {"version": 1, **effective_measures(content, factor)},
    }
    return JUDGE.verdict(Work(), measures, policy)


def test_what_was_upscaled_is_as_large_as_it_was_before() -> None:
    assert effective_size(Box(0, 0, 3000, 2000), 2.5) == (1200, 800)


def test_borders_do_not_count_and_are_upscaled_with_the_rest() -> None:
    assert effective_size(Box(0, 300, 3000, 1700), 2.0) == (1500, 700)


@pytest.mark.parametrize("factor", [None, 1.0, 0.5])
def test_what_was_not_upscaled_is_as_large_as_it_is(factor: float | None) -> None:
    assert effective_size(Box(0, 0, 640, 480), factor) == (640, 480)


@given(sides, sides, factors)
def test_an_effective_size_is_a_size_and_never_a_larger_one(
    width: int, height: int, factor: float | None
) -> None:
    found = effective_size(Box(5, 7, 5 + width, 7 + height), factor)
    assert 1 <= found[0] <= width
    assert 1 <= found[1] <= height


def test_the_side_is_the_shorter_one() -> None:
    assert effective_measures(Box(0, 0, 900, 1600), 2) == {
        "effective_width": 450,
        "effective_height": 800,
        "effective_side": 450,
        "effective_pixels": 360_000,
    }


# -- one limit, two measures ----------------------------------------------------------------------


def asked(**options: Any) -> Policy:
    allow = options.pop("allow", ())
    return JUDGE.policy({"resolution": {"min_pixels": 1, **options}, "allow": allow})


def test_an_effective_side_is_held_against_the_limit_of_sides() -> None:
    content = Box(0, 0, 3000, 3000)
    found = rejection(asked(min_side=1024), content=content, factor=3)
    assert found == Rejection("fake_side", 1000, 1024, by="detail")
    assert rejection(asked(min_side=1000), content=content, factor=3) is None


def test_effective_pixels_are_held_against_the_limit_of_pixels() -> None:
    content = Box(0, 0, 3000, 3000)
    found = rejection(asked(min_side=1, min_pixels=1_000_001), content=content, factor=3)
    assert found == Rejection("fake_pixels", 1_000_000, 1_000_001, by="detail")


@pytest.mark.parametrize("allowed", ["fake_side", "too_small"])
def test_whoever_allows_small_pictures_allows_little_detail(allowed: str) -> None:
    policy = asked(min_side=1024, allow=[allowed])
    assert rejection(policy, content=Box(0, 0, 3000, 3000), factor=3) is None


def test_another_allowance_leaves_the_limit() -> None:
    policy = asked(min_side=1024, allow=["too_few_pixels"])
    found = rejection(policy, content=Box(0, 0, 3000, 3000), factor=3)
    assert found is not None


def test_a_limit_of_a_filter_that_nobody_has_asks_for_nothing() -> None:
    alone = Judge([Detail()])
    measures = {"detail": {"version": 1, **effective_measures(Box(0, 0, 4, 4), None)}}
    assert alone.verdict(Work(), measures, alone.policy()) is None


def test_an_option_that_does_not_exist_is_a_fault_of_the_filter() -> None:
    bound = Bound("fake_side", "effective_side", "min_sdie", section="resolution")
    with pytest.raises(AttributeError, match="min_sdie"):
        bound.limit(asked(), "detail")
