"""Between the catalog's rows and its records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.files import stored_path
from storage.public_url import public_url
from storage.records import AcceptedImage, Candidate, Json, Rung


def dumps(value: Json) -> str:
    """JSON as the catalog keeps it: compact, readable characters."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def tags_of(text: str | None) -> dict[str, tuple[str, ...]]:
    return {category: tuple(names) for category, names in (loads(text) or {}).items()}


def candidate_of(row: sqlite3.Row, rungs: Sequence[sqlite3.Row]) -> Candidate:
    """A candidate from its row and those of its ladder, in order."""
    return Candidate(
        site=row["site"],
        origin=row["origin"],
        site_id=row["site_id"],
        ladder=tuple(
            Rung(
                location=r["location"],
                kind=r["kind"],
                width=r["width"],
                height=r["height"],
                bytes=r["bytes"],
                md5=r["md5"],
                format=r["format"],
            )
            for r in rungs
        ),
        page_url=row["page_url"],
        source_url=row["source_url"],
        tags=tags_of(row["tags"]),
        caption=row["caption"],
        rating=row["rating"],
        licence=row["licence"],
        posted_at=row["posted_at"],
        parent=row["parent"],
        pixel_hash=row["pixel_hash"],
        animated=None if row["animated"] is None else bool(row["animated"]),
        unavailable=row["unavailable"],
        metadata=loads(row["metadata"]) or {},
    )


IMAGE_SELECT = """
SELECT w.crawl_id, w.position, w.state, w.reason, w.measured, w.threshold,
       c.id AS candidate_id, c.site, c.site_id, c.page_url, c.source_url, c.tags, c.caption,
       c.rating, c.licence, c.posted_at, c.width AS claimed_width, c.height AS claimed_height,
       c.bytes AS claimed_bytes, c.format AS claimed_format, c.metadata ->> '$.score' AS score,
       r.location AS file_url, r.kind AS kind,
       i.sha256, i.format, i.width, i.height, i.bytes, i.stored, i.measures
FROM works w
JOIN candidates c ON c.id = w.candidate_id
LEFT JOIN images i ON i.sha256 = c.image
LEFT JOIN rungs r ON r.candidate_id = c.id AND r.position = coalesce(c.rung, 0)
"""


def image_of(row: sqlite3.Row, workspace: Path) -> AcceptedImage:
    """What :data:`IMAGE_SELECT` gives, as stages and people see it: of URLs what is public."""
    stored = row["sha256"] is not None and row["stored"]
    decoded = row["sha256"] is not None
    file_url = row["file_url"] if row["kind"] == "file" else _public(row["file_url"])
    return AcceptedImage(
        candidate_id=row["candidate_id"],
        site=row["site"],
        site_id=row["site_id"],
        sha256=row["sha256"],
        path=stored_path(workspace, row["sha256"], row["format"]) if stored else None,
        format=row["format"] if decoded else row["claimed_format"],
        width=row["width"] if decoded else row["claimed_width"],
        height=row["height"] if decoded else row["claimed_height"],
        bytes=row["bytes"] if decoded else row["claimed_bytes"],
        state=row["state"],
        reason=row["reason"],
        measured=loads(row["measured"]),
        threshold=loads(row["threshold"]),
        page_url=_public(row["page_url"]),
        source_url=_public(row["source_url"]),
        file_url=file_url,
        tags=tags_of(row["tags"]),
        caption=row["caption"],
        rating=row["rating"],
        licence=row["licence"],
        posted_at=row["posted_at"],
        crawl_id=row["crawl_id"],
        measures=loads(row["measures"]) or {},
        score=row["score"] if isinstance(row["score"], (int, float)) else None,
    )


def _public(url: str | None) -> str | None:
    return None if url is None else public_url(url)
