"""Which exported files hold which picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.export_index import record_export
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
