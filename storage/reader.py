"""Reading the catalog: fast to import, read-only, works while an engine writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from storage import crawls, stream
from storage.database import open_reader
from storage.errors import BadQuery, NotFound
from storage.lock import engine_running
from storage.public_url import public_url, public_urls
from storage.query import DEFAULT_ORDER, Compiled, compile_query
from storage.reasons import STATES, reasons
from storage.records import AcceptedImage, CrawlStatus, Event, Json, Row
from storage.rows import IMAGE_SELECT, image_of, loads
from storage.workspace import require_catalog

PAGE = 500
"""Rows read at a time: a cursor left open would keep the write-ahead log from shrinking."""


class Reader:
    """A workspace opened for questions. Raises NoWorkspace and NewerCatalog."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.db: sqlite3.Connection = open_reader(require_catalog(workspace))

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.db.close()

    def crawls(self) -> list[CrawlStatus]:
        """Every crawl with its counts, the one touched last first."""
        running = engine_running(self.workspace)
        out: list[CrawlStatus] = []
        for crawl in crawls.every(self.db):
            rows = self.rows(crawl.id)
            count = {state: sum(r.count for r in rows if r.state == state) for state in STATES}
            out.append(
                CrawlStatus(
                    crawl=crawl,
                    running=running and crawl.state == "running",
                    accepted=count["accepted"],
                    seen=sum(count.values()),
                    pending=count["pending"] + count["waiting"],
                    rows=tuple(rows),
                )
            )
        return out

    def rows(self, crawl_id: str) -> list[Row]:
        """The table of reasons of a crawl: every work counted once, with an example of each."""
        return reasons(self.db, crawl_id)

    def dropped(self, crawl_id: str) -> dict[str, int]:
        """Rows of the source that its predicate dropped on our side: counted, not stored."""
        return {
            r["reason"]: r["count"]
            for r in self.db.execute(
                "SELECT reason, count FROM dropped WHERE crawl_id = ? ORDER BY reason", (crawl_id,)
            ).fetchall()
        }

    def query(
        self, words: Sequence[str], *, sort: str | None = None, limit: int | None = None
    ) -> Iterator[AcceptedImage]:
        """The works that match, each once (the first crawl that met it unless ``crawl:`` is given).

        Raises BadQuery.
        """
        if limit is not None and limit < 0:
            raise BadQuery("a limit is 0 or more")
        asked = compile_query([*words, f"sort:{sort}"] if sort else words)
        seen: set[int] = set()
        for row in self._pages(asked):
            if len(seen) == limit:
                return
            if row["candidate_id"] not in seen:
                seen.add(row["candidate_id"])
                yield image_of(row, self.workspace)

    def _pages(self, asked: Compiled) -> Iterator[sqlite3.Row]:
        """The rows of a query in pages; in the usual order each goes on after the last row."""
        if asked.order != DEFAULT_ORDER:
            yield from self._sorted(asked)
            return
        select = (
            f"{IMAGE_SELECT} WHERE {asked.where} AND (w.crawl_id, w.position) > (?, ?)"
            f" ORDER BY {asked.order} LIMIT {PAGE}"
        )
        place: tuple[str, int] = ("", 0)
        while rows := self.db.execute(select, (*asked.parameters, *place)).fetchall():
            yield from rows
            place = (rows[-1]["crawl_id"], rows[-1]["position"])

    def _sorted(self, asked: Compiled) -> Iterator[sqlite3.Row]:
        """The rows in another order: places are sorted once, whatever is written meanwhile."""
        cursor = self.db.cursor()
        cursor.row_factory = None
        places = cursor.execute(
            "SELECT w.crawl_id, w.position FROM works w JOIN candidates c ON c.id = w.candidate_id"  # noqa: S608
            f" LEFT JOIN images i ON i.sha256 = c.image WHERE {asked.where} ORDER BY {asked.order}",
            asked.parameters,
        ).fetchall()
        for place in places:
            yield from self.db.execute(
                f"{IMAGE_SELECT} WHERE w.crawl_id = ? AND w.position = ?", place
            ).fetchall()

    def count(self, words: Sequence[str]) -> int:
        """How many works match. Raises BadQuery."""
        asked = compile_query(words)
        row = self.db.execute(
            "SELECT count(DISTINCT c.id) FROM works w JOIN candidates c ON c.id = w.candidate_id"  # noqa: S608
            f" LEFT JOIN images i ON i.sha256 = c.image WHERE {asked.where}",
            asked.parameters,
        ).fetchone()
        return int(row[0])

    def events(self, after: int = 0, limit: int = 500) -> list[Event]:
        """The event log after a seq, oldest first."""
        return stream.read(self.db, after, limit)

    def acked(self, consumer: str) -> int:
        """The last event a consumer has acknowledged."""
        return stream.acked(self.db, consumer)

    def image(self, candidate_id: int, crawl_id: str | None) -> AcceptedImage | None:
        """One work as a crawl sees it (any crawl where none is named)."""
        row = self.db.execute(
            IMAGE_SELECT + " WHERE w.candidate_id = ? AND w.crawl_id = coalesce(?, w.crawl_id)",
            (candidate_id, crawl_id),
        ).fetchone()
        return image_of(row, self.workspace) if row else None

    def show(self, ref: str) -> dict[str, Json]:
        """Everything known of one work: ``site:id``, or a prefix of its picture's sha256.

        Of URLs it is what is public. Raises NotFound.
        """
        row = self._candidate(ref)
        candidate_id = row["id"]
        about: dict[str, Any] = {k: row[k] for k in row.keys() if k not in ("tags", "metadata")}  # noqa: SIM118
        about["tags"] = loads(row["tags"])
        about["metadata"] = loads(row["metadata"])
        about["ladder"] = self._all(
            "SELECT * FROM rungs WHERE candidate_id = ? ORDER BY position", candidate_id
        )
        about["attempts"] = self._all(
            "SELECT rung, outcome, reason, sha256, bytes, at FROM attempts WHERE candidate_id = ?"
            " ORDER BY id",
            candidate_id,
        )
        about["works"] = self._all(
            "SELECT w.crawl_id, w.position, w.state, w.reason, w.measured, w.threshold, w.filter,"
            " d.site || ':' || d.site_id AS duplicate_of FROM works w"
            " LEFT JOIN candidates d ON d.id = w.duplicate_of WHERE w.candidate_id = ?",
            candidate_id,
        )
        about["picture"] = self._picture(row["image"])
        about["events"] = self._all(
            "SELECT seq, kind, crawl_id, payload, at FROM events WHERE candidate_id = ?"
            " ORDER BY seq",
            candidate_id,
        )
        for key in ("page_url", "source_url"):  # as the site gave them, perhaps without a scheme
            about[key] = about[key] and public_url(about[key])
        shown: dict[str, Json] = public_urls(about)
        return shown

    def _candidate(self, ref: str) -> sqlite3.Row:
        site, colon, site_id = ref.partition(":")
        if colon:
            found = self.db.execute(
                "SELECT * FROM candidates WHERE site = ? AND site_id = ? ORDER BY id LIMIT 1",
                (site, site_id),
            ).fetchone()
        else:
            found = self.db.execute(
                "SELECT * FROM candidates WHERE image = ? ORDER BY id LIMIT 1", (self._image(ref),)
            ).fetchone()
        if found is None:
            raise NotFound(
                f"the catalog holds nothing called {ref}",
                hint="name a work as site:id, or give the first digits of a file's sha256",
            )
        row: sqlite3.Row = found
        return row

    def _image(self, prefix: str) -> str | None:
        """The only picture of a work whose hash begins so. Raises NotFound where there are more."""
        begins = prefix.lower()
        between = (begins, begins + "g")  # behind every hash that begins so: digits end at f
        image = "SELECT image FROM candidates WHERE image >= ? AND image < ? ORDER BY image"
        first = self.db.execute(f"{image} LIMIT 1", between).fetchone()
        if first is None:
            return None
        last = self.db.execute(f"{image} DESC LIMIT 1", between).fetchone()
        if last["image"] != first["image"]:
            raise NotFound(f"{prefix} begins several hashes", hint="give more of the hash")
        return str(first["image"])

    def _picture(self, sha256: str | None) -> dict[str, Json] | None:
        if sha256 is None:
            return None
        picture = self._all("SELECT * FROM images WHERE sha256 = ?", sha256)[0]
        picture["measures"] = loads(picture["measures"])
        return picture

    def _all(self, sql: str, value: object) -> list[dict[str, Any]]:
        out = [dict(row) for row in self.db.execute(sql, (value,)).fetchall()]
        for row in out:
            for key in ("measured", "threshold", "payload"):
                if key in row:
                    row[key] = loads(row[key])
        return out
