"""Drawn pictures: the same bytes for the same recipe, and what each recipe promises."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from crawler.demo.pictures import Drawn, Recipe, draw, pixel_hash

SMALL = Recipe(seed=5, width=240, height=320)


def opened(drawn: Drawn) -> Image.Image:
    return Image.open(io.BytesIO(drawn.data))


@pytest.mark.parametrize(
    "recipe",
    [
        SMALL,
        replace(SMALL, style="photo"),
        replace(SMALL, ext="png", mode="P"),
        replace(SMALL, style="animation", ext="gif"),
        replace(SMALL, style="ugoira", ext="zip"),
        replace(SMALL, style="video", ext="mp4"),
    ],
    ids=lambda recipe: f"{recipe.style}-{recipe.ext}",
)
def test_the_same_recipe_gives_the_same_bytes_and_another_seed_others(recipe: Recipe) -> None:
    drawn = draw(recipe)
    assert drawn == draw(recipe)
    assert drawn.md5 == hashlib.md5(drawn.data).hexdigest()
    assert drawn.data != draw(replace(recipe, seed=6)).data


@pytest.mark.parametrize(
    ("recipe", "form", "mode"),
    [
        (SMALL, "JPEG", "RGB"),
        (replace(SMALL, mode="L"), "JPEG", "L"),
        (replace(SMALL, ext="png"), "PNG", "RGB"),
        (replace(SMALL, ext="png", mode="RGBA"), "PNG", "RGBA"),
        (replace(SMALL, ext="png", mode="P"), "PNG", "P"),
        (replace(SMALL, ext="png", mode="I;16"), "PNG", "I;16"),
        (replace(SMALL, ext="webp"), "WEBP", "RGB"),
        (replace(SMALL, ext="avif"), "AVIF", "RGB"),
        (replace(SMALL, style="animation", ext="gif"), "GIF", "P"),
    ],
)
def test_formats_and_modes(recipe: Recipe, form: str, mode: str) -> None:
    picture = opened(draw(recipe))
    picture.load()
    assert (picture.format, picture.mode, picture.size) == (form, mode, (240, 320))


def test_a_sideways_file_is_upright_as_told() -> None:
    drawn = draw(replace(SMALL, sideways=True))
    picture = opened(drawn)
    assert picture.size == (320, 240)
    assert picture.getexif()[0x0112] == 6
    assert (drawn.width, drawn.height) == (240, 320)


def test_another_compression_of_the_same_pixels_has_the_same_pixel_hash() -> None:
    one = draw(replace(SMALL, ext="png"))
    other = draw(replace(SMALL, ext="png", compress_level=9))
    assert one.md5 != other.md5
    assert one.pixel_hash == other.pixel_hash
    assert one.pixel_hash != draw(SMALL).pixel_hash


@pytest.mark.parametrize("ext", ["jpg", "png", "webp"])
def test_the_pixel_hash_is_that_of_the_stored_pixels(ext: str) -> None:
    drawn = draw(replace(SMALL, ext=ext))
    header = b"P7\nWIDTH 240\nHEIGHT 320\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    pixels = opened(drawn).convert("RGBA").tobytes()
    assert drawn.pixel_hash == hashlib.md5(header + pixels).hexdigest()


def test_sixteen_bits_hash_as_eight() -> None:
    deep = np.arange(16, dtype=np.uint16).reshape(4, 4) * 257 * 16
    shallow = (deep >> 8).astype(np.uint8)
    assert pixel_hash(Image.fromarray(deep)) == pixel_hash(Image.fromarray(shallow))


def test_a_cut_file_cannot_be_decoded() -> None:
    with pytest.raises(OSError, match="truncated"):
        opened(draw(replace(SMALL, cut=0.5))).load()


def sharpness(drawn: Drawn) -> float:
    grey = np.asarray(opened(drawn).convert("L"), dtype=np.float32)
    return float(np.abs(np.diff(grey, axis=1)).mean())


def test_blurred_enlarged_and_grey_recipes_do_what_they_say() -> None:
    assert sharpness(draw(replace(SMALL, blur=6.0))) < sharpness(draw(SMALL)) / 3
    assert sharpness(draw(replace(SMALL, drawn=0.25))) < sharpness(draw(SMALL))
    red, green, blue = opened(draw(replace(SMALL, grey=True))).split()
    assert max(np.abs(np.asarray(red, int) - np.asarray(blue, int)).max(), 0) <= 2
    assert np.abs(np.asarray(red, int) - np.asarray(green, int)).max() <= 2


def test_a_ugoira_is_a_zip_of_stored_frames() -> None:
    with zipfile.ZipFile(io.BytesIO(draw(replace(SMALL, style="ugoira", ext="zip")).data)) as file:
        assert file.namelist() == ["000000.jpg", "000001.jpg", "000002.jpg", "000003.jpg"]
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
