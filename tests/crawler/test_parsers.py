"""Readers of flags: what they take, and what they say they take."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import parsers


@pytest.mark.parametrize(("given", "pixels"), [("768", 768), ("0.9M", 900_000), (512, 512)])
def test_pixels(given: object, pixels: int) -> None:
    assert parsers.parse_pixels(given) == pixels


@pytest.mark.parametrize("given", ["1024px", "", "-1", None])
def test_what_is_no_size_in_pixels(given: object) -> None:
    with pytest.raises(ValueError, match=r"takes a size in pixels such as 768 or 0\.9M"):
        parsers.parse_pixels(given)


@pytest.mark.parametrize(("given", "count"), [("1", 1), (" 200 ", 200), (7, 7), ("007", 7)])
def test_counts(given: object, count: int) -> None:
    assert parsers.parse_count(given) == count


@pytest.mark.parametrize("given", ["many", "0", "-1", "1.5", "", "٣", 0, True, None, "9" * 40])
def test_what_is_no_count(given: object) -> None:
    with pytest.raises(ValueError, match="takes a whole number from 1 up"):
        parsers.parse_count(given)


@pytest.mark.parametrize(
    ("given", "letters"),
    [
        ("g,s", ("g", "s")),
        ("general,Sensitive", ("g", "s")),
        ("explicit, q,e", ("e", "q")),
        (["questionable"], ("q",)),
    ],
)
def test_ratings_by_name_or_letter(given: object, letters: tuple[str, ...]) -> None:
    assert parsers.parse_ratings(given) == letters


@pytest.mark.parametrize("given", ["", ",", "safe", "g,x", 3])
def test_what_is_no_rating(given: object) -> None:
    with pytest.raises(ValueError, match="takes"):
        parsers.parse_ratings(given)


@given(st.text())
def test_any_text_is_ratings_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert set(parsers.parse_ratings(text)) <= set("gsqe")
