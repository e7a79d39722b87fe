"""Any tool that reads SQLite can look at the catalog: Datasette does, while a crawl writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from storage.database import open_writer
from tests.storage.catalog import Catalog, candidate, rejected

pytestmark = pytest.mark.skipif(
    find_spec("datasette") is None, reason="datasette is not installed (the test extra has it)"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    catalog = Catalog(tmp_path / "ws")
    crawl = catalog.crawl()
    catalog.page(
        crawl,
        *(candidate(str(n), tags={"general": ("1girl", "hat")}) for n in range(3)),
        *((candidate(f"c{n}", tags={"general": ("comic",)}), rejected("comic")) for n in range(4)),
        (candidate("s", tags={"general": ("1girl",)}), rejected("too_small", 300, 768)),
    )
    catalog.fetched(crawl, "1", "one")
    catalog.db.close()
    return catalog.workspace


def get(workspace: Path, table: str, **asked: str) -> dict[str, Any]:
    """What ``datasette --get`` answers, in a process of its own."""
    catalog = workspace / "catalog.db"
    command = [sys.executable, "-m", "datasette", str(catalog), "--get"]
    question = f"/catalog/{table}.json?{urlencode({'_shape': 'objects', **asked})}"
    done = subprocess.run(
        [*command, question],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(workspace)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def facet(answer: dict[str, Any], name: str) -> dict[str, int]:
    return {row["value"]: row["count"] for row in answer["facet_results"][name]["results"]}


def test_datasette_facets_by_reason_and_tag_while_a_crawl_writes(workspace: Path) -> None:
    writer = open_writer(workspace / "catalog.db")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE works SET reason = 'not yet committed' WHERE reason = 'comic'")
    try:
        works = get(workspace, "works", _facet="reason")
        tags = get(workspace, "tagged", _facet="tag")
        reasons = get(workspace, "reasons", _sort_desc="works")
    finally:
        writer.execute("ROLLBACK")
        writer.close()
    assert facet(works, "reason") == {"comic": 4, "too_small": 1}
    assert facet(tags, "tag") == {"1girl": 4, "comic": 4, "hat": 3}
    assert (reasons["rows"][0]["reason"], reasons["rows"][0]["works"]) == ("comic", 4)
