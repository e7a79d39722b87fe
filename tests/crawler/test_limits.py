"""What ends a run early, and how much it may do at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.limits import too_little_room, works_at_once


@pytest.mark.parametrize(
    ("wanted", "descriptors", "at_once"),
    [
        (32, None, 32),
        (32, 1_000_000, 32),
        (32, 160, 32),
        (32, 124, 20),
        (32, 67, 1),
        (32, 64, 1),
        (32, 10, 1),
        (1, 1_000_000, 1),
    ],
)
def test_as_many_works_go_on_at_once_as_there_are_descriptors_for(
    wanted: int, descriptors: int | None, at_once: int
) -> None:
    assert works_at_once(wanted, descriptors) == at_once


def test_two_of_the_largest_files_on_their_way_must_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.limits.free_bytes", lambda folder: 1_000_000)
    assert too_little_room(tmp_path, 1_000_000) is None
    assert too_little_room(tmp_path, 1_000_001) is not None
    assert too_little_room(tmp_path, 0, largest=500_000) is None
    full = too_little_room(tmp_path, 0, largest=500_001)
    assert full is not None
    assert full.exit_code == 3
