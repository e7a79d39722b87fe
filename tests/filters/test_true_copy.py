"""Of two copies of one picture, the one that holds what the other was made of."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from filters.picture import Picture
from filters.true_copy import TrueCopies, TrueCopy
from filters.true_copy.blocks import coefficients, effective_steps, off_grid
from filters.true_copy.numbers import NAMES, numbers
from filters.true_copy.pairs import places
from tests.filters.support import encode

CORPUS = Path(os.environ.get("TRAWL_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
COPIES = TrueCopies()
WAYS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


@cache
def scene(side: int = 480, seed: int = 1) -> Image.Image:
    """As much detail as a photograph has, down to its last pixel: fractal noise and edges."""
    random = np.random.default_rng(seed)
    pixels = np.full((side, side), 128.0)
    for cells, strength in ((6, 50), (24, 28), (96, 16), (240, 9), (side, 7)):
        grid = random.normal(0, strength, (cells, cells)).astype(np.float32)
        layer = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
        pixels += np.asarray(layer)
    for _ in range(30):
        top, left = random.integers(0, side, 2)
        rows, columns = random.integers(10, 70, 2)
        pixels[top : top + rows, left : left + columns] += random.normal(0, 40)
    grey = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return grey.convert("RGB")


def resized(image: Image.Image, factor: float, way: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), way)


def file(image: Image.Image, codec: str = "PNG") -> Picture:
    name, _, quality = codec.partition(" ")
    return Picture.open(encode(image, name, **({"quality": int(quality)} if quality else {})))


def compared(first: Picture, second: Picture, **scores: float) -> TrueCopy:
    """Which copy is true; and that the answer does not depend on their order."""
    found = COPIES.compare(first, second, **scores)
    turned = {"first_score": "second_score", "second_score": "first_score"}
    other = COPIES.compare(second, first, **{turned[name]: s for name, s in scores.items()})
    assert other.better == found.mirrored.better
    assert other.score == pytest.approx(1 - found.score, abs=1e-3)
    return found


# -- copies of two sizes -------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.5, 2, 3])
def test_the_original_is_truer_than_its_thumbnail(factor: float) -> None:
    small = resized(scene(), 1 / factor, Image.Resampling.LANCZOS)
    found = compared(file(small, "JPEG 85"), file(scene(), "JPEG 92"))
    assert found.better == "second"
    assert found.score < 0.2


@pytest.mark.parametrize("factor", [1.5, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_an_upscale_is_less_true_than_what_it_was_made_of(
    way: Image.Resampling, factor: float
) -> None:
    small = scene(240)
    found = compared(file(small, "JPEG 90"), file(resized(small, factor, way), "JPEG 90"))
    assert found.better == "first"
    assert found.score > 0.8


@pytest.mark.parametrize("factor", [9, 12, 16])
def test_far_sizes_are_told_apart_too(factor: int) -> None:
    original = scene(64 * factor)
    small = resized(original, 1 / factor, Image.Resampling.LANCZOS)
    fake = resized(small, factor, Image.Resampling.BICUBIC)
    assert compared(file(small, "JPEG 85"), file(original, "JPEG 92")).better == "second"
    assert compared(file(small, "JPEG 85"), file(fake, "JPEG 92")).better == "first"


def test_sharpening_adds_no_truth() -> None:
    small = scene(240)
    large = resized(small, 2, Image.Resampling.BICUBIC).filter(ImageFilter.UnsharpMask(1.5, 130, 0))
    assert compared(file(small), file(large, "JPEG 90")).better == "first"


def test_copies_of_different_shapes_are_no_copies() -> None:
    cut = scene().crop((0, 0, 480, 300))
    found = compared(file(resized(scene(), 0.5, Image.Resampling.BICUBIC)), file(cut))
    assert (found.better, found.score) == ("undecided", 0.5)


def test_different_pictures_are_no_copies() -> None:
    other = resized(scene(480, 2), 0.5, Image.Resampling.BICUBIC)
    found = compared(file(scene()), file(other))
    assert (found.better, found.score) == ("undecided", 0.5)


def test_a_small_crop_is_borne() -> None:
    """One that is cut by one pixel in a hundred, at its edges, still tells."""
    small = resized(scene(), 0.5, Image.Resampling.LANCZOS).crop((1, 1, 239, 239))
    assert compared(file(small), file(scene())).better in ("second", "undecided")


def test_nearly_equal_sizes_are_left_undecided() -> None:
    other = scene().resize((496, 496), Image.Resampling.BICUBIC)
    assert compared(file(scene()), file(other)).better == "undecided"


@pytest.mark.parametrize(
    "sizes", [((3, 3), (300, 300)), ((64, 64), (6400, 6400)), ((1, 900), (2, 1800))]
)
def test_sizes_that_tell_nothing_are_no_trouble(
    sizes: tuple[tuple[int, int], tuple[int, int]],
) -> None:
    first, second = (file(Image.new("RGB", size, "navy")) for size in sizes)
    assert compared(first, second).better == "undecided"


@pytest.mark.parametrize("size", [(5, 5), (8, 8), (10, 300), (40, 40)])
def test_small_copies_of_one_size_are_the_same_or_left_undecided(size: tuple[int, int]) -> None:
    one = scene(320).resize(size)
    other = one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert compared(file(one), file(one)).better == "same"
    assert compared(file(one), file(other)).better == "undecided"


def test_a_turned_picture_is_no_copy() -> None:
    turned = scene().transpose(Image.Transpose.ROTATE_90)
    assert compared(file(scene()), file(turned)).better == "undecided"


@pytest.mark.parametrize("colour", ["white", "black", "teal"])
def test_copies_without_any_detail_are_left_undecided(colour: str) -> None:
    first, second = (file(Image.new("RGB", (side, side), colour)) for side in (200, 400))
    assert compared(first, second).better == "undecided"


def test_what_one_copy_shows_alone_is_heard() -> None:
    small = resized(scene(), 1 / 2, Image.Resampling.LANCZOS)
    first, second = file(small), file(scene())
    plain = COPIES.compare(first, second).score
    suspected = compared(first, second, second_score=0.9).score
    assert suspected > plain
    assert compared(first, second, first_score=0.9, second_score=0.9).score == plain


@settings(max_examples=8, deadline=None)
@given(st.floats(1.12, 5), st.sampled_from(WAYS), st.sampled_from(["PNG", "JPEG 60", "WEBP 80"]))
def test_the_numbers_are_finite_and_the_answer_mirrors(
    factor: float, way: Image.Resampling, codec: str
) -> None:
    small = scene(120)
    first, second = file(small, codec), file(resized(small, factor, way), codec)
    assert np.isfinite(numbers(first, second, places(first, second))).all()
    assert 0 <= compared(first, second).score <= 1


def test_every_number_has_a_name_of_its_own() -> None:
    small, large = file(scene(120)), file(scene(240))
    assert len(numbers(small, large, places(small, large))) == len(NAMES) == len(set(NAMES))


def test_places_show_the_same_in_both_copies() -> None:
    large = scene()
    small = resized(large, 1 / 1.7, Image.Resampling.BICUBIC)
    found = places(file(small), file(large))
    assert found.alike > 0.95
    for one, other in zip(found.large, found.enlarged[2], strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


# -- copies of one size --------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["PNG", "JPEG 97"])
@pytest.mark.parametrize("quality", [40, 60, 75])
def test_coarse_saving_is_seen_behind_a_fine_one(quality: int, last: str) -> None:
    coarse = file(scene(), f"JPEG {quality}").rgb
    assert compared(file(scene(), "JPEG 95"), file(coarse, last)).better == "first"


@pytest.mark.parametrize("factor", [1.5, 2])
def test_what_was_made_small_and_large_again_is_less_true(factor: float) -> None:
    small = resized(scene(), 1 / factor, Image.Resampling.BICUBIC)
    other = small.resize(scene().size, Image.Resampling.BICUBIC)
    assert compared(file(scene(), "JPEG 92"), file(other, "PNG")).better == "first"


def test_the_same_pixels_are_the_same_in_any_format() -> None:
    jpeg = file(scene(), "JPEG 80")
    assert compared(jpeg, file(jpeg.rgb)).better == "same"
    assert compared(jpeg, jpeg).better == "same"


def test_a_coarse_step_is_read_off_the_pixels() -> None:
    def steps(picture: Picture) -> float:
        return effective_steps(coefficients(picture.gray[None].astype(np.float32)))

    coarse = file(file(scene(), "JPEG 50").rgb, "PNG")
    assert steps(file(scene())) < 0.2
    assert 0.9 < steps(coarse) < 1.3


def test_a_jpeg_lies_on_the_grid_of_its_own_steps() -> None:
    jpeg = file(scene(), "JPEG 60")
    tables = jpeg.quantization
    assert off_grid(jpeg.gray[None].astype(np.float32), tables) < 0.12
    assert off_grid(file(scene()).gray[None].astype(np.float32), tables) > 0.2


# -- real pictures -------------------------------------------------------------------------------


def originals(kind: str) -> Iterator[Path]:
    with (CORPUS / "index.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["label"] == "original" and row["kind"] == kind:
                yield CORPUS / row["file"]


@pytest.mark.skipif(not (CORPUS / "index.csv").is_file(), reason=f"no corpus at {CORPUS}")
@pytest.mark.parametrize("kind", ["photo", "illustration"])
def test_real_pictures_are_told_from_their_upscales(kind: str) -> None:
    right: list[Any] = []
    for path in sorted(originals(kind))[::10]:
        with Picture.open(path) as picture:
            original = picture.rgb.crop((0, 0, 448, 448))
        half = resized(original, 0.5, Image.Resampling.BICUBIC)
        true = COPIES.compare(file(half, "JPEG 85"), file(original, "JPEG 90"))
        fake = COPIES.compare(
            file(half, "JPEG 85"), file(resized(half, 2, Image.Resampling.LANCZOS), "JPEG 90")
        )
        right += [true.better == "second", fake.better == "first"]
        assert not (true.better == "first" and fake.better == "second")
    assert np.mean(right) > 0.85
