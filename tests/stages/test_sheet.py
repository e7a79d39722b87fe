"""The contact sheet: every work has its cell, readable words and the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.errors import BadOption, FolderNotOurs, NothingToDraw
from stages.export.sheet import Sheet, SheetOptions
from stages.export.sheet_captions import caption
from storage.records import AcceptedImage
from tests.stages.conftest import Make, encoded


def cells(path: Path, cell: int, columns: int) -> np.ndarray:
    """The mean colour of the middle of each cell of the first row."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    middle = [8 + cell // 2 + i * (cell + 8) for i in range(columns)]
    top = 8 + cell // 2
    return np.array([pixels[top - 5 : top + 5, x - 5 : x + 5].mean((0, 1)) for x in middle])


def test_pictures_appear_in_their_order(make: Make, tmp_path: Path) -> None:
    colours = [(200, 20, 20), (20, 200, 20), (20, 20, 200)]
    images = [
        make(str(i), encoded(Image.new("RGB", (400, 300 + i), c), "PNG"))
        for i, c in enumerate(colours)
    ]
    out = tmp_path / "new" / "sheet.jpg"
    report = Sheet(SheetOptions(columns=3, cell=200)).write(images, out)
    assert (report.written, report.skipped) == (3, {})
    # Pictures stand on the bottom of their cells, which the middle still shows.
    assert np.abs(cells(out, 200, 3) - colours).max() < 12


def test_the_same_works_give_the_same_file_untouched(make: Make, tmp_path: Path) -> None:
    images, out = [make("1"), make("2")], tmp_path / "sheet.jpg"
    Sheet(SheetOptions()).write(images, out)
    before = out.stat()
    report = Sheet(SheetOptions()).write(images, out)
    assert (report.written, report.unchanged) == (0, 2)
    assert (out.stat().st_ino, out.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert Sheet(SheetOptions()).write(images[:1], out).written == 1


def test_works_that_cannot_be_decoded_have_a_grey_cell_with_words(
    make: Make, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"not a picture")
    images = [make("1", path=broken), make("2", path=broken), make("3", path=broken)]
    out = tmp_path / "sheet.jpg"
    Sheet(SheetOptions(columns=3, cell=200, numbers=False)).write(images, out)
    with Image.open(out) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for i in range(3):
        corner = pixels[12:60, 12 + i * 208 : 190 + i * 208]
        assert np.abs(corner - 200).max() <= 3
        words = pixels[100:125, 12 + i * 208 : 190 + i * 208]
        assert words.min() < 80


def test_a_reason_is_written_with_what_was_measured(make: Make, tmp_path: Path) -> None:
    plain, told = make("1"), make("1", state="rejected", reason="small", measured=1, threshold=2)
    silent = SheetOptions(columns=1, cell=200, fields=("reason",))
    Sheet(silent).write([plain], tmp_path / "a.jpg")
    Sheet(silent).write([told], tmp_path / "b.jpg")
    with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
        assert a.size == b.size
        below_a, below_b = (np.asarray(i.convert("L"))[210:].astype(int) for i in (a, b))
    assert below_a.min() > 200
    assert below_b.min() < 130


def test_a_long_list_is_cut_and_the_sheet_says_so(make: Make, tmp_path: Path) -> None:
    images = [make("1"), make("2"), make("3")]
    options = SheetOptions(columns=2, cell=100, max_cells=2)
    report = Sheet(options).write(images, tmp_path / "a.jpg")
    assert report.skipped == {"over_max_cells": 1}
    Sheet(options).write(images[:2], tmp_path / "b.jpg")
    with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
        assert a.height > b.height
        assert np.asarray(a.convert("L"))[b.height :].min() < 130


def test_works_without_a_file_give_their_place_to_others_and_are_counted(
    make: Make, tmp_path: Path
) -> None:
    red = make("3", encoded(Image.new("RGB", (200, 200), (200, 20, 20)), "PNG"))
    never = [make("1", path=None, state="rejected"), make("2", path=tmp_path / "gone")]
    out = tmp_path / "sheet.jpg"
    report = Sheet(SheetOptions(columns=2, cell=200, max_cells=2)).write([*never, red], out)
    assert (report.written, report.skipped) == (1, {"no_file": 2})
    assert report.files == ((red.sha256, out),)
    assert np.abs(cells(out, 200, 1) - (200, 20, 20)).max() < 12
    Sheet(SheetOptions(columns=2, cell=200)).write([red], tmp_path / "b.jpg")
    with Image.open(out) as a, Image.open(tmp_path / "b.jpg") as b:
        below = np.asarray(a.convert("L"))[b.height :]
    assert below.size
    assert below.min() < 130, "the sheet does not say that two are missing"


def test_nothing_to_draw_is_an_error_and_leaves_an_old_sheet_alone(
    make: Make, tmp_path: Path
) -> None:
    out = tmp_path / "sheet.jpg"
    for works, words in ([], "no works"), ([make("1", path=None)] * 3, "none of the 3 works"):
        with pytest.raises(NothingToDraw, match=words) as raised:
            Sheet(SheetOptions()).write(works, out)
        assert raised.value.exit_code == 2
        assert raised.value.hint
    assert not out.exists()
    Sheet(SheetOptions()).write([make("1")], out)
    before = out.read_bytes()
    with pytest.raises(NothingToDraw):
        Sheet(SheetOptions()).write([make("1", path=None)], out)
    assert out.read_bytes() == before


def test_a_file_that_is_no_sheet_is_never_replaced(make: Make, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(Image.new("RGB", (8, 8)), "JPEG"))
    before = photo.read_bytes()
    with pytest.raises(FolderNotOurs):
        Sheet(SheetOptions()).write([make("1")], photo)
    assert photo.read_bytes() == before
    with pytest.raises(BadOption):
        Sheet(SheetOptions()).write([make("1")], tmp_path / "sheet.png")


def test_an_unknown_field_and_a_sheet_too_tall_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="artist"):
        Sheet(SheetOptions(fields=("colour",)))
    tall = SheetOptions(columns=1, cell=1024, max_cells=1000)
    with pytest.raises(BadOption, match="tall"):
        Sheet(tall).write([make("1")] * 70, tmp_path / "sheet.jpg")
    assert not (tmp_path / "sheet.jpg").exists()


