"""Which exported files show which picture, so that what must go can be found there too.

What may be made is recorded before the first file is written, for a kill may come at any time.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Collection, Iterable, Set
from pathlib import Path
from typing import TypeAlias

from storage.database import write_once
from storage.files import FileStore
from storage.platform import disk_full
from storage.purge import LISTS
from storage.records import AcceptedImage

log = logging.getLogger(__name__)

Shown: TypeAlias = tuple[str, Path]
"""(sha256 of a picture, exported file that shows it or tells of it)."""


def plan_export(
    catalog: Path, images: Collection[AcceptedImage], planned: Iterable[Shown]
) -> frozenset[str]:
    """Remember what an export may come to make, beside all that is known of these files.

    Returns the hashes of those images that the catalog holds now.
    """
    rows = _rows(planned)
    hashes = {image.sha256 for image in images if image.sha256 is not None}
    if not hashes:
        return frozenset()

    def plan(db: sqlite3.Connection) -> frozenset[str]:
        _insert(db, rows)
        return _held(db, hashes)

    return write_once(catalog, plan)


def forget_unmade(catalog: Path, planned: Iterable[Shown]) -> None:
    """Forget planned files that do not exist: an export failed."""
    if absent := {path for path, _ in _rows(planned) if not os.path.lexists(path)}:
        write_once(catalog, lambda db: _forget(db, absent))


def record_export(
    catalog: Path,
    files: Iterable[Shown],
    planned: Iterable[Shown] = (),
    images: Collection[AcceptedImage] = (),
    held: Set[str] = frozenset(),
) -> frozenset[str]:
    """Remember exported files: of each all pictures that it shows now, of the planned what exists.

    Then what was purged while the export ran is taken out again: a purge removes the files that
    there are, and the export may have gone on to make others. ``held`` is what :func:`plan_export`
    gave for ``images``. Returns the hashes of the pictures that were taken out.
    """
    rows, old = _made(files, planned)
    if not (rows or old):
        return frozenset()

    def doomed(purged: Set[str]) -> list[tuple[str, str]]:
        return [(path, _line(path, sha256)) for path, sha256 in rows if sha256 in purged]

    def record(db: sqlite3.Connection) -> frozenset[str]:
        _forget(db, old)
        _insert(db, rows)
        purged = _purged(db, images, held)
        db.executemany("INSERT OR IGNORE INTO doomed(path, line) VALUES (?,?)", doomed(purged))
        db.executemany("DELETE FROM exported WHERE sha256 = ?", [(sha256,) for sha256 in purged])
        return purged

    purged = write_once(catalog, record)
    if purged:
        write_once(catalog, lambda db: _remove(db, FileStore(catalog.parent), doomed(purged)))
    return purged


def _remove(db: sqlite3.Connection, store: FileStore, doomed: Iterable[tuple[str, str]]) -> None:
    """Remove these files now: no engine may come by for long. What cannot be stays ordered."""
    for path, line in doomed:
        try:
            if line:
                store.remove_lines(Path(path), line)
            else:
                store.remove(Path(path))
        except OSError as error:
            if disk_full(error):
                raise
            log.warning("%s must go but cannot be removed: %s", path, error)
        else:
            db.execute("DELETE FROM doomed WHERE path = ? AND line = ?", (path, line))


def _line(path: str, sha256: str) -> str:
    """What the lines hold that must go; empty where the whole file must."""
    return sha256 if path.endswith(LISTS) else ""


def _rows(files: Iterable[Shown]) -> list[tuple[str, str]]:
    return [(str(path.absolute()), sha256) for sha256, path in files]


def _made(
    files: Iterable[Shown], planned: Iterable[Shown]
) -> tuple[list[tuple[str, str]], set[str]]:
    """The rows of what was made, and the paths of which nothing older is true any more."""
    rows = _rows(files)
    made = {path for path, _ in rows}
    unmade = {path for path, _ in _rows(planned)} - made
    return rows, made | {path for path in unmade if not os.path.lexists(path)}


def _forget(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    db.executemany("DELETE FROM exported WHERE path = ?", [(path,) for path in paths])


def _insert(db: sqlite3.Connection, rows: Iterable[tuple[str, str]]) -> None:
    db.executemany("INSERT OR IGNORE INTO exported(path, sha256) VALUES (?,?)", rows)


def _purged(
    db: sqlite3.Connection, images: Iterable[AcceptedImage], held: Set[str]
) -> frozenset[str]:
    """Pictures of works that are blocked by now, or forgotten together with another work."""
    found = set(held - _held(db, held))
    for image in images:
        if image.sha256 is not None:
            blocked = db.execute(
                "SELECT 1 FROM candidates WHERE id = ? AND site = ? AND site_id = ?"
                " AND outcome = 'blocked'",
                (image.candidate_id, image.site, image.site_id),
            ).fetchone()
            if blocked is not None:
                found.add(image.sha256)
    return frozenset(found)


def _held(db: sqlite3.Connection, hashes: Set[str]) -> frozenset[str]:
    """Those of some hashes that are pictures, or made from pictures, of this catalog."""
    db.execute("CREATE TEMP TABLE asked(sha256 TEXT PRIMARY KEY)")
    db.executemany("INSERT INTO asked VALUES (?)", [(sha256,) for sha256 in hashes])
    found = db.execute(
        "SELECT sha256 FROM asked WHERE sha256 IN (SELECT sha256 FROM images)"
        " UNION SELECT sha256 FROM derived WHERE sha256 IN (SELECT sha256 FROM asked)"
    ).fetchall()
    db.execute("DROP TABLE asked")
    return frozenset(row["sha256"] for row in found)
