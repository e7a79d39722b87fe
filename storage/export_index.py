"""Which exported files show which picture, so that what must go can be found there too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from storage.database import write_once


def record_export(catalog: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Remember exported files as (sha256 of the picture, path): all pictures a file now shows."""
    rows = [(str(path.absolute()), sha256) for sha256, path in files]
    if not rows:
        return

    def write(db: sqlite3.Connection) -> None:
        db.executemany("DELETE FROM exported WHERE path = ?", [(path,) for path, _ in rows])
        db.executemany("INSERT OR IGNORE INTO exported(path, sha256) VALUES (?,?)", rows)

    write_once(catalog, write)
