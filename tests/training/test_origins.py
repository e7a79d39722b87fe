"""Originals come out of clones as they were listed, and a clone that differs is named."""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.origins import LISTING, Original, Unusable, main, read

NOISE = np.random.default_rng(5).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def sprite() -> Image.Image:
    """A red square in the middle of nothing."""
    image = Image.new("RGBA", (128, 96), (0, 0, 0, 0))
    image.paste((200, 10, 10, 255), (32, 32, 64, 64))
    return image


FILES = {
    "art/photo.jpg": encoded(Image.fromarray(NOISE), "JPEG"),
    "art/drawing ü.png": encoded(Image.fromarray(NOISE), "PNG"),
    "art/sprite.png": encoded(sprite(), "PNG"),
}


def git(repository: Path, *command: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *command], cwd=repository, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def clones(tmp_path: Path) -> Path:
    repository = tmp_path / "clones" / "some+art"
    for path, data in FILES.items():
        file = repository / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "pictures")
    return tmp_path / "clones"


def listed(file: str, source: str = "2000", **more: str) -> Original:
    sha256 = hashlib.sha256(FILES[file]).hexdigest()
    original = Original(source, "photo", "", "some/art", "HEAD", file, sha256, "", "CC0 1.0")
    return replace(original, **more)


def picked(clones: Path, *originals: Original, options: tuple[str, ...] = ()) -> tuple[int, Path]:
    """Runs the command on a listing of these originals; its exit status and its folder."""
    listing, out = clones.parent / "origins.csv", clones.parent / "out"
    with listing.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Original)])
        writer.writeheader()
        writer.writerows(asdict(original) for original in originals)
    return main([str(clones), str(out), "--listing", str(listing), *options]), out


def index(out: Path) -> list[dict[str, str]]:
    with (out / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_whole_picture_keeps_the_bytes_it_was_published_with(clones: Path) -> None:
    status, out = picked(clones, listed("art/photo.jpg"))
    (line,) = index(out)
    assert status == 0
    assert (out / line["file"]).read_bytes() == FILES["art/photo.jpg"]
    assert (line["width"], line["height"], line["label"]) == ("128", "96", "original")
    assert (line["origin"], line["path"]) == ("some/art", "art/photo.jpg")


def test_a_crop_has_the_pixels_of_the_published_picture(clones: Path) -> None:
    _, out = picked(clones, listed("art/drawing ü.png", crop="16 32 64 48"))
    (line,) = index(out)
    assert (line["width"], line["height"]) == ("64", "48")
    with Image.open(out / line["file"]) as image:
        assert np.array_equal(np.asarray(image), NOISE[32:80, 16:80])


@pytest.mark.parametrize(("crop", "size"), [("", (128, 96)), ("32 32 32 32", (32, 32))])
def test_what_is_transparent_becomes_white(clones: Path, crop: str, size: tuple[int, int]) -> None:
    _, out = picked(clones, listed("art/sprite.png", crop=crop))
    with Image.open(out / index(out)[0]["file"]) as image:
        assert (image.mode, image.size) == ("RGB", size)
        corner = (200, 10, 10) if crop else (255, 255, 255)
        assert image.getpixel((0, 0)) == corner


def test_the_file_is_read_at_its_commit_though_it_changed_since(clones: Path) -> None:
    repository = clones / "some+art"
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "art/photo.jpg").write_bytes(FILES["art/drawing ü.png"])
    git(repository, "commit", "--quiet", "--all", "--message", "another picture")
    assert picked(clones, listed("art/photo.jpg", commit=commit))[0] == 0
    assert picked(clones, listed("art/photo.jpg"))[0] == 1


def test_a_bare_clone_and_plain_files_will_do(clones: Path) -> None:
    (clones / "some+art").rename(clones.parent / "work")
    git(clones.parent, "clone", "--quiet", "--bare", "work", str(clones / "some+art"))
    assert picked(clones, listed("art/photo.jpg"))[0] == 0
    plain = clones / "debian" / "art" / "art"
    plain.mkdir(parents=True)
    (plain / "photo.jpg").write_bytes(FILES["art/photo.jpg"])
    assert picked(clones, listed("art/photo.jpg", origin="debian/art"))[0] == 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sha256": "0" * 64}, "listed is 0000"),
        ({"sha256": ""}, "no sha256 is listed"),
        ({"path": "art/gone.png"}, "art/gone.png is neither at HEAD nor at HEAD"),
        ({"origin": "other/art"}, "no clone of it (as other+art)"),
    ],
)
def test_what_cannot_be_picked_is_named_and_the_rest_is_picked(
    clones: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, str], told: str
) -> None:
    originals = [listed("art/photo.jpg", **wrong), listed("art/sprite.png", "2001")]
    status, out = picked(clones, *originals)
    assert status == 1
    assert [line["source"] for line in index(out)] == ["2001"]
    assert told in capsys.readouterr().err


def test_no_path_leads_out_of_a_folder_of_files(clones: Path) -> None:
    (clones / "debian" / "art").mkdir(parents=True)
    (clones / "secret.jpg").write_bytes(FILES["art/photo.jpg"])
    outside = listed("art/photo.jpg", origin="debian/art", path="../../secret.jpg")
    assert picked(clones, outside)[0] == 1


def test_numbers_below_since_are_left_out(clones: Path) -> None:
    originals = [listed("art/photo.jpg", "0007"), listed("art/sprite.png", "2000")]
    status, out = picked(clones, *originals, options=("--since", "2000"))
    assert status == 0
    assert [line["source"] for line in index(out)] == ["2000"]


def test_one_number_for_two_pictures_is_refused(clones: Path) -> None:
    with pytest.raises(Unusable, match="used twice: 2000"):
        picked(clones, listed("art/photo.jpg"), listed("art/sprite.png"))


def test_the_list_names_every_repository_and_needs_no_clone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--list"]) == 0
    origins = {line.split(": ")[0] for line in capsys.readouterr().out.splitlines()}
    assert origins == {original.origin for original in read()}


def test_the_listing_is_whole() -> None:
    originals = read()
    kinds = {"photo", "illustration", "graphic", "screen", "pixel_art"}
    assert len({(one.origin, one.path, one.crop) for one in originals}) == len(originals)
    for one in originals:
        assert one.kind in kinds, one
        assert (one.style in {"anime", "other"}) == (one.kind == "illustration"), one
        assert one.licence, one
        assert len(one.sha256) in ({64} if int(one.source) >= 2000 else {0, 64}), one
    assert LISTING.is_file()
    assert len([one for one in originals if one.set_apart]) <= 0.02 * len(originals)
