"""A recipe from its TOML file: every key known, every number checked, contradictions told.

A source is a crawl (``from``, ``query`` and the options of the source), and how many places of the
set are its: ``share`` of the target, or ``min`` and ``max``. A source that names none of them fills
what the others leave.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from crawler import plugins
from crawler.errors import ConfigError, TrawlError
from crawler.parsers import (
    Parser,
    number_above,
    parse_count,
    parse_names,
    parse_ratings,
    whole_number,
)
from crawler.recipe.plan import Export, Quotas, Recipe, Source, places
from crawler.settings import parse as parse_setting
from storage.query.fields import RATINGS

LARGEST = 10_000_000
"""Pictures that a set has at most."""
_KEYS = ("target", "spare", "policy", "source", "quota", "export")
_SOURCE = ("name", "from", "query", "share", "min", "max", "policy")
_LETTERS = {**RATINGS, **{letter: letter for letter in RATINGS.values()}}


def read(path: Path) -> Recipe:
    """The recipe of a file. Paths in it are seen from its folder.

    Raises ConfigError, which names the file and the place in it.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path} is not text in UTF-8") from problem
    return read_text(text, path)


def read_text(text: str, path: Path) -> Recipe:
    """The recipe of a text that stands in ``path``. Raises ConfigError."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ConfigError(f"{path} is not TOML: {problem}") from problem
    try:
        return _recipe(table, path.absolute().parent)
    except TrawlError as problem:
        raise ConfigError(f"{path}: {problem.message}", hint=problem.hint) from problem


def _recipe(table: Mapping[str, Any], folder: Path) -> Recipe:
    _known("a recipe", table, _KEYS)
    if "target" not in table:
        raise ConfigError("target is missing: how many pictures the set is to have")
    target = _read("target", table["target"], whole_number(1, LARGEST))
    spare = _read("spare", table.get("spare", target), whole_number(0, LARGEST))
    given = table.get("source", [])
    if not isinstance(given, list) or not given or not all(isinstance(s, dict) for s in given):
        raise ConfigError("a recipe has one or more sources, each under [[source]]")
    policy = _policy(_table(table, "policy"))
    names = _names(given)
    counts = _counts(given, names, target)
    sources = tuple(
        _source(names[i], one, counts[i], policy, folder) for i, one in enumerate(given)
    )
    quotas = _quotas(_table(table, "quota"), target)
    export = _export(_table(table, "export"), folder) if "export" in table else None
    return Recipe(target, sources, quotas, spare, export)


# -- sources --------------------------------------------------------------------------------------


def _names(given: Sequence[Mapping[str, Any]]) -> list[str]:
    names: list[str] = []
    for number, one in enumerate(given, 1):
        name = one.get("name", one.get("from"))
        if not isinstance(name, str) or not re.fullmatch(r"[\w][\w .+-]{0,39}", name):
            raise ConfigError(
                f"source {number}: name takes up to 40 letters and digits; without one, from is it"
            )
        if name in names:
            raise ConfigError(f"two sources are called {name!r}", hint="give each a name")
        names.append(name)
    return names


def _counts(
    given: Sequence[Mapping[str, Any]], names: Sequence[str], target: int
) -> list[tuple[int, int]]:
    """Of each source, the places that are kept for it and the most it may fill."""
    shares = [_share(f"source {name}: share", one) for name, one in zip(names, given, strict=True)]
    if sum(share for share in shares if share is not None) > 1:
        raise ConfigError("the shares of the sources are together more than 1")
    shared = iter(places([share for share in shares if share is not None], target))
    counts: list[tuple[int, int]] = []
    for name, one, share in zip(names, given, shares, strict=True):
        where = f"source {name}"
        if share is not None:
            if "min" in one or "max" in one:
                raise ConfigError(f"{where}: share says how many; min and max say it again")
            counts.append((own := next(shared), own))
            continue
        least = _read(f"{where}: min", one.get("min", 0), whole_number(0, LARGEST))
        most = _read(f"{where}: max", one.get("max", target), whole_number(1, LARGEST))
        if least > most:
            raise ConfigError(f"{where}: min {least} is more than max {most}")
        counts.append((least, min(most, target)))
    kept, largest = sum(least for least, _ in counts), sum(most for _, most in counts)
    if kept > target:
        raise ConfigError(f"{kept} places are kept for the sources, and the target is {target}")
    if largest < target:
        raise ConfigError(
            f"the sources may give {largest} pictures together, and the target is {target}",
            hint="a source without share and max gives what the others do not",
        )
    return counts


def _source(
    name: str,
    one: Mapping[str, Any],
    counts: tuple[int, int],
    policy: Mapping[str, Any],
    folder: Path,
) -> Source:
    where = f"source {name}"
    try:
        if not isinstance(one.get("from"), str):
            raise ConfigError("from is missing: a source such as danbooru or folder")
        adapter = plugins.load(plugins.ADAPTERS, one["from"])
        fields = list(getattr(adapter.Options, "__dataclass_fields__", ()))
        _known("a source", one, (*_SOURCE, *fields))
        options = {
            key: plugins.option_value(one["from"], adapter.Options, key, _as_text(key, value))
            for key, value in one.items()
            if key not in _SOURCE
        }
        adapter(adapter.default_site, adapter.Options(**options))  # raises what it will not take
        words = _words(one.get("query"))
        if not adapter.default_site.base_url:  # the words of a local source are paths
            words = [str(folder / _path(word)) for word in words]
        own = _policy(_table(one, "policy"))
    except TrawlError as problem:
        raise ConfigError(f"{where}: {problem.message}", hint=problem.hint) from problem
    return Source(name, one["from"], tuple(words), *counts, options, _over(policy, own))


def _as_text(key: str, value: Any) -> str:
    """A value as a flag would have it: the options of plug-ins are read, and checked, from text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ",".join(value)
    raise ConfigError(f"{key} takes a text, a number, true, false or a list of texts")


