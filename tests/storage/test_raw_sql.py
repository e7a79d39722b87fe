"""SQL of a person's own reads, ends, and changes nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from storage.errors import BadQuery, NoWorkspace
from storage.query import raw as raw_sql
from tests.storage.catalog import Catalog, candidate


@pytest.fixture
def workspace(catalog: Catalog) -> Path:
    catalog.page(catalog.crawl(), *(candidate(str(n)) for n in range(5)))
    return catalog.workspace


def test_a_statement_gives_columns_and_rows(workspace: Path) -> None:
    found = raw_sql.select(workspace, "SELECT site_id AS id, 1 FROM candidates ORDER BY 1 DESC;")
    assert found.columns == ("id", "1")
    assert list(found.rows) == [(str(n), 1) for n in reversed(range(5))]
    assert len(raw_sql.select(workspace, "VALUES (1), (2), (3)", limit=2).rows) == 2
    assert raw_sql.select(workspace, "PRAGMA table_info(works)").rows


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM works",
        "UPDATE works SET state = 'accepted'",
        "INSERT INTO meta VALUES ('a', 'b')",
        "DROP TABLE works",
        "CREATE TEMP TABLE x (y)",
        "ATTACH 'other.db' AS other",
        "DETACH main",
        "PRAGMA user_version = 9",
        "PRAGMA query_only = 0",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA writable_schema = 1",
        "VACUUM INTO 'copy.db'",
        "BEGIN",
        "REINDEX",
        "SELECT load_extension('x')",
        "WITH a AS (SELECT 1) DELETE FROM works",
    ],
)
def test_what_does_more_than_read_is_refused(
    workspace: Path, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = set(tmp_path.iterdir())
    with pytest.raises(BadQuery):
        raw_sql.select(workspace, sql)
    assert set(tmp_path.iterdir()) == there
    assert raw_sql.select(workspace, "SELECT count(*) FROM works").rows == [(5,)]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1; SELECT 2", "one statement"),
        ("SELECT nope FROM works", "no such column: nope"),
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELEC 1", "syntax error"),
        ("", "no rows"),
        ("SELECT ?", "bindings"),
        ("SELECT 'a\0b'", "null character"),
        ("SELECT '\udce9'", "surrogates"),
        ("SELECT zeroblob(100000000)", "too big"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_with_the_tables(
    workspace: Path, sql: str, told: str
) -> None:
    with pytest.raises(BadQuery, match=told) as error:
        raw_sql.select(workspace, sql)
    assert "\n" not in str(error.value)
    assert "candidates" in error.value.hint
    assert "_sqlite_migrations" not in error.value.hint


def test_a_statement_has_an_end(workspace: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    began = time.monotonic()
    with pytest.raises(BadQuery, match=r"longer than 0\.1 s"):
        raw_sql.select(workspace, endless, seconds=0.1)
    assert time.monotonic() - began < 5


def test_rows_have_an_end(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_sql, "MOST_ROWS", 4)
    with pytest.raises(BadQuery, match="more than 4 rows"):
        raw_sql.select(workspace, "SELECT * FROM works")
    assert len(raw_sql.select(workspace, "SELECT * FROM works LIMIT 4").rows) == 4


def test_without_a_catalog_there_is_nothing_to_ask(tmp_path: Path) -> None:
    with pytest.raises(NoWorkspace):
        raw_sql.select(tmp_path, "SELECT 1")
