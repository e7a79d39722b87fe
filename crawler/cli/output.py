"""What leaves on standard output: tables, JSON, NDJSON and paths."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any


class OutputClosed(Exception):
    """Nobody reads standard output any more."""


def write(text: str, end: str = "\n") -> None:
    """Write a result. Raises OutputClosed where the reader is gone."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def write_path(path: Path, end: bytes) -> None:
    """Write a file name as its own bytes, which need not be text."""
    try:
        sys.stdout.buffer.write(os.fsencode(path) + end)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise OutputClosed from None


def as_json(value: Any, *, indent: int | None = None) -> str:
    """JSON of our records: dataclasses become objects, paths and dates text."""
    return json.dumps(plain(value), ensure_ascii=False, indent=indent)


def plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(inner) for inner in value)
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Exception):
        return {"code": getattr(value, "code", "E_UNEXPECTED"), "message": str(value)}
    return value


def csv_line(values: Sequence[Any]) -> str:
    """One line of CSV, without its end."""
    buffer = io.StringIO(newline="")
    # Only characters of the terminator are quoted: with this one a value may hold any newline.
    csv.writer(buffer, lineterminator="\r\n").writerow(["" if v is None else v for v in values])
    return buffer.getvalue().removesuffix("\r\n")


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, right: str = "") -> str:
    """Columns of text. ``right`` names the headings whose cells stand at the right (numbers).

    Control characters, which a site may have put into its texts, are not passed to the terminal.
    """
    cells = [[printable("" if v is None else str(v)) for v in row] for row in rows]
    widths = [
        max(len(heading), *(len(row[i]) for row in cells)) if cells else len(heading)
        for i, heading in enumerate(headings)
    ]
    lines = []
    for row in (list(headings), *cells):
        parts = [
            cell.rjust(width) if heading in right.split() else cell.ljust(width)
            for heading, cell, width in zip(headings, row, widths, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def printable(text: str) -> str:
    """The text with control characters replaced: a terminal obeys them."""
    return "".join(c if c.isprintable() else "�" for c in text)


def size(count: float) -> str:
    """Bytes for a person, decimal: ``1.4 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
