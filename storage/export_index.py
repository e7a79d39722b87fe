"""Which exported files hold which picture, so that what must go can be found there too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from storage.database import write_once


def record_export(catalog: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Remember exported files as (sha256 of the original, path)."""
    rows = [(str(path.absolute()), sha256) for sha256, path in files]
    if not rows:
        return
    write_once(
        catalog,
        lambda db: db.executemany(
            "INSERT INTO exported(path, sha256) VALUES (?,?)"
            " ON CONFLICT(path) DO UPDATE SET sha256 = excluded.sha256",
            rows,
        ),
    )
