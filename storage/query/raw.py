"""SQL of a person's own: one statement that reads, with an end."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.database import open_reader
from storage.errors import BadQuery
from storage.workspace import require_catalog

SECONDS = 30.0
"""How long a statement may take."""
MOST_ROWS = 1_000_000
"""All rows are read at once: a cursor left open would keep the write-ahead log from shrinking."""
MOST_BYTES = 64 << 20
"""Of one value."""
_STEPS = 10_000
"""Steps of SQLite's machine between looks at the clock."""

_READING = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
    }
)
_PRAGMAS = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info"})
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension"})


@dataclass(frozen=True, slots=True)
class Table:
    """What a statement gave."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def select(
    workspace: Path, sql: str, *, limit: int | None = None, seconds: float = SECONDS
) -> Table:
    """Run one statement that only reads. Raises BadQuery in one line, and names the tables."""
    with closing(open_reader(require_catalog(workspace))) as db:
        db.row_factory = None
        tables = _tables(db)
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        db.set_authorizer(_authorize)
        deadline = time.monotonic() + seconds
        db.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
        try:
            cursor = db.execute(sql)
            rows = cursor.fetchmany(MOST_ROWS + 1 if limit is None else limit)
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError, ValueError) as error:
            raise _told(error, tables, seconds) from error
        if cursor.description is None:
            raise BadQuery("this statement gives no rows", hint=f"tables: {tables}")
        if len(rows) > MOST_ROWS:
            raise BadQuery(f"more than {MOST_ROWS:,} rows", hint="add a LIMIT, or ask for fewer")
        return Table(tuple(column[0] for column in cursor.description), rows)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    allowed = (
        action in _READING
        or (action == sqlite3.SQLITE_FUNCTION and second not in _FORBIDDEN_FUNCTIONS)
        or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _tables(db: sqlite3.Connection) -> str:
    found = db.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        " AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_*' ORDER BY name"
    ).fetchall()
    return ", ".join(row[0] for row in found)


def _told(error: Exception, tables: str, seconds: float) -> BadQuery:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_INTERRUPT:
        return BadQuery(f"the statement took longer than {seconds:g} s", hint="ask for less")
    if code == sqlite3.SQLITE_AUTH:
        return BadQuery("only a statement that reads is run", hint=f"tables: {tables}")
    return BadQuery(" ".join(str(error).split()), hint=f"tables: {tables}")
