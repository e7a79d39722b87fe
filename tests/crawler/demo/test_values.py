"""Values of metatags, row by row of the site's grammar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.demo.values import Kind, ValueSyntaxError, matcher

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@given(
    st.text(alphabet="0123456789.,<>= kmMB:/any-Ty", max_size=20), st.sampled_from(get_args(Kind))
)
def test_any_value_is_read_or_is_a_syntax_error(text: str, kind: Kind) -> None:
    sample: Any = {"md5": "0" * 32, "word": "jpg", "date": NOW, "age": NOW}.get(kind, 5)
    try:
        matches = matcher(text, kind, NOW)
    except ValueSyntaxError:
        return
    assert matches(sample) in (True, False)
    assert matches(None) in (True, False)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("5", [5], [4, 6]),
        ("5..7", [5, 6, 7], [4, 8]),
        ("7..5", [5, 6, 7], [4, 8]),
        ("5...7", [5, 6], [4, 7]),
        (">=5", [5, 6], [4]),
        (">5", [6], [5]),
        ("<=5", [5, 4], [6]),
        ("<5", [4], [5]),
        ("..5", [4, 5], [6]),
        ("5..", [5, 6], [4]),
        ("5,7", [5, 7], [6]),
        ("1,>5", [1, 6], [2, 5]),
        ("any", [0, 5], [None]),
        ("none", [None], [5]),
    ],
)
def test_integers(text: str, inside: list[int | None], outside: list[int | None]) -> None:
    matches = matcher(text, "integer", NOW)
    assert [value for value in inside if not matches(value)] == []
    assert [value for value in outside if matches(value)] == []


@pytest.mark.parametrize(
    ("kind", "text", "inside", "outside"),
    [
        ("float", "2", [1.9, 2.1], [1.89, 2.11]),
        ("float", ">=2", [2.0], [1.99]),
        ("filesize", "100k", [102_400, 97_300, 107_500], [97_200, 107_600]),
        ("filesize", "1M", [1_048_576], [900_000]),
        ("filesize", "1000", [1000], [1001]),
        ("filesize", ">1.5M", [1_572_865], [1_572_864]),
        ("ratio", "16:9", [1.78], [1.77]),
        ("ratio", ">=3:2", [1.5], [1.49]),
        ("word", "jpg,PNG", ["jpg", "png"], ["gif"]),
        ("md5", "A" * 32, ["a" * 32], ["b" * 32]),
    ],
)
def test_units_and_tolerance(kind: Kind, text: str, inside: list[Any], outside: list[Any]) -> None:
    matches = matcher(text, kind, NOW)
    assert all(matches(value) for value in inside)
    assert not any(matches(value) for value in outside)


def test_a_date_is_the_whole_day_by_the_clock_of_the_site() -> None:
    matches = matcher("2026-05-01", "date", NOW)
    assert matches(datetime.fromisoformat("2026-05-01T00:00:00-04:00"))
    assert matches(datetime.fromisoformat("2026-05-01T23:59:59-04:00"))
    assert not matches(datetime.fromisoformat("2026-05-02T00:00:00-04:00"))


def test_younger_than_a_week_is_later_than_a_week_ago() -> None:
    young = matcher("<1w", "age", NOW)
    assert young(NOW - timedelta(days=6))
    assert not young(NOW - timedelta(days=8))


@pytest.mark.parametrize(("kind", "text"), [("integer", "x"), ("md5", "xyz"), ("filesize", "1T")])
def test_nonsense_is_a_syntax_error(kind: Kind, text: str) -> None:
    with pytest.raises(ValueSyntaxError):
        matcher(text, kind, NOW)
