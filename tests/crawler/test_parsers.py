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


@pytest.mark.parametrize(
    "given",
    [
        "Mozilla/5.0",
        "Mozilla/5.0 me@example.org",
        "me@example.org; Mozilla",
        "AppleWebKit/537.36",
        "KHTML, like Gecko",
        "me Chrome/120.0.0.0",
        "HeadlessChrome/120",
        "Safari/605.1",
        "Safari 17",
        "Gecko/20100101 Firefox/121.0",
        "Edg/120",
        "curl/8.5.0",
        "Wget/1.21",
        "python-requests/2.31",
        "Googlebot/2.1",
    ],
)
def test_a_contact_does_not_pose_as_another_client(given: str) -> None:
    with pytest.raises(ValueError, match="does not pose as a browser"):
        parsers.parse_contact(given)


@pytest.mark.parametrize(
    "given",
    [
        "me@mozilla.org",
        "https://www.mozilla.org/people/me",
        "https://github.com/chromium/chromium",
        "safari@example.org",
        "firefox_fan_12 at danbooru",
        "user 4711",
        "gecko",
        "my-set-bot/1.0 https://example.org",
        "",
    ],
)
def test_a_contact_may_name_who_one_is(given: str) -> None:
    assert parsers.parse_contact(given) == given


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://p.example:3128", "http://p.example:3128"),
        ("http://p.example:3128/", "http://p.example:3128"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("", ""),
    ],
)
def test_proxies(given: str, url: str) -> None:
    assert parsers.parse_proxy(given) == url


@pytest.mark.parametrize("given", ["socks5://p.example:1080", "SOCKS4://p", "socks5h://u:p@h:1"])
def test_a_socks_proxy_is_refused_by_name(given: str) -> None:
    with pytest.raises(ValueError, match="HTTP proxy: SOCKS is not supported"):
        parsers.parse_proxy(given)


@pytest.mark.parametrize(
    "given",
    [
        *("p.example:3128", "http://", "http://p.example/x", "https://p.example:3128", "ftp://p"),
        *("http://u@p.example", "http://:pw@p.example", "http://@p.example", "http://p:0"),
        *("http://p:99999", "http://p: 80", "http://p\n.example", "http://[p", 3128, None, ["x"]),
    ],
)
def test_what_is_no_proxy(given: object) -> None:
    with pytest.raises(ValueError, match="takes http://host:port, without login or path"):
        parsers.parse_proxy(given)


@given(st.text(), st.sampled_from([parsers.parse_proxy, parsers.parse_base_url]))
def test_any_text_is_a_bare_url_or_an_error_that_does_not_repeat_it(
    text: str, parse: parsers.Parser
) -> None:
    given = f"http://me:canary{text}"
    with pytest.raises(ValueError, match=r"^takes ") as error:
        parse(f"{given}@p.example")
    assert "canary" not in str(error.value)
    with contextlib.suppress(ValueError):
        assert "@" not in parse(given).partition("://")[2].partition("/")[0]


@pytest.mark.parametrize("given", [0, 1, "0.5", 0.25])
def test_a_number_in_a_range(given: object) -> None:
    assert parsers.number_from(0, 1)(given) == float(str(given))


@pytest.mark.parametrize("given", [True, "x", None, -0.1, 1.5, "nan", "inf"])
def test_a_number_out_of_a_range(given: object) -> None:
    with pytest.raises(ValueError, match="takes a number from 0 to 1"):
        parsers.number_from(0, 1)(given)


@pytest.mark.parametrize("given", ["inf", "-1", "nan"])
def test_a_number_without_an_end_is_finite(given: str) -> None:
    with pytest.raises(ValueError, match="takes a number from 0 up"):
        parsers.number_from(0)(given)


def test_one_of_a_few_words() -> None:
    read = parsers.one_of("aiohttp", "httpx")
    assert read("httpx") == "httpx"
    for wrong in ("HTTPX", "", None, 3):
        with pytest.raises(ValueError, match="takes aiohttp or httpx"):
            read(wrong)
