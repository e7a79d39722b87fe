"""Whatever works are called, their files stay in the folder, differ, and can be told apart."""

from __future__ import annotations

import json
import os
import random
import unicodedata
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from PIL import Image

from stages.errors import FolderNotOurs
from stages.export.imagefolder import ImageFolder, ImageFolderOptions
from stages.export.kohya import Kohya, KohyaOptions
from stages.names import readable_names
from tests.properties.amount import amount
from tests.properties.names import images

BATCH = 500
LONGEST = 150
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$", "com0", "lpt0"}
RESERVED |= {port + digit for port in ("com", "lpt") for digit in "123456789¹²³"}
LAYOUTS: list[Any] = [Kohya(KohyaOptions()), ImageFolder(ImageFolderOptions())]


def folded(name: str) -> str:
    """Equal for names that some file system takes for one: Apple's folds more than others do."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFKC", name).casefold()).casefold()


def assert_safe(file: str) -> None:
    """A file of this name is made in its folder, and only there, on every system."""
    assert file == os.path.basename(file) == PureWindowsPath(file).name
    assert len(file.encode("utf-8")) <= LONGEST
    assert file == unicodedata.normalize("NFC", file)
    assert file[0] not in ".-~ "
    assert file[-1] not in ". "
    assert file.lower().partition(".")[0].rstrip() not in RESERVED
    for char in file:
        assert unicodedata.category(char)[0] in "LNM" or char in "-.", repr(char)


@pytest.mark.parametrize("seed", range(amount(20, 200)))
def test_no_name_leaves_the_folder_and_no_two_are_one(seed: int) -> None:
    works = images(seed, BATCH)
    stems = readable_names(works)
    assert len({folded(stem) for stem in stems}) == BATCH
    for stem in stems:
        for extension in (".jpeg", ".webp", ".txt"):
            assert_safe(stem + extension)
    order = list(range(BATCH))
    random.Random(seed).shuffle(order)
    assert readable_names([works[n] for n in order]) == [stems[n] for n in order]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (1, 1)).save(path)
    return path


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("seed", range(amount(1, 20)))
def test_an_export_tells_of_every_work_which_file_it_is(
    layout: Any, seed: int, tmp_path: Path, picture: Path
) -> None:
    works = images(seed, amount(100, BATCH), picture)
    out = tmp_path / "deep" / "out"
    layout.write(works, out)
    lines = (out / "manifest.jsonl").read_text("utf-8").split("\n")[:-1]
    told = {(r["site"], r["site_id"]): r["file"] for r in map(json.loads, lines)}
    assert set(told) == {(work.site, work.site_id) for work in works}
    assert len({folded(file) for file in told.values()}) == len(works)
    for file in told.values():
        assert (out / file).is_file()
        assert_safe(Path(file).name)
    assert {p.name for p in tmp_path.iterdir()} == {"deep", "picture.png"}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out"]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("seed", range(amount(3, 30)))
def test_a_link_planted_in_the_tree_is_never_followed(
    layout: Any, seed: int, tmp_path: Path, picture: Path
) -> None:
    chance = random.Random(seed)
    works = images(seed, 12, picture)
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    layout.write(works[:8], out)
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    entries = sorted(path for path in out.rglob("*") if path.name != ".trawl-export.json")
    planted = chance.choice(entries)
    if planted.is_dir():
        planted.rename(tmp_path / "aside")
        planted.symlink_to(elsewhere, target_is_directory=True)
    else:
        planted.unlink()
        planted.symlink_to(elsewhere / chance.choice(["precious", "not there"]))
    try:
        layout.write(chance.sample(works, 10), out)
    except FolderNotOurs:
        assert planted.is_symlink()  # told, and nothing touched
    assert [p.name for p in elsewhere.iterdir()] == ["precious"]
    assert (elsewhere / "precious").read_text() == "mine"
