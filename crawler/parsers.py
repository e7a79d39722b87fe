"""Reading single settings: sizes, times, switches, names, hosts.

Each reader takes what was written (text from a flag or variable, any TOML value from a file) and
raises ValueError with the end of a sentence: ``takes …``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from storage.query.fields import RATINGS

Parser: TypeAlias = Callable[[Any], Any]

_UNITS = MappingProxyType({"": 0, "k": 1, "m": 2, "g": 3, "t": 4})
_SECONDS = MappingProxyType({"d": 86400, "h": 3600, "m": 60, "s": 1})
_CLIENTS = (
    r"mozilla|applewebkit|khtml|gecko|(?:headless)?chrom(?:e|ium)|crios|safari|firefox|fxios"
    r"|edg(?:e|a|ios)?|opr|opera|msie|trident|curl|wget|python-requests|googlebot|bingbot|yandexbot|baiduspider"
)
_IMPERSONATION = re.compile(
    rf"(?<![\w@.-])(?:{_CLIENTS})[/ ]\s*v?\d"
    r"|(?<![\w@./-])(?:mozilla|applewebkit|khtml|like gecko)(?![\w@.-])",
    re.IGNORECASE,
)
"""Another client with its version, or the words every browser begins with. Mail addresses and URLs
may hold these names: somebody may well work at mozilla.org."""


LONGEST = 1_000 * 366 * 86_400
"""Seconds of the longest time that can be set."""


def parse_size(given: Any) -> int:
    """A count of bytes or pixels: ``20G`` and ``0.9M`` are decimal, ``1GiB`` is binary."""
    if type(given) is int and given >= 0:
        return given
    text = given if isinstance(given, str) else ""
    found = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*(?:([kmgt]?)(i?)b?)?", text.strip().lower())
    if found is None or (found[3] and not found[2]):
        raise ValueError("takes a size such as 20G, 0.9M, 1GiB or 1500")
    return int(Decimal(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2] or ""])


def parse_pixels(given: Any) -> int:
    """A side or a count of pixels, as :func:`parse_size` reads it."""
    try:
        return parse_size(given)
    except ValueError:
        raise ValueError("takes a size in pixels such as 768 or 0.9M") from None


def parse_count(given: Any) -> int:
    """How many of something: 1 or more."""
    text = str(given) if type(given) is int or isinstance(given, str) else ""
    if not re.fullmatch(r"0*[1-9][0-9]{0,17}", text.strip()):
        raise ValueError("takes a whole number from 1 up, such as 200")
    return int(text)


def parse_duration(given: Any) -> float:
    """Seconds: ``2h``, ``1h30m``, ``45s``, ``2d``, or a bare number."""
    seconds = _seconds(given)
    if seconds > LONGEST:
        raise ValueError("takes a time of at most a thousand years")
    return float(seconds)


def _seconds(given: Any) -> float | int:
    if type(given) in (int, float) and given >= 0:
        return given  # type: ignore[no-any-return]
    text = given.strip().lower() if isinstance(given, str) else ""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+d)?(\d+h)?(\d+m)?(\d+s)?", text) or not text:
        raise ValueError("takes a time such as 2h, 1h30m, 45s or a number of seconds")
    return sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)([dhms])", text))


def parse_switch(given: Any) -> bool:
    """True or false, or in text: yes no on off 1 0."""
    if isinstance(given, bool):
        return given
    word = given.lower() if isinstance(given, str) else ""
    if word not in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        raise ValueError("takes true or false")
    return word in ("true", "yes", "on", "1")


def parse_names(given: Any) -> tuple[str, ...]:
    """Names: a TOML list, or text with commas."""
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    if isinstance(given, (list, tuple)) and all(isinstance(part, str) for part in given):
        return tuple(given)
    raise ValueError("takes names with commas between them")


def parse_ratings(given: Any) -> tuple[str, ...]:
    """Ratings by letter or by name, as the letters ``g s q e``."""
    names = [name.lower() for name in parse_names(given)]
    if not names or not {*names} <= {*RATINGS, *RATINGS.values()}:
        raise ValueError(f"takes ratings of {','.join(RATINGS.values())} or {','.join(RATINGS)}")
    return tuple(dict.fromkeys(RATINGS.get(name, name) for name in names))


def whole_number(low: int, high: int) -> Parser:
    """A reader of whole numbers in a range, both ends included."""

    def read(given: Any) -> int:
        text = str(given) if type(given) is int or isinstance(given, str) else ""
        if not re.fullmatch(r"\d+", text) or not low <= int(text) <= high:
            raise ValueError(f"takes a whole number from {low} to {high}")
        return int(text)

    return read


def number_above(above: float) -> Parser:
    """A reader of finite numbers above a bound."""

    def read(given: Any) -> float:
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            raise ValueError("takes a number")
        try:
            value = float(given)
        except ValueError:
            raise ValueError("takes a number") from None
        if not above < value < float("inf"):
            raise ValueError(f"takes a number above {above:g}")
        return value

    return read


def number_from(low: float, high: float = float("inf")) -> Parser:
    """A reader of finite numbers in a range, both ends included."""
    said = f"from {low:g} up" if high == float("inf") else f"from {low:g} to {high:g}"

    def read(given: Any) -> float:
        if isinstance(given, bool) or not isinstance(given, (int, float, str)):
            raise ValueError(f"takes a number {said}")
        try:
            value = float(given)
        except ValueError:
            raise ValueError(f"takes a number {said}") from None
        if not (low <= value <= high and value < float("inf")):
            raise ValueError(f"takes a number {said}")
        return value

    return read


def one_of(*words: str) -> Parser:
    """A reader of one of a few words."""

    def read(given: Any) -> str:
        if given not in words:
            raise ValueError(f"takes {' or '.join(words)}")
        return str(given)

    return read


def parse_contact(given: Any) -> str:
    """Whom a site may write to: plain ASCII that fits a User-Agent's comment, and no disguise."""
    if isinstance(given, str) and _IMPERSONATION.search(given):
        raise ValueError(
            "takes your own mail address, URL or user id: trawl does not pose as a browser or as"
            " another client"
        )
    # It becomes a comment of the User-Agent header, which these characters would break.
    if not isinstance(given, str) or not re.fullmatch(r"[ -'*-\[\]-~]*", given):
        raise ValueError("takes a mail address, URL or user id in plain ASCII, without ( ) or \\")
    return given.strip()