def test_every_picture_has_its_number_in_the_corner(make: Make, tmp_path: Path) -> None:
    black = encoded(Image.new("RGB", (200, 200)), "PNG")
    images = [make("1", black), make("2", black), make("3", path=None)]
    sheet = Sheet(SheetOptions(columns=2, cell=200))
    sheet.write(images, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        grey = np.asarray(image.convert("L")).astype(int)
    for left in (8, 216):
        corner = grey[8:22, left : left + 12]
        assert corner.max() > 200  # a white plate
        assert corner.min() < 80  # with a digit on it
    assert [image.site_id for image in sheet.cells(images)] == ["1", "2"]


def test_several_reasons_are_told_apart_by_headings_and_numbered_as_they_stand(
    make: Make, tmp_path: Path
) -> None:
    def rejected(name: str, reason: str) -> AcceptedImage:
        return make(name, state="rejected", reason=reason, measured=1, threshold=2)

    mixed = [rejected("1", "small"), rejected("2", "blurred"), rejected("3", "small")]
    grouped, plain = (
        SheetOptions(columns=2, cell=100),
        SheetOptions(columns=2, cell=100, group=False),
    )
    assert [one.site_id for one in Sheet(grouped).cells(mixed)] == ["1", "3", "2"]
    assert [one.site_id for one in Sheet(plain).cells(mixed)] == ["1", "2", "3"]
    heights: list[int] = []
    for options, works in (grouped, mixed), (plain, mixed), (grouped, [mixed[0], mixed[2]]):
        Sheet(options).write(works, tmp_path / f"{len(heights)}.jpg")
        with Image.open(tmp_path / f"{len(heights)}.jpg") as image:
            heights.append(image.height)
    assert heights[0] > heights[1] > heights[2]


def test_a_caption_names_the_work_as_commands_take_it(make: Make) -> None:
    image = make("7", state="rejected", reason="blurred", measured=0.123456, threshold=0.5)
    assert caption(image, "id") == f"{image.site}:7"
    assert caption(image, "reason") == "blurred: 0.1235 / 0.5"
    assert caption(replace(image, score=12.0), "score") == "score 12"
    assert caption(image, "score") == ""


def test_words_of_a_site_stand_on_one_line_each(make: Make, tmp_path: Path) -> None:
    image = make("a\nb", encoded(Image.new("RGB", (40, 40), "red"), "PNG"))
    odd = replace(image, site_id="a\nb", tags={"artist": ("one\r\ntwo",)})
    report = Sheet(SheetOptions(fields=("id", "artist"))).write([odd], tmp_path / "sheet.jpg")
    assert report.written == 1
