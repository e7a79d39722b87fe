"""What an export says beforehand that it may make: everything that a kill can leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.errors import BadOption, FolderNotOurs
from stages.export import disk
from stages.export.imagefolder import ImageFolder, ImageFolderOptions
from stages.export.kohya import Kohya, KohyaOptions
from stages.export.sheet import Sheet, SheetOptions
from tests.stages.conftest import Make, encoded, noise, tree

LAYOUTS = {
    "out": [Kohya(KohyaOptions()), ImageFolder(ImageFolderOptions())],
    "out.jpg": [Sheet(SheetOptions())],
}
every = pytest.mark.parametrize(
    ("layout", "name"), [(layout, name) for name, layouts in LAYOUTS.items() for layout in layouts]
)


@every
def test_every_file_that_shows_a_picture_was_planned(
    make: Make, tmp_path: Path, layout: Any, name: str
) -> None:
    images = [make("1"), make("2", encoded(noise(30, 40, bands=4), "PNG"))]
    out = tmp_path / name
    planned = set(layout.planned(images, out))
    assert not out.exists()
    assert planned >= set(layout.write(images, out).files)
    # Also where it is written to before it gets its name, a picture and a list alike.
    for sha256, path in layout.write(images, out).files:
        assert (sha256, disk.temp_beside(path)) in planned


@every
def test_no_file_of_somebody_else_is_planned(
    make: Make, tmp_path: Path, layout: Any, name: str
) -> None:
    out = tmp_path / name
    if name.endswith(".jpg"):
        out.write_bytes(b"a holiday")
    else:
        out.mkdir()
        (out / "holiday.png").write_bytes(b"a holiday")
    before = tree(tmp_path)
    with pytest.raises(FolderNotOurs):
        list(layout.planned([make("1")], out))
    assert {k: v for k, v in tree(tmp_path).items() if not k.startswith("files/")} == before


def test_a_sheet_of_a_wrong_name_is_not_planned(make: Make, tmp_path: Path) -> None:
    with pytest.raises(BadOption):
        list(Sheet(SheetOptions()).planned([make("1")], tmp_path / "sheet.png"))