def _words(query: Any) -> list[str]:
    """The words of a search: a list as it is, a text as a shell would split it."""
    words: Any = query
    if isinstance(query, str):
        try:
            words = shlex.split(query)
        except ValueError as problem:
            raise ConfigError(f"query: {problem}") from problem
    if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
        raise ConfigError("query is missing: words to search for, as a text or a list of texts")
    return words


def _policy(table: Mapping[str, Any]) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    for name, section in table.items():
        if name == "allow":
            policy["allow"] = parse_setting("policy.allow", section, "recipe")
        elif isinstance(section, dict):
            policy[name] = {option: _threshold(name, option, v) for option, v in section.items()}
        else:
            raise ConfigError(
                f"policy takes sections such as [policy.resolution], and {name!r} is none"
            )
    return policy


def _threshold(name: str, option: str, value: Any) -> Any:
    if (name, option) == ("content", "ratings"):  # by name or letter, as --rating takes them
        value = list(_read("policy.content.ratings", value, parse_ratings))
    return parse_setting(f"policy.{name}.{option}", value, "recipe")


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One policy over another: options one by one, the allowed reasons together."""
    out: dict[str, Any] = {
        name: {**below.get(name, {}), **above.get(name, {})}
        for name in sorted({*below, *above} - {"allow"})
    }
    if allow := {*below.get("allow", ()), *above.get("allow", ())}:
        out["allow"] = sorted(allow)
    return out


# -- quotas and export ----------------------------------------------------------------------------


def _quotas(table: Mapping[str, Any], target: int) -> Quotas:
    _known("quota", table, ("artist", "rating"))
    artist = _table(table, "artist")
    _known("quota.artist", artist, ("max_share", "max"))
    if len(artist) == 2:
        raise ConfigError("quota.artist: max_share and max say the same; give one of them")
    most: int | None = None
    if (share := _share("quota.artist: max_share", artist, "max_share")) is not None:
        most = max(1, int(share * target))
    elif "max" in artist:
        most = _read("quota.artist: max", artist["max"], parse_count)
    return Quotas(most, *_ratings(_table(table, "rating"), target))


def _ratings(table: Mapping[str, Any], target: int) -> tuple[dict[str, str], dict[str, int]]:
    """Weights of ratings, or of groups of them (``"general,sensitive" = 10``), as places."""
    groups: dict[str, str] = {}
    weights: dict[str, Fraction] = {}
    for name, weight in table.items():
        if not (ratings := parse_names(name)):
            raise ConfigError(f"quota.rating: {name!r} names no rating")
        for rating in ratings:
            if rating.lower() not in _LETTERS:
                said = plugins.unknown("rating", rating, RATINGS)
                raise ConfigError(f"quota.rating: {said}")
            if groups.setdefault(_LETTERS[rating.lower()], name) != name:
                raise ConfigError(f"quota.rating: {rating} stands in two groups")
        weights[name] = Fraction(str(_read(f"quota.rating: {name}", weight, number_above(0))))
    total = sum(weights.values())
    shares = [weight / total for weight in weights.values()]
    return groups, dict(zip(weights, places(shares, target), strict=True))


def _export(table: Mapping[str, Any], folder: Path) -> Export:
    layout = table.get("layout", "kohya")
    if not isinstance(layout, str) or not isinstance(table.get("out"), str):
        raise ConfigError('export takes out = "FOLDER" and layout = "kohya" or another layout')
    options = plugins.load(plugins.EXPORTS, layout).Options
    fields = list(getattr(options, "__dataclass_fields__", ()))
    _known("export", table, ("layout", "out", *fields))
    chosen = {
        name: plugins.option_value(layout, options, name, _as_text(name, value))
        for name, value in table.items()
        if name not in ("layout", "out")
    }
    return Export(folder / _path(table["out"]), layout, chosen)


# -- reading single values ------------------------------------------------------------------------


def _known(what: str, table: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in table:
        if key not in (known := list(keys)):
            raise ConfigError(plugins.unknown(f"key of {what}", key, known))


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = table.get(key, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{key} is a section, such as [{key}.NAME], not a value")
    return inner


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as problem:
        raise ConfigError(f"{text}: there is no such home folder") from problem


def _read(what: str, given: Any, parser: Parser) -> Any:
    try:
        return parser(given)
    except ValueError as problem:
        raise ConfigError(f"{what} {problem}, not {given!r}") from problem


def _share(what: str, table: Mapping[str, Any], key: str = "share") -> Fraction | None:
    """A share as it was written: 0.1 is a tenth, which no float is."""
    if key not in table:
        return None
    share = table[key]
    if type(share) not in (int, float) or not 0 < share <= 1:
        raise ConfigError(f"{what} takes a number above 0 and at most 1, not {share!r}")
    return Fraction(str(share))
