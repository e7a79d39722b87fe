"""The kohya layout, read by a restatement of the rules of kohya's own loader.

The rules are those of sd-scripts (``train_util.py``, ``config_util.py``): folders named
``<int>_<tokens>``, no sub-folders, extensions in one case, captions by stem with a fallback that
strips four ``_`` parts, sizes by the imagesize package, which turns JPEGs as EXIF says while the
pixels are loaded as they are stored.
"""

from __future__ import annotations

import glob
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from stages.errors import BadOption, FolderNotOurs
from stages.export.kohya import Kohya, KohyaOptions
from stages.export.state import STATE
from storage.records import AcceptedImage
from tests.stages.conftest import Make, encoded, marks, noise, tree


@dataclass(frozen=True)
class Loaded:
    repeats: int
    class_tokens: str
    file: str
    caption: str


_EXTENSIONS = [".png", ".jpg", ".jpeg", ".webp", ".bmp"]


def load_like_kohya(train_data_dir: Path) -> list[Loaded]:
    loaded = []
    for folder in sorted(train_data_dir.iterdir()):
        if not folder.is_dir():
            continue
        first, *rest = folder.name.split("_")
        if not first.isdigit() or int(first) < 1:
            continue
        escaped = glob.escape(str(folder))
        found: set[str] = set()
        for extension in [*_EXTENSIONS, *(e.upper() for e in _EXTENSIONS)]:
            found |= set(glob.glob(f"{escaped}/*{extension}"))
        for path in sorted(found):
            caption = _caption(path)
            assert caption is not None, f"{path} has no caption"
            with Image.open(path) as image:
                image.load()
                turned = image.format == "JPEG" and image.getexif().get(
                    ExifTags.Base.Orientation, 1
                ) in (5, 6, 7, 8)
                believed = image.size[::-1] if turned else image.size
                assert believed == image.size, f"{path} would be stretched"
                assert image.convert("RGB").size == image.size
            loaded.append(Loaded(int(first), "_".join(rest), os.path.basename(path), caption))
    return loaded


def _caption(path: str) -> str | None:
    stem = os.path.splitext(path)[0]
    parts = stem.split("_")
    candidates = [stem + ".txt"]
    if len(parts) >= 5:
        candidates.append("_".join(parts[:-4]) + ".txt")
    for candidate in candidates:
        if os.path.isfile(candidate):
            with open(candidate, encoding="utf-8") as file:
                lines = file.readlines()
            assert len(lines) > 0, "caption file is empty"
            return lines[0].strip()
    return None


def write(out: Path, images: list[AcceptedImage], **options: object) -> None:
    Kohya(KohyaOptions(**options)).write(images, out)  # type: ignore[arg-type]


def every_trap(make: Make) -> list[AcceptedImage]:
    """One picture for each thing that kohya is known to stumble over."""
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    tags = {"artist": ("under_score_d_artist_name_here",), "general": ("1girl", "solo")}
    return [
        make("1"),
        make("2", encoded(noise(60, 40), "JPEG", exif=turned), tags=tags),
        make("3", encoded(noise(30, 30, bands=4), "PNG"), tags=tags),
        make("4", encoded(noise(30, 31), "AVIF"), tags={}),
        make("5", encoded(noise(30, 32).quantize(8), "GIF"), tags={"artist": ("multiply",)}),
        make("6", encoded(noise(30, 33).convert("CMYK"), "JPEG"), tags={}, caption="A\nsentence"),
        make("7_8_9_10_11", encoded(noise(30, 34), "WEBP"), tags={"general": ("{a|b}", "x,y")}),
        make("Same", encoded(noise(30, 35), "PNG"), tags={"character": ("博麗霊夢",)}),
        make("same", encoded(noise(30, 36), "PNG"), tags={}),
        make("9", encoded(noise(30, 37).convert("I;16"), "PNG"), tags={}),
    ]


def test_kohya_loads_every_picture_with_its_caption(make: Make, tmp_path: Path) -> None:
    images = every_trap(make)
    out = tmp_path / "out"
    write(out, images, trigger="hakurei reimu", repeats=3)
    loaded = load_like_kohya(out)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert len(loaded) == len(lines) == len(images)
    assert {(x.repeats, x.class_tokens) for x in loaded} == {(3, "hakurei reimu")}
    assert {f"3_hakurei reimu/{x.file}": x.caption for x in loaded} == {
        line["file"]: line["caption"] for line in lines
    }
    by_id = {line["site_id"]: line["caption"] for line in lines}
    assert by_id["1"] == "hakurei reimu, 1girl, solo, touhou, smile"
    assert by_id["4"] == "hakurei reimu"
    assert by_id["6"] == "hakurei reimu, A sentence"
    assert by_id["7_8_9_10_11"] == "hakurei reimu, (a b), x y"
    assert by_id["Same"] == "hakurei reimu, 博麗霊夢"
    assert not any("_" in x.file for x in loaded)
    captions = [path.read_bytes() for path in out.glob("*/*.txt")]
    assert all(c and not c.startswith(b"\xef\xbb\xbf") and b"\n" not in c for c in captions)


