"""The imagefolder layout, loaded by the real ``datasets`` library without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stages.export.imagefolder import ImageFolder, ImageFolderOptions
from tests.stages.conftest import Make, encoded, marks, noise

_LOAD = """
import json, sys
from datasets import load_dataset
splits = load_dataset("imagefolder", data_dir=sys.argv[1])
rows = {
    name: [{k: v if k != "image" else list(v.size) for k, v in row.items()} for row in split]
    for name, split in splits.items()
}
types = {name: str(feature) for name, feature in splits["train"].features.items()}
print(json.dumps({"rows": rows, "types": types}))
"""


def load(out: Path, cache: Path) -> tuple[dict[str, list[dict[str, object]]], dict[str, str]]:
    """Rows by split, and types by column.

    In a process of its own: the library reads its settings when it is imported.
    """
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(out)],
        capture_output=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(cache), "HOME": str(cache)},
    )
    assert done.returncode == 0, done.stderr.decode()
    loaded = json.loads(done.stdout)
    return loaded["rows"], loaded["types"]


def test_the_real_loader_finds_every_picture_with_its_row(make: Make, tmp_path: Path) -> None:
    # Words that would make a test split of it, were they names inside the export.
    out = tmp_path / "test" / "my-test-set"
    images = [
        make("1", rating="g", licence="CC0", source_url="https://artist/1"),
        make("2", encoded(noise(30, 20, bands=4), "PNG"), tags={"artist": ("test",)}),
        make("3", encoded(noise(31, 20), "WEBP"), tags={}, caption="Ein Bild"),
    ]
    report = ImageFolder(ImageFolderOptions(trigger="rmu")).write(images, out)
    assert report.written == 3
    splits, types = load(out, tmp_path / "cache")
    assert list(splits) == ["train"]
    rows = {row["site_id"]: row for row in splits["train"]}
    assert {i: row["text"] for i, row in rows.items()} == {
        "1": "rmu, 1girl, solo, hakurei reimu, touhou, smile",
        "2": "rmu",
        "3": "rmu, Ein Bild",
    }
    for image in images:
        row = rows[image.site_id]
        assert row["sha256"] == image.sha256
        assert row["image"] == [row["width"], row["height"]] == [image.width, image.height]
    assert rows["1"]["source_url"] == "https://artist/1"
    assert rows["2"]["source_url"] == ""
    assert {kind for name, kind in types.items() if name != "image"} == {
        "Value('string')",
        "Value('int64')",
    }


def test_rows_name_files_that_are_there_and_exporting_again_touches_nothing(
    make: Make, tmp_path: Path
) -> None:
    images, out = [make("1"), make("2")], tmp_path / "out"
    export = ImageFolder(ImageFolderOptions())
    export.write(images, out)
    lines = (out / "train/metadata.jsonl").read_text("utf-8").splitlines()
    assert [(out / "train" / json.loads(line)["file_name"]).is_file() for line in lines] == [
        True,
        True,
    ]
    assert not list(out.rglob("*.txt"))
    before = marks(out)
    export.write(images[::-1], out)
    assert marks(out) == before


def test_an_empty_set_leaves_no_table_that_cannot_be_read(make: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ImageFolder(ImageFolderOptions()).write([make("1")], out)
    report = ImageFolder(ImageFolderOptions()).write([], out)
    assert report.removed == 1
    assert not (out / "train").exists()


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_no_reader_splits_a_row_in_two(make: Make, tmp_path: Path, end: str) -> None:
    image = make("1", licence=f"a{end}b\ud800")
    ImageFolder(ImageFolderOptions()).write([image], tmp_path / "out")
    for name in ("manifest.jsonl", "train/metadata.jsonl"):
        (line,) = (tmp_path / "out" / name).read_text("utf-8").splitlines()
        assert json.loads(line)["licence"] == f"a{end}b?"
