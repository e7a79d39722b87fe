"""The tables: made once, plain enough for any tool."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from storage.schema import migrate
from tests.storage.catalog import Catalog, candidate


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
    migrate(db)
    before = db.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    migrate(db)
    assert db.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    db.close()


def test_any_tool_can_ask_what_was_accepted_and_why_not(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", rating="g"), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    assert catalog.rows("SELECT site_id, rating, width FROM accepted") == [("1", "g", 800)]
    assert sorted(catalog.rows("SELECT state, works FROM reasons")) == [
        ("accepted", 1),
        ("pending", 1),
    ]
