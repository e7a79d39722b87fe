"""``trawl inspect --explain``: what filters looked at, in words and as a picture."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from crawler.cli.explained_picture import draw
from crawler.cli.inspection import explanations
from filters.base import BaseFilter
from filters.explanation import Explanation, Seen
from filters.picture import Picture
from filters.policy import Judge
from filters.quality import Quality
from tests.crawler.cli.conftest import Trawl
from tests.filters.support import drawing, encode

TILE, CONTENT = (255, 224, 0), (0, 192, 255)
"""The colours of outlines."""


@pytest.fixture
def picture() -> Path:
    """One whose own metadata would lead elsewhere, if anybody followed it."""
    named = PngImagePlugin.PngInfo()
    named.add_text("Title", "../../elsewhere")
    path = Path("picture.png")
    drawing(1200, 1000).save(path, pnginfo=named)
    return path


def name_of(path: Path) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.png"


def has(image: Image.Image, colour: tuple[int, int, int]) -> int:
    """How many pixels of a picture have this colour."""
    return int((np.asarray(image.convert("RGB")) == colour).all(axis=2).sum())


def test_a_person_reads_what_was_measured_asked_and_looked_at(trawl: Trawl, picture: Path) -> None:
    allowed = ("--allow", "upscaled,fake_side,fake_pixels")  # it is drawn by code
    done = trawl("inspect", picture, "--explain", "seen", *allowed)
    assert done.code == 0
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0].startswith("picture.png: 1200x1000 accepted; monochrome: colour 0.0")
    assert "; upscale: " in lines[0]
    assert ", effective " in lines[0]
    assert any(
        line.startswith("quality.sharpness 1.0 at least 0.3 (quality.min_sharpness)")
        and line.endswith("passes")
        for line in lines
    )
    assert "quality looked at:" in lines
    assert f"drawn: {Path('seen') / name_of(picture)}" in lines


def test_a_program_reads_the_same(trawl: Trawl, picture: Path) -> None:
    Path("broken.png").write_bytes(b"no picture")
    done = trawl("inspect", picture, "broken.png", "--explain", "seen", "--ndjson")
    good, broken = map(json.loads, done.out.splitlines())
    assert Path(good["explained"]).is_file()
    tiles = good["looked_at"]["quality"]["tiles"]
    assert max(tile["score"] for tile in tiles) == good["measured"]["quality"]["sharpness"]
    asked = {one["option"]: one for one in good["thresholds"] if "option" in one}
    assert asked["quality.min_sharpness"]["passes"] is True
    assert (broken["explained"], broken["looked_at"], broken["thresholds"]) == (None, {}, [])
    assert "explained" not in json.loads(trawl("inspect", picture, "--json").out)[0]


def test_the_drawing_is_called_by_the_hash_and_nothing_else_is_written(
    trawl: Trawl, picture: Path, tmp_path: Path
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert trawl("inspect", picture, "--explain", "seen").code == 0
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert [path.relative_to(tmp_path / "work") for path in after - before] == [
        Path("seen") / name_of(picture)
    ]


def test_our_own_drawing_is_replaced_and_no_other_file(trawl: Trawl, picture: Path) -> None:
    out = Path("seen") / name_of(picture)
    for _ in range(2):
        assert trawl("inspect", picture, "--explain", "seen").code == 0
    first = out.read_bytes()
    drawing().save(out)
    mine = out.read_bytes()
    assert mine != first
    done = trawl("inspect", picture, "--explain", "seen")
    assert done.code == 2
    assert "is there already and is not ours" in done.err
    assert out.read_bytes() == mine
    Path("file").touch()
    assert trawl("inspect", picture, "--explain", "file").code == 2


def test_drawings_of_an_earlier_run_are_not_looked_at(trawl: Trawl, picture: Path) -> None:
    for _ in range(2):
        done = trawl("inspect", ".", "--explain", "seen", "--ndjson")
        looked_at = [Path(json.loads(line)["path"]).name for line in done.out.splitlines()]
        assert looked_at == [picture.name]


def test_the_tiles_are_drawn_as_they_are_and_outlined_on_the_whole() -> None:
    image = drawing(1200, 1000)
    tiles = (Seen((0, 0, 96, 96), 0.5, "soft"), Seen((600, 500, 728, 628)))
    page = draw(image, "1200x1000", {"upscale": Explanation(tiles, (0, 100, 1200, 900))})
    pixels = np.asarray(page)
    tile = np.asarray(image.crop(tiles[0].box)).repeat(2, axis=0).repeat(2, axis=1)
    rows, columns = pixels.shape[0] - 192 + 1, 500 - 480
    found = any(
        (pixels[top : top + 192, left : left + 192] == tile).all()
        for left in range(480, 480 + columns + 1)
        for top in range(rows)
    )
    assert found
    assert has(page, TILE) > 200
    assert has(page, CONTENT) > 1000
    bare = draw(image, "", {"upscale": Explanation(notes=("nothing to see",))})
    assert has(bare, TILE) == has(bare, CONTENT) == 0


@pytest.mark.parametrize("size", [(1, 1), (30, 2000), (5000, 12)])
def test_pictures_and_places_of_any_shape_are_drawn(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    boxes = [(0, 0, *size), (size[0] - 1, size[1] - 1, size[0] + 50, size[1] + 50)]
    tiles = tuple(Seen(box, None, "a\nb") for box in boxes) * 40
    page = draw(image, "", {"a": Explanation(tiles, (0, 0, *size)), "b": Explanation()})
    assert max(page.size) < 4000


class Broken(BaseFilter):
    name: ClassVar[str] = "broken"

    def explain(self, picture: Picture) -> Explanation:
        raise RuntimeError("out of words")


class Silent(BaseFilter):
    name: ClassVar[str] = "silent"

    def explain(self, picture: Picture) -> None:
        return None


def test_filters_explain_themselves_as_far_as_they_can() -> None:
    with Picture.open(encode(drawing(), "PNG")) as picture:
        found = dict(explanations(Judge([Broken(), Silent(), Quality(), BaseFilter()]), picture))
    assert set(found) == {"broken", "quality"}
    assert found["broken"].notes == ("failed: RuntimeError: out of words",)
    assert len(found["quality"].tiles) == 1


def test_a_picture_without_contrast_is_explained_too() -> None:
    with Picture.open(encode(Image.new("RGB", (300, 200), "red"), "PNG")) as picture:
        found = Quality().explain(picture)
    assert {tile.label for tile in found.tiles} == {"too little contrast"}
    assert "no place has contrast enough" in found.notes[0]
