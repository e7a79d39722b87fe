"""What a workspace holds on disk."""

from __future__ import annotations

from storage.usage import disk_usage
from tests.storage.catalog import Catalog, candidate, rejected


def test_files_are_told_apart_by_whether_somebody_wants_them(catalog: Catalog) -> None:
    empty = disk_usage(catalog.db, catalog.workspace)
    assert (empty.files, empty.bytes, empty.reclaimable_files, empty.derived_bytes) == (0, 0, 0, 0)
    crawl = catalog.crawl()
    catalog.page(crawl, *map(candidate, "123"))
    catalog.fetched(crawl, "1", "1", size=100)
    catalog.fetched(crawl, "2", "2", size=250)
    catalog.fetched(crawl, "3", "3", rejected(), size=70)
    used = disk_usage(catalog.db, catalog.workspace)
    assert (used.files, used.bytes) == (2, 350)
    assert (used.reclaimable_files, used.reclaimable_bytes) == (1, 70)
    assert used.catalog_bytes == catalog.path.stat().st_size
    assert used.total_bytes == 420 + used.catalog_bytes + used.log_bytes


def test_a_derived_file_counts_once_however_it_was_derived(catalog: Catalog) -> None:
    for stage, name, size in ("trim", "a", 10), ("crop", "a", 10), ("crop2", "b", 7):
        catalog.db.execute(
            "INSERT INTO derived(parent, stage, version, parameters, number, sha256, format, width,"
            " height, bytes, created_at) VALUES ('p', ?, 1, '', 0, ?, 'png', 1, 1, ?, '')",
            (stage, name, size),
        )
    used = disk_usage(catalog.db, catalog.workspace)
    assert (used.derived_files, used.derived_bytes) == (2, 17)
