"""Which exported files hold which picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.export_index import forget_unmade, plan_export, record_export
from storage.records import AcceptedImage
from tests.storage.catalog import Catalog


def test_an_exported_file_is_known_by_its_absolute_path(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record_export(catalog.path, [("a" * 64, Path("out/1.png"))])
    assert catalog.rows("SELECT path, sha256 FROM exported") == [
        (str(tmp_path / "out" / "1.png"), "a" * 64)
    ]


def test_a_file_that_holds_another_picture_now_is_that_ones(catalog: Catalog) -> None:
    record_export(catalog.path, [("a" * 64, Path("/out/1.png"))])
    record_export(catalog.path, [("b" * 64, Path("/out/1.png"))])
    assert catalog.rows("SELECT sha256 FROM exported") == [("b" * 64,)]


def test_a_sheet_shows_many_pictures(catalog: Catalog) -> None:
    record_export(catalog.path, [("a" * 64, Path("/sheet.jpg")), ("b" * 64, Path("/sheet.jpg"))])
    assert len(catalog.rows("SELECT sha256 FROM exported")) == 2


def test_an_empty_export_writes_nothing(tmp_path: Path) -> None:
    record_export(tmp_path / "catalog.db", [])
    assert list(tmp_path.iterdir()) == []


BAD, GOOD = "a" * 64, "b" * 64


def test_what_is_planned_is_remembered_beside_what_is_known(catalog: Catalog) -> None:
    record_export(catalog.path, [(BAD, Path("/out/1.png"))])
    plan_export(catalog.path, [image(GOOD)], [(GOOD, Path("/out/1.png"))])
    assert set(catalog.rows("SELECT path, sha256 FROM exported")) == {
        ("/out/1.png", BAD),
        ("/out/1.png", GOOD),
    }


def test_of_what_was_planned_stays_what_was_made_or_is_there(
    catalog: Catalog, tmp_path: Path
) -> None:
    kept = tmp_path / "1.txt"
    kept.write_text("by hand")
    made, planned = tmp_path / "1.png", [tmp_path / "1.jpg", tmp_path / "1.png", kept]
    shown = [(GOOD, path) for path in planned]
    plan_export(catalog.path, [image(GOOD)], shown)
    record_export(catalog.path, [(GOOD, made)], shown)
    found = {path for (path,) in catalog.rows("SELECT path FROM exported")}
    assert found == {str(made), str(kept)}


def test_of_a_failed_export_nothing_stays_that_is_not_there(
    catalog: Catalog, tmp_path: Path
) -> None:
    there = tmp_path / "1.png"
    there.write_bytes(b"picture")
    shown = [(GOOD, there), (GOOD, tmp_path / "2.png")]
    plan_export(catalog.path, [image(GOOD)], shown)
    forget_unmade(catalog.path, shown)
    assert catalog.rows("SELECT path FROM exported") == [(str(there),)]


def test_pictures_of_another_catalog_are_left_where_they_are(
    catalog: Catalog, tmp_path: Path
) -> None:
    there = tmp_path / "1.png"
    there.write_bytes(b"picture")
    held = plan_export(catalog.path, [image(GOOD)], [])
    assert held == frozenset()
    assert record_export(catalog.path, [(GOOD, there)], [], [image(GOOD)], held) == frozenset()
    assert there.exists()


def image(sha256: str) -> AcceptedImage:
    return AcceptedImage(1, "site", "1", sha256, None, "png", 8, 8, 9, "accepted")
