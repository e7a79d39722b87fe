"""What a workspace holds on disk: counts that are kept, so that asking is free."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from storage.workspace import CATALOG


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Files and bytes of a workspace."""

    files: int
    bytes: int
    """Of pictures that some crawl takes, as they came."""
    reclaimable_files: int
    reclaimable_bytes: int
    """Of pictures that no crawl takes: kept within ``storage.rejected_budget``, so that another
    policy need not fetch them again."""
    derived_files: int
    derived_bytes: int
    catalog_bytes: int
    log_bytes: int
    """Of the catalog's write-ahead log, which goes when the last process closes it."""

    @property
    def total_bytes(self) -> int:
        pictures = self.bytes + self.reclaimable_bytes + self.derived_bytes
        return pictures + self.catalog_bytes + self.log_bytes


def disk_usage(db: sqlite3.Connection, workspace: Path) -> DiskUsage:
    """What the workspace of this catalog holds."""
    kept = {
        row["wanted"]: (row["files"], row["bytes"])
        for row in db.execute("SELECT wanted, files, bytes FROM kept").fetchall()
    }
    # One file may be derived in several ways.
    derived = db.execute(
        "SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes"
        " FROM (SELECT max(bytes) AS bytes FROM derived GROUP BY sha256)"
    ).fetchone()
    return DiskUsage(
        *kept.get(1, (0, 0)),
        *kept.get(0, (0, 0)),
        derived["files"],
        derived["bytes"],
        _size(workspace / CATALOG),
        _size(workspace / f"{CATALOG}-wal"),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
