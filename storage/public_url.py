"""What of a picture's URL is handed on in reports and exports: no login, key or signature."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

_LOGIN = re.compile(r"((?:^|:)//)[^/?#]*@")
_SECRET = re.compile(
    r"auth|credential|expires|hmac|jwt|key|login|pass|policy|pwd|secret|session|sig|token|user"
    r"|^x-amz",
    re.IGNORECASE,
)
"""Names of parameters that a link is signed with, or that say who asks."""
_SIGNING = frozenset({"e", "ex", "h", "hm", "is", "st", "t"})
"""Short names of the same at file servers (Discord's, nginx's): only where they are all of it."""
_PARTS = re.compile(r"[&;]")
_PARTS_OF_FRAGMENT = re.compile(r"[&;?/!]")
_OF_PATH = re.compile(r";([^;/=]*)=[^;/]*")
_MOST_NESTED = 3
"""URLs in parameters of URLs that are looked into: whoever writes one may nest it as he likes."""
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


def public_url(url: str) -> str:
    """The URL without its user part, and without the parameters that open it to whoever has it.

    Everything else of the query stays: with many sites it says which picture is meant. A fragment
    stays unless one of its parameters is such a one.
    """
    return _public(url, _MOST_NESTED)


def _public(url: str, depth: int) -> str:
    base, number, fragment = _LOGIN.sub(r"\1", url).partition("#")
    head, question, query = base.partition("?")
    head = _OF_PATH.sub(lambda m: "" if _is_secret(m[1]) else m[0], head)
    kept = [part for part in _PARTS.split(query) if part and not _opens(part, depth)]
    if any("=" in part and _opens(part, depth) for part in _PARTS_OF_FRAGMENT.split(fragment)):
        number = fragment = ""
    return head + (question + "&".join(kept) if kept else "") + number + fragment


def public_urls(value: Any) -> Any:
    """Anything that JSON can hold, with every text in it that is a URL made public."""
    match value:
        case str():
            return public_url(value) if _URL.match(value) else value
        case dict():
            return {key: public_urls(inner) for key, inner in value.items()}
        case list() | tuple():
            return [public_urls(inner) for inner in value]
    return value


def _opens(parameter: str, depth: int) -> bool:
    """Whether a parameter is a secret, or a URL that has one."""
    name, _, value = parameter.partition("=")
    if _is_secret(name):
        return True
    inner = unquote_plus(value) if depth else ""
    return _URL.match(inner) is not None and _public(inner, depth - 1) != inner


def _is_secret(name: str) -> bool:
    name = unquote_plus(name).strip()
    return name.casefold() in _SIGNING or _SECRET.search(name) is not None