def parse_hosts(given: Any) -> frozenset[str]:
    """``host:port`` names, lower case."""
    hosts = parse_names(given)
    for host in hosts:
        if not re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}", host):
            raise ValueError("takes host:port, such as 127.0.0.1:8080")
    return frozenset(host.lower() for host in hosts)


def parse_base_url(given: Any) -> str:
    """An http or https URL without login, query or trailing slash."""
    if not _is_bare_url(given):
        raise ValueError("takes an http or https URL without login, ? or #")
    return str(given).rstrip("/")


def parse_proxy(given: Any) -> str:
    """The URL of an HTTP proxy without a login; empty for none."""
    if given == "":
        return ""
    if isinstance(given, str) and given.lower().startswith("socks"):
        raise ValueError("takes the http://host:port of an HTTP proxy: SOCKS is not supported")
    # The way to the proxy is plain http; what passes through it may well be encrypted.
    plain = _is_bare_url(given) and urlsplit(given).scheme == "http"
    if not plain or urlsplit(given).path not in ("", "/"):
        raise ValueError("takes http://host:port, without login or path")
    return str(given).rstrip("/")


def _is_bare_url(given: Any) -> bool:
    if not isinstance(given, str) or not given.isprintable() or " " in given:
        return False
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:  # whose message repeats parts of the URL
        return False
    extra = "@" in parts.netloc or "?" in given or "#" in given
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not extra and port != 0
