"""What replies say: challenges, wishes of owners, pages dressed up as pictures."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http import replies

HTML = {"content-type": "text/html; charset=UTF-8"}


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, HTML, b"<html>Sorry</html>"),
        (403, {}, b"  <!DOCTYPE html><title>Blocked</title>"),
        (403, {"cf-mitigated": "challenge"}, b""),
        (200, {"CF-Mitigated": "Challenge"}, b""),
        (200, HTML, b"<form id=captcha-form>"),
        (503, HTML, b"<title>Just a moment...</title>"),
        (429, HTML, b"<script src=/cdn-cgi/challenge-platform/x.js>"),
    ],
)
def test_challenge_pages_are_recognised(status: int, headers: dict[str, str], body: bytes) -> None:
    assert replies.is_challenge(status, httpx.Headers(headers), body)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (403, {"content-type": "application/json"}, b'{"error": "captcha"}'),
        (200, HTML, b"<html>Welcome</html>"),
        (404, HTML, b"<html>Not found. Contact us (captcha)</html>"),
        (200, {"content-type": "image/png"}, b"\x89PNG captcha"),
        (503, HTML, b"<h1>503 Service Unavailable</h1>"),
    ],
)
def test_ordinary_trouble_is_no_challenge(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    assert not replies.is_challenge(status, httpx.Headers(headers), body)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], None),
        (["nofollow, noarchive"], None),
        (["noai"], "noai"),
        (["NoImageAI"], "noai"),
        (["noindex, nofollow"], "noindex"),
        (["noimageindex"], "noindex"),
        (["None"], "noindex"),
        (["noindex", "nofollow, noai"], "noai"),
        (["trawl: noai"], "noai"),
        (["trawl: noindex"], "noindex"),
        (["*: noimageai"], "noai"),
        (["otherbot: noai"], None),
        (["otherbot: noindex, noai"], None),
        (["otherbot: noindex, trawl: noai"], "noai"),
        (["otherbot: noai, trawl: noimageindex"], "noindex"),
        (["noai, otherbot: nofollow"], "noai"),
        (["max-image-preview: none, nofollow"], None),
        (["max-image-preview: large, noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 GMT, noai"], "noai"),
        (["noaimless, noindexed"], None),
        (["unavailable_after: Sat, 25 Jun 2027 15:00:00 GMT, noai"], "noai"),
        (["unavailable_after: 2027-06-25T15:00:00+00:00, noindex"], "noindex"),
        (["max-image-preview=none"], None),
        (["max-image-preview: none, none"], "noindex"),
        (["nocache: 1, noai"], "noai"),
        (["noai;noimageai"], "noai"),
        (["noindex noai"], "noai"),
        (["nofollow:noai"], "noai"),
        (["robots: noai"], "noai"),
        (["https://example.org/policy: noai"], "noai"),
        (["trawl/0.1.0: noai"], "noai"),
        (["otherbot/2.0: nofollow, trawl/0.1.0 : noai"], "noai"),
        (["otherbot: trawl: noai"], "noai"),
        (["Other-Bot/2.0 : noai"], None),
        (["otherbot: noindex, nocache: 1, noai"], None),
        (["otherbot: noindex", "noai"], "noai"),
    ],
)
def test_owners_can_keep_files_out_of_sets(values: list[str], reason: str | None) -> None:
    headers = httpx.Headers([("X-Robots-Tag", value) for value in values])
    assert replies.keeps_out(headers) == reason


SAID = (
    *("nofollow", "max-snippet: 5", "max-image-preview: none", "nocache: 1", "notranslate", "all"),
    *("unavailable_after: Sat, 25 Jun 2027 15:00:00 GMT", "*: nofollow", "trawl/0.1.0: nofollow"),
    *("https://example.org/policy", "index", "", " ", "tdm-reservation: 1", "25: 00"),
)
"""What an owner may say besides, none of which names another crawler."""
said = st.lists(st.sampled_from(SAID), max_size=4)
marked = st.sampled_from(sorted(replies.KEPT_OUT))


@given(said, marked, said, st.sampled_from([",", ", ", ";", " ; ", ",\t"]), st.booleans())
def test_an_owners_word_counts_wherever_it_stands(
    before: list[str], word: str, after: list[str], between: str, loud: bool
) -> None:
    value = between.join([*before, word, *after])
    headers = httpx.Headers([("X-Robots-Tag", value.upper() if loud else value)])
    assert replies.keeps_out(headers) == replies.KEPT_OUT[word]


@given(said, st.sampled_from(["otherbot", "GPTBot", "Other-Bot/2.1", "google.extended"]), marked)
def test_what_is_said_to_another_crawler_is_not_said_to_us(
    before: list[str], name: str, word: str
) -> None:
    value = ", ".join([*before, f"{name}: {word}", "nofollow", word])
    assert replies.keeps_out(httpx.Headers([("X-Robots-Tag", value)])) is None


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=200))
def test_any_value_of_the_header_can_be_read(value: str) -> None:
    headers = httpx.Headers([(b"x-robots-tag", value.encode("latin-1"))])
    assert replies.keeps_out(headers) in (None, "noai", "noindex")


@pytest.mark.parametrize(
    ("value", "strong"),
    [
        ('"abc"', '"abc"'),
        (' "a b" ', '"a b"'),
        ('W/"abc"', None),
        ('w/"abc"', None),
        ("abc", None),
        ('""', None),
        ('"', None),
        ('"a"b"', None),
        ('"\xe9"', None),
        ("", None),
    ],
)
def test_only_a_strong_etag_promises_equal_bytes(value: str, strong: str | None) -> None:
    headers = httpx.Headers([(b"etag", value.encode("latin-1"))])
    assert replies.strong_etag(headers) == strong


@pytest.mark.parametrize(
    ("kind", "start", "text"),
    [
        ("image/png", b"\x89PNG\r\n\x1a\n\x00\x00", False),
        ("application/octet-stream", b"\xff\xd8\xff\xe0\x00\x10JFIF", False),
        ("text/plain", b"RIFF\x24\x00\x00\x00WEBP", False),
        ("", b"\x00\x00\x00 ftypavif", False),
        ("image/jpeg", b"\n <html>", True),
        ("image/jpeg", b'{"error": 1}', True),
        ("image/svg+xml", b"<svg>", True),
        ("text/html", b"\x89PNG", True),
        ("application/json", b"7", True),
        ("text/plain", b"Not found", True),
    ],
)
def test_text_is_told_from_pictures(kind: str, start: bytes, text: bool) -> None:
    assert replies.is_text(httpx.Headers({"content-type": kind}), start) is text


@pytest.mark.parametrize(
    ("value", "length"), [("0", 0), ("12", 12), ("", None), ("-1", None), ("x", None), ("²", None)]
)
def test_content_length(value: str, length: int | None) -> None:
    headers = httpx.Headers([(b"content-length", value.encode("utf-8"))])
    assert replies.length_of(headers) == length


def test_a_shown_url_holds_no_keys() -> None:
    url = httpx.URL("https://me:secret@example.org/a.png?api_key=secret#secret")
    assert replies.shown(url) == "https://example.org/a.png"
