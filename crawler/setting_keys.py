"""Which settings there are, and who reads the value of each: dotted key -> checked value."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crawler.errors import ConfigError, TrawlError
from crawler.parsers import (
    Parser,
    number_above,
    number_from,
    one_of,
    parse_base_url,
    parse_contact,
    parse_duration,
    parse_hosts,
    parse_names,
    parse_proxy,
    parse_size,
    whole_number,
)
from crawler.site import Net

SECRET_OPTIONS = frozenset({"login", "api_key"})
"""Options of a site that are kept as credentials, never as settings."""


@dataclass(frozen=True)
class Limits:
    """``[limits]``: what a run may use of this machine."""

    min_free: int | None = None
    """Bytes of disk that stay free. None: the smaller of 1 GiB and 5 % of the disk."""
    concurrency: int = 32
    """Files on their way at once, over all hosts."""


@dataclass(frozen=True)
class Storage:
    """``[storage]``: what the workspace keeps."""

    rejected_budget: int = 2_000_000_000
    """Bytes of rejected files that are kept, the oldest dropped first."""


def parse(key: str, given: Any, origin: str = "flag", folder: Path | None = None) -> Any:
    """The value of one dotted key, checked; files are named from ``folder``, else the current one.

    Raises ConfigError, which never repeats a text that was given: it may hold a secret.
    """
    parser = _parser(key, origin, folder)
    try:
        return parser(given)
    except ValueError as problem:
        message = f"{_named(key)} {problem}{_not(given)} ({origin})"
        # From None: what is behind the problem may repeat what was given, too.
        raise ConfigError(message, hint=_login_hint(key, given)) from None


def _adapter(given: Any) -> str:
    from crawler import plugins

    there = plugins.names(plugins.ADAPTERS)
    if given not in there:
        raise ValueError(f"takes the name of a source: {', '.join(there)}")
    return str(given)


def _fixed() -> dict[str, Parser]:
    """Key -> parser of the sections whose options are known, made from their dataclasses."""
    special: dict[str, Parser] = {
        "net.contact": parse_contact,
        "net.allow_hosts": parse_hosts,
        "net.min_rate": number_from(0),
        "net.attempts": whole_number(1, 100),
        "net.connections": whole_number(1, 1024),
        "net.transport": one_of("aiohttp", "httpx"),
        "net.proxy": parse_proxy,
        "net.retry_share": number_from(0, 1),
        "net.retry_floor": number_from(0),
        "net.breaker_after": whole_number(1, 1000),
        "net.breaker_patience": whole_number(1, 1000),
        "limits.concurrency": whole_number(1, 1024),
    }
    by_type: dict[str, Parser] = {"float": parse_duration}
    fixed: dict[str, Parser] = {"policy.allow": parse_names}
    for section, options in (("net", Net), ("limits", Limits), ("storage", Storage)):
        for option in dataclasses.fields(options):
            key = f"{section}.{option.name}"
            fixed[key] = special.get(key) or by_type.get(str(option.type), parse_size)
    return fixed


_FIXED: Mapping[str, Parser] = MappingProxyType(_fixed())
_SITE: Mapping[str, Parser] = MappingProxyType(
    {
        "adapter": _adapter,
        "base_url": parse_base_url,
        "rate": number_above(0),
        "connections": whole_number(1, 64),
    }
)


def _parser(key: str, origin: str, folder: Path | None) -> Parser:
    if key in _FIXED:
        return _FIXED[key]
    parts = key.split(".")
    if parts[0] == "sites" and len(parts) == 3:
        _, site, option = parts
        if option in SECRET_OPTIONS:
            raise ConfigError(
                f"{_named(key)} ({origin}): logins are never kept in a settings file",
                hint=f"keep it with `trawl auth set {_named(site)}`",
            )
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", site) and option in _SITE:
            return _SITE[option]
        raise _unknown(key, origin, (f"sites.{_named(site)}.{name}" for name in _SITE))
    if parts[0] == "policy" and len(parts) == 3:
        return lambda given: _filter_option(parts[1], parts[2], given, origin, folder)
    raise _unknown(key, origin, (*_FIXED, "sites.NAME.rate", "policy.FILTER.OPTION"))


def _unknown(key: str, origin: str, known: Iterable[str]) -> ConfigError:
    close = difflib.get_close_matches(key, list(known), n=3)
    return ConfigError(
        f"no setting called {_named(key)!r} ({origin})",
        hint=f"did you mean {', '.join(close)}?" if close else "`trawl config show` lists them",
    )


def _filter_option(name: str, option: str, given: Any, origin: str, folder: Path | None) -> Any:
    # Loaded only where a policy is set: filters bring the decoder and numpy.
    from crawler import plugins
    from filters.policy import Judge, PolicyError

    try:
        filter = plugins.load(plugins.FILTERS, name)
        value = plugins.option_value(name, filter.Options, option, given, folder)
        Judge([filter()]).policy({name: {option: value}})
    except (PolicyError, TrawlError) as problem:
        raise ConfigError(f"{_without(str(problem), given)} ({origin})") from None
    return value


def _named(key: str) -> str:
    """A key as far as it looks like one: what was mistaken for a key may be a secret."""
    found = re.match(r"[A-Za-z0-9_.-]{0,60}", key)
    name = found[0] if found else ""
    return name if name == key else f"{name}…"


def _not(given: Any) -> str:
    # A number helps to find the mistake; a text may be a login, a cookie or a key.
    return f", not {given!r}" if isinstance(given, (int, float)) else ""


def _login_hint(key: str, given: Any) -> str:
    if key.rpartition(".")[2] not in ("base_url", "proxy") or "@" not in str(given):
        return ""
    return f"keep the login with `trawl auth set {key.split('.')[1]}`, not in the URL"


def _without(text: str, given: Any) -> str:
    """The text without the words that were given, which it may repeat."""
    for word in [given] if isinstance(given, str) else given if isinstance(given, list) else ():
        text = text.replace(repr(word), "'…'")
    return text
