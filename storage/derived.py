"""Pictures made from others, with their lineage."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.files import FileStore
from storage.records import Json
from storage.rows import dumps
from storage.stream import now


@dataclass(frozen=True, slots=True)
class DerivedImage:
    """A derived file in the store."""

    parent: str
    sha256: str
    format: str
    width: int
    height: int
    bytes: int


def find(
    db: sqlite3.Connection, parent: str, stage: str, version: int, parameters: Mapping[str, Json]
) -> list[DerivedImage]:
    """What a stage has already made of a picture with these parameters, in order."""
    rows = db.execute(
        "SELECT * FROM derived WHERE parent = ? AND stage = ? AND version = ? AND parameters = ?"
        " ORDER BY number",
        (parent, stage, version, _key(parameters)),
    ).fetchall()
    return [
        DerivedImage(r["parent"], r["sha256"], r["format"], r["width"], r["height"], r["bytes"])
        for r in rows
    ]


def keep(
    db: sqlite3.Connection,
    store: FileStore,
    image: DerivedImage,
    temp: Path,
    *,
    stage: str,
    version: int,
    parameters: Mapping[str, Json],
    number: int,
) -> None:
    """Record a derived picture; ``temp`` is its synced file. Idempotent by its lineage."""
    store.adopt(temp, image.sha256, image.format)
    db.execute(
        "INSERT INTO derived(parent, stage, version, parameters, number, sha256, format, width,"
        " height, bytes, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        (
            image.parent,
            stage,
            version,
            _key(parameters),
            number,
            image.sha256,
            image.format,
            image.width,
            image.height,
            image.bytes,
            now(),
        ),
    )


def _key(parameters: Mapping[str, Json]) -> str:
    return dumps(dict(sorted(parameters.items())))
