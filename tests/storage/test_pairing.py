"""A catalog and its files: a lost or an older catalog must not cost the files it does not know."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import pairing, purge
from storage.files import FileStore
from storage.records import Candidate
from tests.storage.catalog import Catalog, candidate, sha256_of


@contextmanager
def running(workspace: Path) -> Iterator[Catalog]:
    """A run of an engine, from its tidying to its clean end."""
    catalog = Catalog(workspace)
    yield catalog
    catalog.write(purge.mark_clean)
    catalog.db.close()


def gather(catalog: Catalog, *names: str) -> None:
    """Take these pictures."""
    crawl = catalog.crawl()
    works: list[Candidate] = [candidate(name) for name in names]
    catalog.page(crawl, *works)
    for name in names:
        catalog.fetched(crawl, name, name)


def copied(workspace: Path, to: Path) -> Path:
    """A copy of the catalog made while no engine runs, or by SQLite's own means."""
    with Catalog(workspace).db as db:
        db.execute("VACUUM INTO ?", (str(to),))
    db.close()
    return to


def put_back(copy: Path, workspace: Path) -> None:
    for path in workspace.glob("catalog.db*"):
        path.unlink()
    shutil.copy(copy, workspace / "catalog.db")


def strays(workspace: Path) -> set[str]:
    folder = workspace / "files" / "strays"
    return {path.stem for path in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace after a run that took two pictures."""
    with running(tmp_path / "ws") as catalog:
        gather(catalog, "a", "b")
    return tmp_path / "ws"


def orphan(catalog: Catalog) -> Path:
    temp = catalog.store.temp()
    temp.write_bytes(b"renamed, not committed")
    return catalog.store.adopt(temp, sha256_of("orphan"), "png")


def test_what_a_kill_left_is_removed_in_the_first_run_and_in_every_other(tmp_path: Path) -> None:
    for _ in range(3):
        killed = Catalog(tmp_path)
        left = orphan(killed)
        killed.db.close()
        with running(tmp_path):
            assert not left.exists()
            assert strays(tmp_path) == set()


def test_files_that_a_new_catalog_does_not_know_are_set_aside(
    workspace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in workspace.glob("catalog.db*"):
        path.unlink()
    with running(workspace) as catalog:
        assert catalog.files() == set()
    assert strays(workspace) == {sha256_of("a"), sha256_of("b")}
    assert "2 files that it does not know were moved to files/strays" in caplog.text


def test_they_are_taken_back_by_the_catalog_that_knows_them(workspace: Path) -> None:
    copy = copied(workspace, workspace.parent / "copy.db")
    for path in workspace.glob("catalog.db*"):
        path.unlink()
    with running(workspace) as catalog:
        gather(catalog, "c")
    put_back(copy, workspace)
    with running(workspace) as catalog:
        assert catalog.files() == {sha256_of("a"), sha256_of("b")}
    assert strays(workspace) == {sha256_of("c")}


def test_an_older_copy_is_noticed_once_a_run_has_ended_since(workspace: Path) -> None:
    copy = copied(workspace, workspace.parent / "copy.db")
    with running(workspace) as catalog:
        gather(catalog, "c")
    put_back(copy, workspace)
    with running(workspace) as catalog:
        assert catalog.files() == {sha256_of("a"), sha256_of("b")}
    assert strays(workspace) == {sha256_of("c")}


def test_an_older_copy_is_noticed_though_the_run_since_was_killed(workspace: Path) -> None:
    copy = copied(workspace, workspace.parent / "copy.db")
    killed = Catalog(workspace)
    gather(killed, "c")
    killed.db.close()
    put_back(copy, workspace)
    with running(workspace):
        assert strays(workspace) == {sha256_of("c")}


def test_a_copy_made_in_the_middle_of_a_long_run_is_noticed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = Catalog(workspace)
    killed.db.execute("VACUUM INTO ?", (str(workspace.parent / "copy.db"),))
    later = time.time() + 2 * pairing.PACE
    monkeypatch.setattr("storage.pairing.time.time", lambda: later)
    killed.write(purge.follow_clock)
    gather(killed, "c")
    killed.db.close()
    put_back(workspace.parent / "copy.db", workspace)
    with running(workspace):
        assert strays(workspace) == {sha256_of("c")}


def test_the_catalog_of_another_workspace_is_noticed_however_new(
    workspace: Path, tmp_path: Path
) -> None:
    for name in ("x", "y", "z"):
        with running(tmp_path / "other") as catalog:
            gather(catalog, name)
    put_back(copied(tmp_path / "other", tmp_path / "copy.db"), workspace)
    with running(workspace):
        assert strays(workspace) == {sha256_of("a"), sha256_of("b")}


def test_a_kill_between_the_commit_and_the_note_of_it_is_no_other_catalog(workspace: Path) -> None:
    killed = Catalog(workspace)
    left = orphan(killed)
    killed.db.execute("BEGIN")
    pairing.advance(killed.db)
    killed.db.execute("COMMIT")  # and the files were never told
    killed.db.close()
    with running(workspace) as catalog:
        assert not left.exists()
        assert catalog.files() == {sha256_of("a"), sha256_of("b")}
    assert strays(workspace) == set()


def test_a_kill_before_the_new_catalog_was_noted_loses_nothing(workspace: Path) -> None:
    for path in workspace.glob("catalog.db*"):
        path.unlink()
    told = (workspace / "files" / "catalog.pair").read_bytes()
    Catalog(workspace).db.close()
    (workspace / "files" / "catalog.pair").write_bytes(told)
    with running(workspace):
        assert strays(workspace) == {sha256_of("a"), sha256_of("b")}


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"0123 5", b"5", b"a" * 32 + b" 1e9"])
def test_a_note_that_says_nothing_loses_nothing(workspace: Path, text: bytes) -> None:
    (workspace / "files" / "catalog.pair").write_bytes(text)
    with running(workspace) as catalog:
        assert catalog.files() == {sha256_of("a"), sha256_of("b")}
        left = orphan(catalog)
    with running(workspace):
        assert not left.exists()  # the same catalog, told anew


def test_the_generation_grows_though_the_clock_does_not(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.pairing.time.time", lambda: 0.0)
    told = [FileStore(workspace).pair]
    for _ in range(3):
        with running(workspace):
            told.append(FileStore(workspace).pair)
        told.append(FileStore(workspace).pair)
    assert sorted(set(told)) == told


def test_what_is_blocked_is_no_stray_either(workspace: Path) -> None:
    with running(workspace) as catalog:
        path = catalog.store.path(sha256_of("a"), "png")
        catalog.store.strays.mkdir()
        shutil.copy(path, catalog.store.strays / path.name)
        catalog.write(lambda db: purge.purge(db, [catalog.id("a")]))
        assert strays(workspace) == set()
