from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from filters.picture import Picture
from filters.sharpness import sharpness
from tests.filters.support import drawing, encode


def of(image: Image.Image) -> float | None:
    return sharpness(Picture.open(encode(image, "PNG")))


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(sigma))


def test_sharpness_falls_with_every_blur() -> None:
    image = drawing(900, 700)
    values = [of(blurred(image, sigma)) for sigma in (0, 1, 2, 3, 6)]
    assert values[0] is not None
    assert values[0] > 0.9
    assert values == sorted(values, key=lambda v: -(v or 0))
    assert values[-1] is None or values[-1] < 0.35


def test_one_sharp_place_is_evidence_enough() -> None:
    sharp = drawing(1200, 900)
    shallow = blurred(sharp, 8)
    shallow.paste(sharp.crop((500, 400, 650, 550)), (500, 400))
    value = of(shallow)
    assert value is not None
    assert value > 0.8


def test_flat_art_with_clean_lines_is_sharp() -> None:
    flat = Image.new("RGB", (1000, 1000), (250, 240, 230))
    flat.paste((60, 40, 50), (480, 100, 484, 900))
    assert of(flat) == 1.0


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_an_edge_of_pale_art_is_judged_like_one_of_dark_art(sigma: float) -> None:
    def edge(left: int, right: int) -> Image.Image:
        image = Image.new("L", (600, 600), left)
        image.paste(right, (300, 0, 600, 600))
        return blurred(image, sigma)

    assert of(edge(250, 180)) == pytest.approx(of(edge(10, 240)), abs=0.05)


@pytest.mark.parametrize("size", [(1, 1), (16, 400), (17, 17), (3000, 17), (97, 98)])
def test_small_and_narrow_pictures_are_measured_or_passed_over(size: tuple[int, int]) -> None:
    value = of(drawing(max(25, size[0]), max(25, size[1])).crop((0, 0, *size)))
    assert value is None or 0 < value <= 1


def test_where_nothing_has_contrast_nothing_is_said() -> None:
    gradient = np.linspace(0, 60, 1000).astype(np.uint8)[None].repeat(800, 0)
    assert of(Image.fromarray(gradient)) is None
    assert of(Image.new("RGB", (800, 800), "white")) is None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.5, 4.0]))
def test_turning_the_picture_changes_little(seed: int, sigma: float) -> None:
    image = blurred(drawing(300, 220, seed), sigma)
    upright, turned = of(image), of(image.transpose(Image.Transpose.TRANSPOSE))
    assert upright is not None
    assert turned == pytest.approx(upright, abs=0.1)
