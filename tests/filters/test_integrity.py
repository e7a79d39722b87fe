from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.integrity import Integrity
from filters.picture import Picture
from tests.filters.support import Work, drawing, encode, judge

POLICY = judge().policy()


def smaller(decoded: tuple[int, int], claimed: tuple[int | None, int | None]) -> bool:
    rejection = Integrity().judge(
        Work(width=claimed[0], height=claimed[1]),
        {"width": decoded[0], "height": decoded[1]},
        POLICY,
    )
    assert rejection is None or rejection.reason == "smaller_than_claimed"
    return rejection is not None


@pytest.mark.parametrize(
    ("decoded", "claimed", "expected"),
    [
        ((2000, 3000), (2000, 3000), False),
        ((850, 1275), (2000, 3000), True),
        ((2000, 2939), (2000, 3000), True),
        ((2000, 2941), (2000, 3000), False),
        ((3000, 2000), (2000, 3000), False),
        ((3000, 4500), (2000, 3000), False),
        ((500, 500), (None, 3000), False),
        ((500, 500), (0, 0), False),
    ],
)
def test_a_file_may_not_be_smaller_than_its_source_said(
    decoded: tuple[int, int], claimed: tuple[int | None, int | None], expected: bool
) -> None:
    assert smaller(decoded, claimed) is expected


def test_both_sizes_are_told() -> None:
    rejection = Integrity().judge(
        Work(width=2000, height=3000), {"width": 850, "height": 1275}, POLICY
    )
    assert rejection is not None
    assert (rejection.measured, rejection.threshold) == ("850x1275", "2000x3000")


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 9999))
def test_either_orientation_of_either_size_is_judged_alike(a: int, b: int, c: int, d: int) -> None:
    assert len({smaller(x, y) for x in ((a, b), (b, a)) for y in ((c, d), (d, c))}) == 1


def test_the_format_of_the_bytes_is_measured() -> None:
    picture = Picture.open(encode(drawing(), "WEBP"))
    assert Integrity().measure(picture) == {"width": 160, "height": 120, "format": "webp"}
