"""Everything the catalog knows of one work."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TypeAlias

from storage import naming
from storage.errors import NotFound
from storage.files import stored_path
from storage.public_url import public_url, public_urls
from storage.records import Json
from storage.rows import loads

About: TypeAlias = dict[str, Json]

_AS_JSON = frozenset({"measured", "threshold", "payload", "parameters"})
_DERIVED = "sha256, stage, version, parameters, number, format, width, height, bytes, created_at"


def show(db: sqlite3.Connection, workspace: Path, ref: str) -> About:
    """A work by any name it has: see :func:`storage.naming.find`.

    Of URLs it is what is public. Raises NotFound.
    """
    row = db.execute("SELECT * FROM candidates WHERE id = ?", (_find(db, ref),)).fetchone()
    id, image = row["id"], row["image"]
    about: About = {k: row[k] for k in row.keys() if k not in ("tags", "metadata")}  # noqa: SIM118
    about["tags"] = loads(row["tags"])
    about["metadata"] = loads(row["metadata"])
    about["attempts"] = _all(
        db,
        "SELECT rung, outcome, reason, sha256, bytes, at FROM attempts WHERE candidate_id = ?"
        " ORDER BY id",
        id,
    )
    about["ladder"] = _ladder(db, id, about["attempts"])
    about["works"] = _works(db, id)
    about["picture"] = _picture(db, workspace, image)
    about["places"] = _places(db, id, image)
    about["group"] = [place["work"] for place in about["places"] if place["work"] != _name(row)]
    about["made_of_it"] = _descendants(db, workspace, image)
    about["made_from"] = _all(
        db,
        f"SELECT parent, {_DERIVED} FROM derived WHERE sha256 = ? ORDER BY id",  # noqa: S608
        image,
    )
    about["exported"] = [
        copy["path"]
        for copy in _all(db, "SELECT path FROM exported WHERE sha256 = ? ORDER BY path", image)
    ]
    about["decisions"] = _all(
        db,
        "SELECT decision, iif(picture IS NULL, 'this work', 'the picture') AS about, action_id, at"
        " FROM decisions WHERE candidate_id = ? OR picture = ? ORDER BY id",
        id,
        image,
    )
    about["events"] = _all(
        db,
        "SELECT seq, kind, crawl_id, payload, at FROM events WHERE candidate_id = ?1"
        " UNION SELECT seq, kind, crawl_id, payload, at FROM events WHERE sha256 = ?2 ORDER BY seq",
        id,
        image,
    )
    for key in ("page_url", "source_url"):  # as the site gave them, perhaps without a scheme
        about[key] = about[key] and public_url(about[key])
    shown: About = public_urls(about)
    return shown


def _find(db: sqlite3.Connection, ref: str) -> int:
    try:
        return naming.find(db, naming.read_name(ref))[0]
    except naming.Unnamed as error:
        raise NotFound(
            f"{ref} {error}",
            hint="name a work as site:id, by its page, the start of a file's sha256, or a file",
        ) from error


def _name(row: sqlite3.Row) -> str:
    return f"{row['site']}:{row['site_id']}"


def _ladder(db: sqlite3.Connection, id: int, attempts: list[About]) -> list[About]:
    """What is claimed of each file of a work, with all that came of asking for it."""
    rungs = _all(db, "SELECT * FROM rungs WHERE candidate_id = ? ORDER BY position", id)
    for rung in rungs:
        rung["attempts"] = [one for one in attempts if one["rung"] == rung["position"]]
    return rungs


def _works(db: sqlite3.Connection, id: int) -> list[About]:
    return _all(
        db,
        "SELECT w.crawl_id, r.query, w.position, w.state, w.reason, w.measured, w.threshold,"
        " w.filter, d.site || ':' || d.site_id AS duplicate_of, w.settled_at FROM works w"
        " JOIN crawls r ON r.id = w.crawl_id LEFT JOIN candidates d ON d.id = w.duplicate_of"
        " WHERE w.candidate_id = ? ORDER BY w.crawl_id",
        id,
    )


def _picture(db: sqlite3.Connection, workspace: Path, sha256: str | None) -> About | None:
    for picture in _all(db, "SELECT * FROM images WHERE sha256 = ?", sha256):
        picture["measures"] = loads(picture["measures"])
        path = stored_path(workspace, picture["sha256"], picture["format"])
        picture["path"] = str(path) if picture["stored"] else None
        return picture
    return None


def _places(db: sqlite3.Connection, id: int, image: str | None) -> list[About]:
    """Every work that is the same picture, this one included, and what crawls made of it."""
    found = _all(
        db,
        "SELECT id, site || ':' || site_id AS work, page_url, width, height, bytes, posted_at,"
        " first_seen_at FROM candidates WHERE id = ?1"
        " UNION SELECT id, site || ':' || site_id, page_url, width, height, bytes, posted_at,"
        " first_seen_at FROM candidates WHERE image = ?2 ORDER BY id",
        id,
        image,
    )
    for place in found:
        place["page_url"] = place["page_url"] and public_url(place["page_url"])
        place["crawls"] = [
            {key: work[key] for key in ("crawl_id", "query", "state", "reason")}
            for work in _works(db, place.pop("id"))
        ]
    return found


def _descendants(db: sqlite3.Connection, workspace: Path, image: str | None) -> list[About]:
    """Every picture derived from this one, through any number of stages."""
    found = _all(
        db,
        "WITH RECURSIVE family(sha256) AS (SELECT ? UNION"  # noqa: S608
        " SELECT d.sha256 FROM derived d JOIN family f ON d.parent = f.sha256)"
        f" SELECT parent, d.{_DERIVED} FROM derived d JOIN family f ON d.parent = f.sha256"
        " ORDER BY d.id",
        image,
    )
    for derived in found:
        derived["path"] = str(stored_path(workspace, derived["sha256"], derived["format"]))
    return found


def _all(db: sqlite3.Connection, sql: str, *values: object) -> list[About]:
    out = [dict(row) for row in db.execute(sql, values).fetchall()]
    for row in out:
        for key in _AS_JSON & row.keys():
            row[key] = loads(row[key])
    return out
