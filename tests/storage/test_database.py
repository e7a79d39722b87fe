"""Opening the catalog: durable, migrated, never one that is newer than we are."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage import database
from storage.database import VERSION, open_reader, open_writer, write_once
from storage.errors import NewerCatalog, StorageError


def value(db: sqlite3.Connection, pragma: str) -> object:
    return db.execute(f"PRAGMA {pragma}").fetchone()[0]


def test_a_new_catalog_is_of_our_version_and_durable(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "deep" / "catalog.db")
    assert value(db, "user_version") == VERSION
    assert value(db, "journal_mode") == "wal"
    assert value(db, "synchronous") == 2
    assert value(db, "foreign_keys") == 1
    db.close()


def test_a_newer_catalog_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_writer(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    for attempt in (open_writer, open_reader, lambda p: write_once(p, lambda db: None)):
        with pytest.raises(NewerCatalog, match=f"version {VERSION + 1}"):
            attempt(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_opening_an_up_to_date_catalog_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_writer(path).close()
    keeper = open_reader(path)
    before = value(keeper, "data_version")
    open_writer(path).close()
    assert value(keeper, "data_version") == before
    keeper.close()


def test_what_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(b"not a database at all, only text " * 64)
    with pytest.raises(StorageError, match="cannot be read") as told:
        open_reader(path)
    assert "files/" in told.value.hint


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    open_writer(path).close()
    db = open_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM works")
    db.close()


def test_a_reader_finds_a_folder_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "50% off?#&" / "catalog.db"
    open_writer(path).close()
    open_reader(path).close()


def test_a_write_from_outside_is_one_transaction(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
        raise LookupError

    with pytest.raises(LookupError):
        write_once(path, half)
    assert write_once(path, lambda db: db.execute("SELECT * FROM meta").fetchall()) == []


def test_many_may_make_the_catalog_at_once(tmp_path: Path) -> None:
    path, troubles = tmp_path / "catalog.db", []

    def make() -> None:
        try:
            open_writer(path).close()
        except Exception as error:
            troubles.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


MIGRATE = """
import os, sys
from pathlib import Path
from storage import schema
from storage.database import open_writer

def migrate(db, whole=schema.migrate):
    left = int(sys.argv[2])
    def count(statement):
        nonlocal left
        left -= 1
        if left < 0:
            os._exit(9)
    db.set_trace_callback(count)
    whole(db)

schema.migrate = migrate
open_writer(Path(sys.argv[1])).close()
"""


@pytest.mark.parametrize("statements", [0, 1, 3, 10, 25, 40])
def test_a_migration_that_is_killed_is_done_by_the_next_start(
    tmp_path: Path, statements: int
) -> None:
    path = tmp_path / "catalog.db"
    command = [sys.executable, "-c", MIGRATE, str(path), str(statements)]
    assert subprocess.run(command).returncode == 9
    db = open_writer(path)
    assert value(db, "user_version") == VERSION
    assert value(db, "integrity_check") == "ok"
    db.execute("SELECT count(*) FROM works").fetchone()
    db.close()


def test_whoever_meets_a_writer_gets_its_turn_right_after_it(tmp_path: Path) -> None:
    """SQLite's own waits grow to 100 ms: who meets one that writes all the time never has luck."""
    busy, other = (open_writer(tmp_path / "catalog.db") for _ in range(2))
    over = threading.Event()

    def write_all_the_time() -> None:
        while not over.wait(0.001):
            database.begin(busy)
            busy.execute("INSERT OR REPLACE INTO meta VALUES ('busy', '1')")
            over.wait(0.02)
            busy.execute("COMMIT")

    writing = threading.Thread(target=write_all_the_time)
    writing.start()
    waits = []
    for _ in range(20):
        began = time.monotonic()
        database.begin(other)
        waits.append(time.monotonic() - began)
        other.execute("INSERT OR REPLACE INTO meta VALUES ('other', '1')")
        other.execute("COMMIT")
        time.sleep(0.003)
    over.set()
    writing.join()
    assert sorted(waits)[len(waits) // 2] < 0.06
    for db in (busy, other):
        db.close()


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 50)
    holding = open_writer(tmp_path / "catalog.db")
    holding.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        write_once(tmp_path / "catalog.db", lambda db: None)
    holding.close()
