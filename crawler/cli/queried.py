"""What ``trawl query`` prints, in every format."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from crawler.cli.output import as_json, csv_line, printable, table, write, write_path
from crawler.errors import UsageError

if TYPE_CHECKING:
    from storage.query.raw import Table
    from storage.reader import Reader
    from storage.records import AcceptedImage

_COLUMNS = (
    "site", "site_id", "state", "reason", "width", "height", "bytes", "format", "sha256", "rating",
    "page_url", "path",
)  # fmt: skip

_HASH = re.compile(r"[0-9a-f]{64}")

Print: TypeAlias = "Callable[[Iterable[AcceptedImage], bytes], None]"


def print_images(images: Iterable[AcceptedImage], form: str, *, nul: bool = False) -> None:
    """Works as a table, json, ndjson, csv, paths or refs."""
    _WRITERS[form](images, b"\0" if nul else b"\n")


def _table(images: Iterable[AcceptedImage], _end: bytes) -> None:
    rows = [
        [
            f"{image.site}:{image.site_id}",
            image.state,
            image.reason,
            f"{image.width}x{image.height}" if image.width else None,
            image.format,
            (image.sha256 or "")[:12],
        ]
        for image in images
    ]
    write(table(["work", "state", "reason", "size", "format", "sha256"], rows, right="size"))


def _json(images: Iterable[AcceptedImage], _end: bytes) -> None:
    write(as_json(list(images), indent=2))


def _ndjson(images: Iterable[AcceptedImage], _end: bytes) -> None:
    for image in images:
        write(as_json(image))


def _csv(images: Iterable[AcceptedImage], _end: bytes) -> None:
    write(csv_line(_COLUMNS))
    for image in images:
        write(csv_line([getattr(image, column) for column in _COLUMNS]))


def _paths(images: Iterable[AcceptedImage], end: bytes) -> None:
    for image in images:
        if image.path is not None:
            write_path(image.path, end)


def _refs(images: Iterable[AcceptedImage], end: bytes) -> None:
    for image in images:
        write(f"{image.site}:{image.site_id}", end.decode())


_WRITERS: Mapping[str, Print] = MappingProxyType(
    {
        "table": _table,
        "json": _json,
        "ndjson": _ndjson,
        "csv": _csv,
        "paths": _paths,
        "refs": _refs,
    }
)


def print_table(found: Table, form: str, workspace: Path, *, nul: bool = False) -> None:
    """What a SQL statement gave, in the same formats.

    For paths it needs the columns sha256 and format, for refs site and site_id. Raises UsageError.
    """
    rows = [[_plain(value) for value in row] for row in found.rows]
    twice = [name for name, times in Counter(found.columns).items() if times > 1]
    if twice and form in ("json", "ndjson"):
        raise UsageError(f"two columns are called {twice[0]!r}: give one another name with AS")
    match form:
        case "table":
            write(table(found.columns, rows))
        case "json":
            write(as_json([dict(zip(found.columns, row, strict=True)) for row in rows], indent=2))
        case "ndjson":
            for row in rows:
                write(as_json(dict(zip(found.columns, row, strict=True))))
        case "csv":
            write(csv_line(found.columns))
            for row in rows:
                write(csv_line(row))
        case "refs":
            for site, site_id in _picked(found.columns, rows, ("site", "site_id")):
                write(f"{site}:{site_id}", "\0" if nul else "\n")
        case _:
            for path in _located(found.columns, rows, workspace):
                write_path(path, b"\0" if nul else b"\n")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    return value.hex() if isinstance(value, bytes) else value


def _located(columns: Sequence[str], rows: list[list[Any]], workspace: Path) -> Iterator[Path]:
    """The stored files that there are."""
    from storage.files import EXTENSIONS, stored_path

    for sha256, format in _picked(columns, rows, ("sha256", "format")):
        if _HASH.fullmatch(str(sha256)) and format in EXTENSIONS:
            path = stored_path(workspace, str(sha256), format)
            if path.is_file():
                yield path


def _picked(
    columns: Sequence[str], rows: list[list[Any]], names: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    """The values of some columns. Raises UsageError where one is not there."""
    if not set(names) <= set(columns):
        raise UsageError(f"this format needs the columns {' and '.join(names)} in the statement")
    places = [columns.index(name) for name in names]
    return (tuple(row[place] for place in places) for row in rows)


def unknown_tags(reader: Reader, words: Sequence[str]) -> Iterator[str]:
    """What to say of tags that no work has."""
    for name, close in reader.unknown_tags(words).items():
        meant = f"; did you mean {', '.join(close)}?" if close else ""
        yield printable(f"no work has the tag {name}{meant}")
