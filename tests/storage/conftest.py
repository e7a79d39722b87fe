"""A catalog to write to, without an engine around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.catalog import Catalog, assert_counted


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog(tmp_path / "ws")
    yield made
    assert_counted(made.db)  # whatever the test did
    made.db.close()
