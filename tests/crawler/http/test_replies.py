"""What replies say: challenges, wishes of owners, pages dressed up as pictures."""

from __future__ import annotations

import httpx
import pytest

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
    ],
)
def test_owners_can_keep_files_out_of_sets(values: list[str], reason: str | None) -> None:
    headers = httpx.Headers([("X-Robots-Tag", value) for value in values])
    assert replies.keeps_out(headers) == reason


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
