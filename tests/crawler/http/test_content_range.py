"""Content-Range: only what says exactly where it belongs is relied on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.content_range import parse_content_range

numbers = st.integers(0, 10**18 - 1)


@given(st.tuples(numbers, numbers, numbers).map(sorted))
def test_what_lies_in_the_file_is_taken_as_said(three: list[int]) -> None:
    start, end, total = three[0], three[1], three[2]
    expected = (start, end, total) if end < total else None
    assert parse_content_range(f"bytes {start}-{end}/{total}") == expected


@given(numbers, numbers, numbers)
def test_no_range_is_empty_or_outside_its_file(start: int, end: int, total: int) -> None:
    found = parse_content_range(f"bytes {start}-{end}/{total}")
    assert (found is not None) is (start <= end < total)


@pytest.mark.parametrize("value", ["Bytes 0-1/2", " bytes  0-1/2 ", "bytes 00-01/02"])
def test_case_space_and_zeros_do_not_matter(value: str) -> None:
    assert parse_content_range(value) == (0, 1, 2)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "bytes 0-1/*",
        "bytes */2",
        "bytes=0-1/2",
        "items 0-1/2",
        "bytes -1-1/2",
        "bytes +0-1/2",
        "bytes 0-1",
        "bytes 0 - 1 / 2",
        "bytes 0-1/2, bytes 0-1/2",
        "bytes 0-1/2x",
        "bytes ٠-١/٢",
        "bytes 0-1/" + "9" * 40,
    ],
)
def test_anything_else_says_nothing(value: str | None) -> None:
    assert parse_content_range(value) is None


@given(st.text("bytes 0123456789-/*,=", max_size=60) | st.text())
def test_no_header_breaks_the_parser(value: str) -> None:
    found = parse_content_range(value)
    assert found is None or 0 <= found[0] <= found[1] < found[2]
