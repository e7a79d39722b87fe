"""What of a picture's URL is handed on in reports and exports: no login, key or signature."""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(?<=://)[^/?#]*@")
_SECRET = re.compile(
    r"auth|credential|expires|hmac|key|login|passw|policy|secret|session|sig|token|user|^x-amz",
    re.IGNORECASE,
)
"""Names of parameters that a link is signed with, or that say who asks."""


def public_url(url: str) -> str:
    """The URL without its user part, and without the parameters that open it to whoever has it.

    Everything else of the query stays: with many sites it says which picture is meant.
    """
    head, question, query = _LOGIN.sub("", url).partition("?")
    if not question:
        return head
    query, number, fragment = query.partition("#")
    kept = [
        part for part in query.split("&") if part and not _SECRET.search(part.partition("=")[0])
    ]
    return head + (question + "&".join(kept) if kept else "") + number + fragment
