"""Captions that a person edited in an export folder stay as they are, and are told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.base import ExportReport
from stages.export.edits import EDITED, ORPHANED, WORDLESS, is_edited
from stages.export.imagefolder import ImageFolder, ImageFolderOptions
from stages.export.kohya import Kohya, KohyaOptions
from stages.export.state import STATE
from storage.records import AcceptedImage
from tests.stages.conftest import Make, marks, tree

CAPTION = "1_reimu/danbooru-a-some-artist.txt"


def export(out: Path, images: list[AcceptedImage], **options: object) -> ExportReport:
    given = {"trigger": "reimu", **options}
    return Kohya(KohyaOptions(**given)).write(images, out)  # type: ignore[arg-type]


def manifest(out: Path) -> dict[str, str]:
    """Caption by site_id, as the manifest tells them."""
    lines = map(json.loads, (out / "manifest.jsonl").read_text("utf-8").splitlines())
    return {line["site_id"]: line["caption"] for line in lines}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def edited(make: Make, out: Path) -> Path:
    """An export of a and b in which somebody edited the caption of a, with a BOM and a newline."""
    assert not export(out, [make("a"), make("b")]).notes
    (out / CAPTION).write_bytes(b"\xef\xbb\xbfmy own words\r\n")
    return out


def test_it_is_left_alone_again_and_again_and_counted(make: Make, edited: Path) -> None:
    mine = marks(edited)[CAPTION]
    for _ in range(3):
        report = export(edited, [make("a"), make("b")])
        assert (report.written, report.unchanged, report.removed) == (0, 2, 0)
        assert report.notes == {EDITED: 1}
        assert not report.skipped
        assert marks(edited)[CAPTION] == mine
    before = marks(edited)
    export(edited, [make("a"), make("b")])
    assert marks(edited) == before


def test_it_is_left_alone_where_our_own_words_change(make: Make, edited: Path) -> None:
    mine = marks(edited)[CAPTION]
    for drop in (("smile",), ("solo",), ()):
        report = export(edited, [make("a"), make("b")], drop=drop)
        assert (report.written, report.notes) == (1, {EDITED: 1})
        assert marks(edited)[CAPTION] == mine


def test_it_is_left_alone_where_the_picture_is_made_again(make: Make, edited: Path) -> None:
    mine = marks(edited)[CAPTION]
    (edited / CAPTION).with_suffix(".jpg").unlink()
    report = export(edited, [make("a"), make("b")], copy=True)
    assert (report.written, report.notes) == (2, {EDITED: 1})
    assert marks(edited)[CAPTION] == mine


def test_the_manifest_tells_what_is_in_the_folder(make: Make, edited: Path) -> None:
    export(edited, [make("a"), make("b")])
    told = manifest(edited)
    assert told["a"] == "my own words"
    assert told["b"].startswith("reimu, 1girl")


def test_overwriting_puts_ours_back(make: Make, edited: Path) -> None:
    report = export(edited, [make("a"), make("b")], overwrite=True)
    assert (report.written, report.notes) == (1, {})
    assert (edited / CAPTION).read_text().startswith("reimu, 1girl")
    assert manifest(edited)["a"] == (edited / CAPTION).read_text()
    assert export(edited, [make("a"), make("b")]).unchanged == 2


def test_one_that_is_put_back_by_hand_follows_ours_again(make: Make, out: Path) -> None:
    export(out, [make("a")])
    ours = (out / CAPTION).read_bytes()
    (out / CAPTION).write_text("mine")
    export(out, [make("a")], drop=("smile",))
    (out / CAPTION).write_bytes(ours)
    assert not export(out, [make("a")], drop=("smile",)).notes
    assert "smile" not in (out / CAPTION).read_text()


def test_an_emptied_or_deleted_one_is_ours_again(make: Make, out: Path) -> None:
    export(out, [make("a")])
    ours = (out / CAPTION).read_bytes()
    (out / CAPTION).write_bytes(b"")
    assert not export(out, [make("a")]).notes
    assert (out / CAPTION).read_bytes() == ours
    (out / CAPTION).unlink()
    assert not export(out, [make("a")]).notes
    assert (out / CAPTION).read_bytes() == ours


def test_it_stays_where_its_picture_goes(make: Make, edited: Path) -> None:
    mine = marks(edited)[CAPTION]
    for removed in (1, 0):
        report = export(edited, [make("b")])
        assert (report.removed, report.notes) == (removed, {ORPHANED: 1})
    assert not (edited / CAPTION).with_suffix(".jpg").exists()
    assert marks(edited)[CAPTION] == mine
    assert export(edited, [make("a"), make("b")]).notes == {EDITED: 1}
    assert marks(edited)[CAPTION] == mine
    assert export(edited, []).removed == 2
    export(edited, [], overwrite=True)
    assert sorted(tree(edited)) == [STATE, "dataset.toml", "manifest.jsonl"]


def test_an_orphan_that_is_deleted_is_forgotten(make: Make, edited: Path) -> None:
    export(edited, [make("b")])
    (edited / CAPTION).unlink()
    assert not export(edited, [make("b")]).notes
    assert CAPTION not in (edited / STATE).read_text()


def test_a_picture_of_which_nothing_is_known_is_told_of_until_somebody_writes_words(
    make: Make, out: Path
) -> None:
    images = [make("a", tags={}), make("b")]
    assert export(out, images, trigger="").notes == {WORDLESS: 1}
    (caption,) = out.glob("*/danbooru-a.txt")
    assert caption.read_text() == "image"
    caption.write_text("a photo of a shrine")
    assert export(out, images, trigger="").notes == {EDITED: 1}
    assert not export(out, images, trigger="reimu", overwrite=True).notes


def test_edited_words_in_the_table_of_an_imagefolder_stay(make: Make, out: Path) -> None:
    def write(*names: str, **options: object) -> ExportReport:
        images = [make(name) for name in names]
        return ImageFolder(ImageFolderOptions(**options)).write(images, out)  # type: ignore[arg-type]

    def words() -> dict[str, str]:
        lines = (out / "train/metadata.jsonl").read_text("utf-8").splitlines()
        return {row["site_id"]: row["text"] for row in map(json.loads, lines)}

    write("a", "b")
    ours = words()
    table = out / "train/metadata.jsonl"
    first, second = map(json.loads, table.read_text("utf-8").splitlines())
    first["text"] = "mine"
    table.write_text(f"{json.dumps(first)}\nno json\n[1]\n{json.dumps(second)}\n")
    report = write("a", "b", "c", drop=("smile",))
    assert report.notes == {EDITED: 1}
    assert words()["a"] == "mine" == manifest(out)["a"]
    assert "smile" not in words()["b"] + words()["c"]
    before = marks(out)
    assert write("a", "b", "c", drop=("smile",)).notes == {EDITED: 1}
    assert marks(out) == before
    assert not write("a", "b", overwrite=True).notes
    assert words() == ours


def test_what_counts_as_edited() -> None:
    assert is_edited(b"mine", (), b"ours")
    assert not is_edited(b"ours", (), b"ours")
    assert not is_edited(b"", (), b"ours")
    assert not is_edited(None, ())
