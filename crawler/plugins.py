"""Plug-ins: adapters, filters, stages, exports, faces: found by entry points, loaded when asked."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from crawler.errors import TrawlError, UsageError
from crawler.parsers import parse_names, parse_size, parse_switch

if TYPE_CHECKING:
    from filters.policy import Judge

ADAPTERS = "trawl.adapters"
FILTERS = "trawl.filters"
STAGES = "trawl.stages"
EXPORTS = "trawl.exports"
FACES = "trawl.faces"

_KINDS: Mapping[str, str] = types.MappingProxyType(
    {
        ADAPTERS: "source",
        FILTERS: "filter",
        STAGES: "stage",
        EXPORTS: "layout",
        FACES: "face of the stream",
    }
)


class BrokenPlugin(TrawlError):
    """An installed plug-in cannot be loaded."""

    code = "E_PLUGIN"


def names(group: str) -> list[str]:
    """The names of every plug-in of a group, sorted; nothing is loaded."""
    return sorted(entry_points(group=group).names)


def load(group: str, name: str) -> Any:
    """The plug-in itself (a class), imported now.

    Raises UsageError for an unknown name and BrokenPlugin where its import fails; an error of ours
    raised by the import (a missing extra) passes as it is.
    """
    # Asking reads the metadata of every installed distribution: ask once for the whole group.
    return _load(group, name, entry_points(group=group))


def _load(group: str, name: str, installed: EntryPoints) -> Any:
    found = {entry.value: entry for entry in installed.select(name=name)}
    if not found:
        raise UsageError(unknown(_KINDS[group], name, installed.names))
    if len(found) > 1:
        owners = " and ".join(sorted(_distribution(entry) for entry in found.values()))
        raise BrokenPlugin(
            f"{owners} both bring a {_KINDS[group]} called {name!r}", hint="uninstall one of them"
        )
    entry = next(iter(found.values()))
    what = f"the {_KINDS[group]} {name!r} of {_distribution(entry)}"
    try:
        loaded = entry.load()
    except TrawlError:
        raise
    except Exception as problem:
        raise BrokenPlugin(
            f"{what} cannot be loaded: {type(problem).__name__}: {problem}",
            hint=f"reinstall or uninstall {_distribution(entry)}",
        ) from problem
    if not isinstance(loaded, type):  # another process has to find it by its name
        raise BrokenPlugin(
            f"{what} is no class: its entry point names a {type(loaded).__name__}",
            hint=f"uninstall {_distribution(entry)}, or tell its author",
        )
    return loaded


def judge() -> Judge:
    """Every installed filter, in its order. Raises BrokenPlugin."""
    from filters.policy import Judge

    installed = entry_points(group=FILTERS)
    return Judge(_load(FILTERS, name, installed)() for name in sorted(installed.names))


def option_value(
    owner: str, options: type[Any], name: str, given: Any, folder: Path | None = None
) -> Any:
    """One option of a plug-in's ``Options`` from what a person wrote.

    Text becomes what the field's annotation says (``50M``, ``yes``, ``a,b``); other values are kept
    as they are. Files are named from ``folder``, else from the current one. Raises UsageError for
    an unknown name or a text that does not fit.
    """
    fields = {field.name: field for field in dataclasses.fields(options)}
    if name not in fields:
        raise UsageError(unknown(f"option of {owner}", name, fields))
    hint = get_type_hints(options)[name]
    try:
        value = _read(hint, given) if isinstance(given, str) else _plain(hint, given)
    except ValueError as problem:
        raise UsageError(f"{owner}.{name} {problem}, not {given!r}") from problem
    return _located(value, folder) if fields[name].metadata.get("file") else value


def names_files(name: str, option: str) -> bool:
    """Whether this option of a filter names files of its user. Raises UsageError for no filter."""
    fields = dataclasses.fields(load(FILTERS, name).Options)
    return any(field.name == option and field.metadata.get("file") for field in fields)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist, with the names that come close."""
    there = sorted(known)
    close = difflib.get_close_matches(name, there, n=3)
    if close:
        return f"no {what} called {name!r}; did you mean {', '.join(close)}?"
    return f"no {what} called {name!r}; there are: {', '.join(there) or 'none'}"


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


def _plain(hint: Any, value: Any) -> Any:
    if _bare(hint) is float and type(value) is int:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def _located(value: Any, folder: Path | None) -> Any:
    """The files that a value names, each with its whole path."""
    if isinstance(value, tuple):
        return tuple(_located(one, folder) for one in value)
    if not isinstance(value, str) or not value:
        return value
    return str((folder or Path.cwd()) / Path(value).expanduser())


def _bare(hint: Any) -> Any:
    """The type behind ``X | None``."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        return inner[0] if len(inner) == 1 else hint
    return hint


def _read(hint: Any, text: str) -> Any:
    bare = _bare(hint)
    if bare is not hint and text.lower() == "none":
        return None
    if bare is bool:
        return parse_switch(text)
    if bare is int:
        return -parse_size(text[1:]) if text.startswith("-") else parse_size(text)
    if bare is float:
        try:
            return float(text)
        except ValueError:
            raise ValueError("takes a number") from None
    if get_origin(bare) in (tuple, frozenset):
        inner = get_args(bare)[0]
        return get_origin(bare)(_read(inner, part) for part in parse_names(text))
    return text
