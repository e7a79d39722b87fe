"""Headers of strangers: whatever they hold, what is read of them is usable or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
from hypothesis import given
from hypothesis import strategies as st

from crawler.http import replies
from crawler.http.content_range import parse_content_range
from crawler.http.retry_after import LONGEST, parse_retry_after

# What a header's value can hold on the wire: HTTP libraries read it as Latin-1.
values = st.text(st.characters(codec="latin-1", exclude_characters="\0\r\n"), max_size=300)
digits = st.text("0123456789+-.eE_ \u00b2\u0661", max_size=400)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
zones = st.sampled_from(["GMT", "UTC", "+0000", "-0000", "+9959", "-2399", "EST", "XYZ", "", "+99"])
dates = st.builds(
    "{}, {:02} {} {} {:02}:{:02}:{:02} {}".format,
    st.sampled_from(["Mon", "Sun", "Sunday", "Xxx", ""]),
    st.integers(-1, 40),
    st.sampled_from(["Jan", "Dec", "Feb", "feb", "Foo", "13", ""]),
    st.integers(-1, 10**6),
    st.integers(-1, 30),
    st.integers(-1, 70),
    st.integers(-1, 70),
    zones,
)
retries = values | digits | dates


@given(retries, st.none() | retries)
def test_a_wait_is_never_negative_nor_beyond_the_cap(value: str, date: str | None) -> None:
    seconds = parse_retry_after(value, date)
    assert seconds is None or 0 <= seconds <= LONGEST


@given(moments, moments)
def test_a_wait_until_any_date_counts_from_any_other(now: datetime, until: datetime) -> None:
    said = parse_retry_after(format_datetime(until, usegmt=True), format_datetime(now, usegmt=True))
    seconds = (until.replace(microsecond=0) - now.replace(microsecond=0)) / timedelta(seconds=1)
    if now.year < 1000 or until.year < 1000:  # mail readers take such years for others
        return
    assert said == (min(seconds, LONGEST) if seconds >= 0 else None)


@given(digits | values | st.builds("bytes {}-{}/{}".format, digits, digits, digits | st.just("*")))
def test_a_content_range_lies_in_its_file_or_says_nothing(value: str) -> None:
    found = parse_content_range(value)
    if found is not None:
        start, end, total = found
        assert 0 <= start <= end < total


@given(st.lists(st.tuples(st.sampled_from(["content-type", "x-robots-tag"]), values)), st.binary())
def test_any_headers_and_bytes_can_be_judged(headers: list[tuple[str, str]], body: bytes) -> None:
    given_headers = httpx.Headers([(name, value.encode("latin-1")) for name, value in headers])
    for status in (200, 403, 429, 503):
        replies.is_challenge(status, given_headers, body)
    replies.is_text(given_headers, body)
    replies.is_encoded(given_headers)
    replies.length_of(given_headers)
    reason = replies.keeps_out(given_headers)
    assert reason is None or reason in replies.KEPT_OUT.values()


spaces = st.sampled_from(["", " ", "  ", "\t"])
cased = st.sampled_from(["noai", "NOAI", "NoImageAI", "noimageai"])


@given(
    st.lists(st.sampled_from(["all", "max-snippet: 20", "unavailable_after: 2 Jan 2030"])),
    cased,
    spaces,
    spaces,
    st.sampled_from(["", "trawl:", "*:", "Trawl :"]),
)
def test_who_keeps_files_out_is_heard_wherever_the_word_stands(
    others: list[str], word: str, before: str, after: str, name: str
) -> None:
    said = ",".join([*others, f"{before}{name}{before}{word}{after}", *others])
    assert replies.keeps_out(httpx.Headers({"x-robots-tag": said})) == "noai"


@given(st.sampled_from([b"captcha", b"just a moment...", b"DDoS-Guard"]), st.text(max_size=200))
def test_a_challenge_is_seen_whatever_stands_around_it(marker: bytes, text: str) -> None:
    around = text.encode("utf-8", "replace")
    html = httpx.Headers({"content-type": "text/html; charset=utf-8"})
    assert replies.is_challenge(200, html, around + marker + around)
    assert not replies.is_challenge(200, httpx.Headers({"content-type": "image/png"}), marker)
