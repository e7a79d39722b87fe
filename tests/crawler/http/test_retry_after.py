"""Retry-After: what is obeyed, and what is nobody's wish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.retry_after import LONGEST, longest_retry_after, parse_retry_after

moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(st.integers(0, 10**30))
def test_whole_seconds_are_taken_as_said_up_to_ten_years(seconds: int) -> None:
    assert parse_retry_after(f" {seconds} ") == min(float(seconds), LONGEST)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("8.0", 8.0), ("1.5", 2.0), ("0.01", 1.0), ("0.0", 0.0), ("9" * 400 + ".5", LONGEST)],
)
def test_a_part_of_a_second_counts_as_a_whole_one(value: str, seconds: float) -> None:
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        (["8"], 8.0),
        (["8", "8"], 8.0),
        (["60", "120", "5"], 120.0),
        (["60, 120"], 120.0),
        (["soon", "30"], 30.0),
        (["30", "Wed, 21 Oct 2015 07:29:00 GMT"], 60.0),
        (["soon", "later"], None),
    ],
)
def test_of_several_lines_the_longest_counts(lines: list[str], seconds: float | None) -> None:
    headers = httpx.Headers([("Date", "Wed, 21 Oct 2015 07:28:00 GMT")])
    headers = httpx.Headers([*headers.multi_items(), *(("Retry-After", line) for line in lines)])
    assert longest_retry_after(headers) == seconds


@given(moments, st.integers(0, int(LONGEST)))
def test_a_date_counts_from_the_replys_own_clock(now: datetime, seconds: int) -> None:
    until = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(until, format_datetime(now, usegmt=True)) == seconds


@given(moments, st.integers(1, 10**8))
def test_a_date_in_the_past_says_nothing(now: datetime, seconds: int) -> None:
    until = format_datetime(now - timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(until, format_datetime(now, usegmt=True)) is None


def test_without_a_date_header_our_own_clock_counts() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    waited = parse_retry_after(until)
    assert waited is not None
    assert 95 <= waited <= 101


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "-5",
        "-1.5",
        "1.",
        ".5",
        "1.5.5",
        "soon",
        "١٢",
        "5 seconds",
        "nan",
        "1e3",
        "0x10",
        "²",
    ],
)
def test_garbage_says_nothing(value: str | None) -> None:
    assert parse_retry_after(value) is None


@given(st.text(), st.none() | st.text())
def test_no_header_breaks_the_parser(value: str, date: str | None) -> None:
    seconds = parse_retry_after(value, date)
    assert seconds is None or 0 <= seconds <= LONGEST


@given(
    st.text("0123456789 :,-+GMTUCJanFebDcWdSu", max_size=64),
    st.text("0123456789 :,-+GMTUCJanFebDcWdSu", max_size=64),
)
def test_nothing_that_looks_like_a_date_breaks_the_parser(value: str, date: str) -> None:
    seconds = parse_retry_after(value, date)
    assert seconds is None or 0 <= seconds <= LONGEST
