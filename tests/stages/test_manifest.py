"""What the tables of an export tell of where a picture is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.export.imagefolder import ImageFolder, ImageFolderOptions
from stages.export.kohya import Kohya, KohyaOptions
from tests.stages.conftest import Make


@pytest.mark.parametrize(
    ("layout", "tables"),
    [(Kohya(KohyaOptions()), 1), (ImageFolder(ImageFolderOptions()), 2)],
)
def test_they_tell_no_login_and_no_signature(
    make: Make, tmp_path: Path, layout: Any, tables: int
) -> None:
    signed = "https://me:canary@x.example/a?id=5&sig=canary"
    image = make("5", page_url=signed, source_url=signed, file_url=signed)
    layout.write([image], tmp_path / "out")
    found = [path.read_text() for path in (tmp_path / "out").rglob("*.jsonl")]
    assert len(found) == tables
    for text in found:
        assert "canary" not in text
        assert "https://x.example/a?id=5" in text
