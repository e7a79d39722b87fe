"""What a crawl left behind, read as any program can: the catalog, the files, the events."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from storage.reader import Reader
from storage.records import AcceptedImage, Event


@dataclass(frozen=True)
class Fact:
    """What became of one work."""

    site_id: str
    state: str
    reason: str | None
    sha256: str | None

    @property
    def ending(self) -> tuple[str, str | None]:
        return self.state, self.reason


@dataclass(frozen=True)
class Outcome:
    """Everything one crawl says of its works, in its order."""

    works: Sequence[AcceptedImage]

    @property
    def facts(self) -> dict[str, Fact]:
        return {w.site_id: Fact(w.site_id, w.state, w.reason, w.sha256) for w in self.works}

    @property
    def table(self) -> list[tuple[str, str, str, str]]:
        """(site_id, state, reason, sha256), sorted: what two crawls are compared by."""
        return sorted((w.site_id, w.state, w.reason or "", w.sha256 or "") for w in self.works)

    @property
    def accepted(self) -> list[str]:
        """site_ids of the accepted works, in order."""
        return [w.site_id for w in self.works if w.state == "accepted"]

    def until_last_accepted(self) -> list[tuple[str, str, str | None]]:
        """The works up to the last accepted one, in order."""
        last = max(n for n, work in enumerate(self.works) if work.state == "accepted")
        return [(w.site_id, w.state, w.reason) for w in self.works[: last + 1]]


def outcome(workspace: Path, crawl: str | None = None) -> Outcome:
    """The works of a crawl, or of all of a workspace."""
    with Reader(workspace) as reader:
        return Outcome(list(reader.query([f"crawl:{crawl}"] if crawl else [])))


def events(workspace: Path) -> list[Event]:
    with Reader(workspace) as reader:
        return reader.events(limit=100_000)


def crawl_ids(workspace: Path) -> list[str]:
    """The crawls of a workspace, the last one first."""
    with Reader(workspace) as reader:
        return [status.crawl.id for status in reader.crawls()]


def rows(workspace: Path, sql: str, *values: object) -> list[sqlite3.Row]:
    """Ask the catalog in SQL, as an independent reader."""
    with closing(sqlite3.connect(f"file:{workspace}/catalog.db?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return db.execute(sql, values).fetchall()


def catalog_bytes(workspace: Path) -> bytes:
    """All bytes that the catalog keeps on disk."""
    return b"".join(path.read_bytes() for path in sorted(workspace.glob("catalog.db*")))


def stored_files(workspace: Path) -> dict[str, Path]:
    """sha256 in the name -> file, of everything in the store."""
    found = [p for p in (workspace / "files").glob("??/??/*") if p.is_file()]
    return {path.name.split(".")[0]: path for path in found}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def assert_sound(workspace: Path) -> None:
    """Every file is what its name says and has its row, every row its file; nothing is left."""
    assert [r[0] for r in rows(workspace, "PRAGMA integrity_check")] == ["ok"]
    assert rows(workspace, "PRAGMA foreign_key_check") == []
    assert list((workspace / "files" / "tmp").iterdir()) == []
    files = stored_files(workspace)
    wrong = [p.name for name, p in files.items() if sha256(p.read_bytes()) != name]
    assert wrong == []
    known = {r["sha256"] for r in rows(workspace, "SELECT sha256 FROM images WHERE stored = 1")}
    known |= {r["sha256"] for r in rows(workspace, "SELECT sha256 FROM derived")}
    assert set(files) == known
    assert rows(workspace, "SELECT path FROM doomed") == []
    live = rows(
        workspace,
        "SELECT sha256 FROM accepted GROUP BY crawl_id, sha256 HAVING count(*) > 1",
    )
    assert live == [], "a picture is accepted twice in one crawl"
    assert accepted_by_events(workspace) == {
        (r["crawl_id"], r["sha256"]) for r in rows(workspace, "SELECT * FROM accepted")
    }


def accepted_by_events(workspace: Path) -> set[tuple[str, str]]:
    """(crawl, sha256) of what a follower of the event log holds, who was told of each once."""
    held: set[tuple[str, str]] = set()
    for event in events(workspace):
        if event.sha256 is None:
            continue
        if event.kind == "accepted":
            assert event.crawl_id is not None
            assert (event.crawl_id, event.sha256) not in held, "told twice"
            held.add((event.crawl_id, event.sha256))
        elif event.kind == "retracted":
            gone = {(crawl, sha) for crawl, sha in held if sha == event.sha256}
            held -= {g for g in gone if event.crawl_id in (None, g[0])}
    return held