def test_the_restated_loader_does_stumble(tmp_path: Path) -> None:
    """The check above can fail: each trap, set on purpose, is noticed."""
    folder = tmp_path / "1_x"
    folder.mkdir()
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    noise(6, 4).save(folder / "a.jpg", exif=turned)
    with pytest.raises(AssertionError, match="no caption"):
        load_like_kohya(tmp_path)
    (folder / "a.txt").write_text("")
    with pytest.raises(AssertionError, match="empty"):
        load_like_kohya(tmp_path)
    (folder / "a.txt").write_text("words")
    with pytest.raises(AssertionError, match="stretched"):
        load_like_kohya(tmp_path)
    (folder / "a.jpg").rename(folder / "a.Jpg")
    assert load_like_kohya(tmp_path) == []


def test_the_config_file_says_the_same(make: Make, tmp_path: Path) -> None:
    write(tmp_path / "out", [make("1")], trigger='quo"te'.replace('"', "'"), repeats=2)
    config = tomllib.loads((tmp_path / "out/dataset.toml").read_text("utf-8"))
    assert config["general"] == {"enable_bucket": True, "caption_extension": ".txt"}
    (dataset,) = config["datasets"]
    assert dataset["max_bucket_reso"] > dataset["resolution"] >= dataset["min_bucket_reso"]
    (subset,) = dataset["subsets"]
    assert (tmp_path / "out" / subset["image_dir"]).is_dir()
    assert subset["num_repeats"] == 2
    assert subset["class_tokens"] == "quo'te"
    assert set(subset) == {"image_dir", "num_repeats", "class_tokens", "keep_tokens"}


def test_the_manifest_tells_where_a_picture_is_from(make: Make, tmp_path: Path) -> None:
    image = make(
        "5",
        encoded(noise(30, 20, bands=4), "PNG"),
        page_url="https://site/posts/5",
        source_url="https://artist/5",
        file_url="https://cdn/5.png",
        rating="g",
        licence="CC BY 4.0",
        posted_at="2020-01-01T00:00:00Z",
        measures={"signatures": {"phash256": "ab" * 32}},
    )
    write(tmp_path / "out", [image, make("4")])
    second, first = map(
        json.loads, (tmp_path / "out/manifest.jsonl").read_text("utf-8").splitlines()
    )
    exported = (tmp_path / "out" / first["file"]).read_bytes()
    assert first["file"] == "1_images/danbooru-5-some-artist.png"
    assert first["bytes"] == len(exported)
    assert first["sha256"] == image.sha256 != first["exported_sha256"]
    assert second["sha256"] == second["exported_sha256"]
    assert (first["changed"], second["changed"]) == (["alpha"], [])
    assert (first["width"], first["original_height"]) == (30, 20)
    assert first["artist"] == ["some_artist"]
    assert first["phash256"] == "ab" * 32
    assert second["phash256"] is None
    kept = ("page_url", "source_url", "file_url", "rating", "licence", "posted_at", "site_id")
    assert all(first[key] == getattr(image, key) for key in kept)


def test_exporting_again_in_any_order_touches_nothing(make: Make, tmp_path: Path) -> None:
    images, out = every_trap(make), tmp_path / "out"
    write(out, images, trigger="x")
    before = marks(out)
    write(out, images[::-1], trigger="x")
    assert marks(out) == before
    other = tmp_path / "other"
    write(other, images, trigger="x")
    assert {k: v for k, v in tree(other).items() if k != STATE} == {
        k: v for k, v in tree(out).items() if k != STATE
    }


def test_another_trigger_moves_the_folder(make: Make, tmp_path: Path) -> None:
    write(tmp_path / "out", [make("1")], trigger="old")
    write(tmp_path / "out", [make("1")], trigger="new")
    assert [p.name for p in (tmp_path / "out").iterdir() if p.is_dir()] == ["1_new"]


def test_works_that_cannot_be_trained_on_are_counted(make: Make, tmp_path: Path) -> None:
    images = [
        make("1"),
        make("1"),
        make("2", path=None),
        make("3", state="rejected", reason="upscaled"),
    ]
    report = Kohya(KohyaOptions()).write(images, tmp_path / "out")
    assert report.written == 1
    assert report.skipped == {"repeated": 1, "no_bytes": 1, "not_accepted": 1}


@pytest.mark.parametrize(
    "trigger", ["a/b", "..\\x", "a:b", "a\nb", "a\u202eb", " a", "a ", "a.", "x" * 300, "\ud800"]
)
def test_a_trigger_that_names_no_folder_is_refused(trigger: str) -> None:
    with pytest.raises(BadOption) as refused:
        Kohya(KohyaOptions(trigger=trigger))
    assert refused.value.exit_code == 2


def test_repeats_that_kohya_ignores_are_refused() -> None:
    with pytest.raises(BadOption):
        Kohya(KohyaOptions(repeats=0))


def test_a_folder_with_other_files_is_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/model.safetensors").write_bytes(b"weights")
    with pytest.raises(FolderNotOurs):
        write(tmp_path / "out", [make("1")])
