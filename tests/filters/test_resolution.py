from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filters.picture import Picture
from filters.policy import PolicyError
from filters.resolution import Resolution
from tests.filters.support import Work, drawing, encode, judge

FILTER = Resolution()
POLICY = judge().policy()
sides = st.integers(1, 30_000)


def reason(width: int | None, height: int | None, **options: int) -> str | None:
    policy = judge().policy({"resolution": options})
    rejection = FILTER.prescreen(Work(width=width, height=height), policy)
    return rejection.reason if rejection else None


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (768, 1200, None),
        (1300, 700, "too_small"),
        (1200, 767, "too_small"),
        (767, None, "too_small"),
        (768, 1000, "too_few_pixels"),
        (10_000, 10_000, None),
        (10_000, 10_001, "too_many_pixels"),
        (None, None, None),
        (None, 900, None),
        (0, 0, None),
    ],
)
def test_claimed_sizes_are_judged_before_the_download(
    width: int | None, height: int | None, expected: str | None
) -> None:
    assert reason(width, height) == expected


def test_the_options_are_the_thresholds() -> None:
    assert reason(500, 500, min_side=400, min_pixels=250_000) is None
    assert reason(500, 499, min_side=400, min_pixels=250_000) == "too_few_pixels"
    assert reason(2000, 2000, max_pixels=3_999_999) == "too_many_pixels"
    with pytest.raises(PolicyError, match="at least 1"):
        reason(1, 1, min_side=0)


def test_what_was_decoded_outweighs_what_was_claimed() -> None:
    filters = judge()
    measures = {"resolution": {"version": 1, "side": 2000, "pixels": 4_000_000}}
    small, large = Work(width=100, height=100), Work(width=4000, height=4000)
    assert filters.prescreen(small, POLICY) is not None
    assert filters.verdict(small, measures, POLICY) is None
    thumbnail = {"resolution": {"version": 1, "side": 200, "pixels": 40_000}}
    rejection = filters.verdict(large, thumbnail, POLICY)
    assert rejection is not None
    assert (rejection.reason, rejection.measured, rejection.threshold) == ("too_small", 200, 768)


def test_an_allowed_reason_does_not_hide_the_next() -> None:
    filters = judge()
    policy = filters.policy({"allow": ["too_small"]})
    rejection = filters.prescreen(Work(width=700, height=700), policy)
    assert rejection is not None
    assert rejection.reason == "too_few_pixels"


def test_sizes_are_measured_as_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Picture.open(encode(drawing(160, 120), "JPEG", exif=exif))
    assert FILTER.measure(picture) == {
        "width": 120,
        "height": 160,
        "side": 120,
        "pixels": 19200,
    }


@given(sides, sides)
def test_turning_a_picture_changes_nothing(width: int, height: int) -> None:
    assert reason(width, height) == reason(height, width)


@given(sides, sides)
def test_claims_and_measures_of_one_size_are_judged_alike(width: int, height: int) -> None:
    claims = Work(width=width, height=height)
    decoded = {"side": min(width, height), "pixels": width * height}
    measured = FILTER.judge(Work(), decoded, POLICY)
    assert FILTER.prescreen(claims, POLICY) == measured
