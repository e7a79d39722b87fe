"""Derived pictures and their lineage."""

from __future__ import annotations

import pytest

from storage import derived, naming
from storage.derived import DerivedImage
from storage.naming import Name, Unnamed
from tests.storage.catalog import Catalog, sha256_of


def keep(catalog: Catalog, name: str, number: int = 0, **parameters: object) -> DerivedImage:
    temp = catalog.store.temp()
    temp.write_bytes(name.encode())
    made = DerivedImage("a" * 64, sha256_of(name), "png", 8, 9, len(name))
    catalog.write(
        lambda db: derived.keep(
            db,
            catalog.store,
            made,
            temp,
            stage="shrink",
            version=1,
            parameters=parameters,
            number=number,
        )
    )
    return made


def find(catalog: Catalog, version: int = 1, **parameters: object) -> list[DerivedImage]:
    return derived.find(catalog.db, "a" * 64, "shrink", version, parameters)


def test_what_a_stage_made_is_found_by_its_lineage_in_order(catalog: Catalog) -> None:
    second = keep(catalog, "two", 1, side=512, mode="x")
    first = keep(catalog, "one", 0, side=512, mode="x")
    assert find(catalog, mode="x", side=512) == [first, second]
    assert catalog.store.path(first.sha256, "png").read_bytes() == b"one"


def test_other_parameters_and_versions_are_other_pictures(catalog: Catalog) -> None:
    keep(catalog, "one", side=512)
    assert find(catalog, side=256) == []
    assert find(catalog, version=2, side=512) == []


def test_keeping_twice_is_keeping_once(catalog: Catalog) -> None:
    made = keep(catalog, "one", side=512)
    keep(catalog, "one", side=512)
    assert find(catalog, side=512) == [made]


def test_a_derived_file_is_found_by_its_hash_among_many(catalog: Catalog) -> None:
    row = "INSERT INTO derived VALUES (?, ?, 's', 1, '{}', 0, ?, 'png', 1, 1, 5, '')"
    names = ((n + 1, f"p{n}", f"d{n}") for n in range(2_000))
    catalog.write(lambda db: db.executemany(row, names))
    steps: list[int] = []
    catalog.db.set_progress_handler(lambda: steps.append(1), 10)  # of SQLite's machine
    with pytest.raises(Unnamed):
        naming.find(catalog.db, Name("x", "/x", "d1000"))
    catalog.db.set_progress_handler(None, 0)
    assert len(steps) < 50
