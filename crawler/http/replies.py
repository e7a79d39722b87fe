"""What a reply says of itself and of us: pure functions of status, headers and first bytes."""

from __future__ import annotations

import re

import httpx

MARKERS = (
    b"captcha",
    b"cf-chl",
    b"challenge-platform",
    b"just a moment...",
    b"checking your browser",
    b"ddos-guard",
)
"""Words of challenge pages, lower case; none of them is ever answered, only recognised."""

KEPT_OUT = {
    "noai": "noai",
    "noimageai": "noai",
    "noindex": "noindex",
    "noimageindex": "noindex",
    "none": "noindex",
}
"""Directives of ``X-Robots-Tag`` by which an owner keeps a file out, and our reason for each."""

_WORD = re.compile(rf"\b(?:{'|'.join(KEPT_OUT)})\b")
_NO_PREVIEW = re.compile(r"\bmax-[a-z-]{1,20}\s*[:=]\s*none\b")
"""No more than this is asked of search engines; the file may be listed."""

_NAMED = re.compile(r"\s*([a-z][a-z0-9._-]*)(?:/[a-z0-9._+-]*)?\s*:(?!//)")
"""What may be a crawler's name, its version with it; a date or an address is none."""
_EVERYBODY = frozenset({"robots", "bots", "all", "index", "follow", "user-agent", "x-robots-tag"})
_DIRECTIVE = re.compile(r"no|max-|unavailable|indexif|tdm")
"""How directives begin, known and unknown. They name no crawler, whatever follows them."""

_STOP_STATUSES = frozenset({200, 403, 429, 503})


def media_type(headers: httpx.Headers) -> str:
    """The media type in lower case without parameters; empty where none is said."""
    kind: str = headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def is_html(headers: httpx.Headers, body: bytes = b"") -> bool:
    """Whether a reply is a page for people, by its header or by its first bytes."""
    start = body[:512].lstrip().lower()
    return media_type(headers) in ("text/html", "application/xhtml+xml") or start.startswith(
        (b"<!doctype html", b"<html")
    )


def is_challenge(status: int, headers: httpx.Headers, body: bytes = b"") -> bool:
    """Whether this is a challenge, captcha or block page: a stop sign, whatever the status."""
    if headers.get("cf-mitigated", "").strip().lower() == "challenge":
        return True
    if not is_html(headers, body):
        return False
    if status == 403:
        return True
    return status in _STOP_STATUSES and any(marker in body.lower() for marker in MARKERS)


def keeps_out(headers: httpx.Headers) -> str | None:
    """The reason by which ``X-Robots-Tag`` keeps a file out of sets like ours, or None.

    ``noai`` or ``noindex``, said to everybody or to us by name; noai where both are said. Owners
    write this header in many ways: their word counts wherever it stands, unless what comes before
    it names another crawler.
    """
    reasons: set[str] = set()
    for value in headers.get_list("x-robots-tag"):
        ours = True
        for part in re.split("[,;]", value.lower()):
            # A name holds for what follows it, up to the next name.
            if "trawl" in part or part.lstrip().startswith("*"):
                ours = True
            elif named := _NAMED.match(part):
                ours = ours if _DIRECTIVE.match(named[1]) else named[1] in _EVERYBODY
            if ours:
                reasons.update(KEPT_OUT[word] for word in _WORD.findall(_NO_PREVIEW.sub("", part)))
    return next((reason for reason in ("noai", "noindex") if reason in reasons), None)


def is_text(headers: httpx.Headers, start: bytes) -> bool:
    """Whether a body is a page, JSON or other text where a picture was asked for.

    ``start`` is the first bytes of the body: servers call error pages ``image/jpeg``, too.
    """
    kind = media_type(headers)
    if kind in ("text/html", "application/xhtml+xml", "application/json"):
        return True
    if kind.startswith("text/") and b"\0" not in start:
        return True
    return start[:512].lstrip()[:1] in (b"<", b"{", b"[")


def is_encoded(headers: httpx.Headers) -> bool:
    """Whether the body is compressed although we asked for it as it is."""
    return headers.get("content-encoding", "").strip().lower() not in ("", "identity")


def strong_etag(headers: httpx.Headers) -> str | None:
    """The ETag where it promises equal bytes for equal tags."""
    tag: str = headers.get("etag", "").strip()
    quoted = len(tag) > 2 and tag.isascii() and tag.isprintable() and tag[0] == tag[-1] == '"'
    return tag if quoted and '"' not in tag[1:-1] else None


def length_of(headers: httpx.Headers) -> int | None:
    """The Content-Length in bytes, or None where the reply does not say."""
    text = headers.get("content-length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def shown(url: httpx.URL) -> str:
    """A URL fit for messages and logs: no login, no query (which may hold keys or signatures)."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))
