"""The tables: made once, plain enough for any tool."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.db import Table

from storage.database import VERSION, open_reader
from storage.schema import m001_first, migrate
from tests.storage.catalog import Catalog, assert_counted, candidate, rejected


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
    migrate(db)
    before = db.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    migrate(db)
    assert db.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    db.close()


def test_a_catalog_of_the_first_version_is_brought_up_to_date_with_all_it_holds(
    catalog: Catalog,
) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", width=10, height=20), candidate("2", width=9, height=0))
    catalog.page(crawl, candidate("3"), (candidate("4"), rejected()))
    catalog.fetched(crawl, "1", "one")
    catalog.fetched(crawl, "3", "three", rejected("blurred"))
    as_it_was = catalog.workspace / "first.db"
    old = sqlite3.connect(as_it_was, isolation_level=None)
    m001_first(Database(old))
    Table(Database(old), "_sqlite_migrations").create(
        {"migration_set": str, "name": str, "applied_at": str}, pk=("migration_set", "name")
    )
    old.execute("INSERT INTO _sqlite_migrations VALUES ('trawl', 'm001_first', '')")
    old.execute("ATTACH ? AS now", (str(catalog.path),))
    for table in ("crawls", "images", "candidates", "works"):
        names = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
        old.execute(f"INSERT INTO main.{table}({names}) SELECT {names} FROM now.{table}")
    old.execute("DETACH now")
    old.execute("PRAGMA user_version=1")
    old.close()
    with closing(open_reader(as_it_was)) as db:  # whoever looks first brings it up to date
        assert_counted(db)
        assert db.execute("SELECT sum(works) FROM tallies").fetchone()[0] == 4
        assert db.execute("PRAGMA user_version").fetchone()[0] == VERSION


def test_any_tool_can_ask_what_was_accepted_and_why_not(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1", rating="g"), candidate("2"))
    catalog.fetched(crawl, "1", "one")
    assert catalog.rows("SELECT site_id, rating, width FROM accepted") == [("1", "g", 800)]
    assert sorted(catalog.rows("SELECT state, works FROM reasons")) == [
        ("accepted", 1),
        ("pending", 1),
    ]
