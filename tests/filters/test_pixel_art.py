from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from filters.picture import Picture
from filters.upscale.pixel_art import pixel_scale
from tests.filters.support import drawing, encode

NEAREST = Image.Resampling.NEAREST


def sprites(width: int = 120, height: int = 90, seed: int = 1, colours: int = 16) -> Image.Image:
    """Symmetric figures of few colours on a dithered sky."""
    random = np.random.default_rng(seed)
    greys = np.linspace(10, 250, colours)[random.permutation(colours)]
    palette = np.clip(greys[:, None] + random.integers(-30, 31, (colours, 3)), 0, 255)
    art = np.zeros((height, width), int)
    art[height // 2 :, ::2] = 1
    for _ in range(30):
        side = int(random.integers(3, 7)) * 2
        half = random.integers(0, colours, (side, side // 2))
        figure = np.hstack([half, half[:, ::-1]])
        figure = np.where(random.random(figure.shape) < 0.6, half[0, 0], figure)
        top, left = random.integers(height - side), random.integers(width - side)
        art[top : top + side, left : left + side] = figure
    return Image.fromarray(palette[art].astype(np.uint8))


def photograph(side: int = 200, seed: int = 2) -> Image.Image:
    """Noise of every scale, as natural scenes have it."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((side, side, 3))
    for scale in (1, 2, 4, 8, 25):
        noise = random.normal(0, scale * 4, (side // scale, side // scale, 3))
        pixels += noise.repeat(scale, 0).repeat(scale, 1)
    image = Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(0.6))


def enlarged(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)), NEAREST)


@pytest.mark.parametrize("scale", [2, 3, 4, 7, 16])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whole_squares_are_told_exactly(scale: int, seed: int) -> None:
    assert pixel_scale(enlarged(sprites(seed=seed), scale)) == scale


@pytest.mark.parametrize("scale", [2.5, 3.3, 4.75])
def test_squares_need_not_be_whole_pixels(scale: float) -> None:
    assert pixel_scale(enlarged(sprites(), scale)) == pytest.approx(scale, rel=0.02)


@pytest.mark.parametrize(("scale", "quality"), [(3, 95), (4, 90), (5, 85), (7, 80)])
def test_a_jpeg_of_pixel_art_is_still_pixel_art(scale: int, quality: int) -> None:
    file = io.BytesIO()
    enlarged(sprites(), scale).save(file, "JPEG", quality=quality)
    with Picture.open(file.getvalue()) as picture:
        assert pixel_scale(picture) == scale


def test_a_cut_out_of_pixel_art_is_still_pixel_art() -> None:
    assert pixel_scale(enlarged(sprites(), 5).crop((3, 7, 500, 400))) == 5


def test_pixel_art_of_its_own_size_is_not_large() -> None:
    assert pixel_scale(sprites(400, 300)) is None


def test_smoothly_enlarged_sprites_are_none() -> None:
    art = sprites()
    assert pixel_scale(art.resize((480, 360), Image.Resampling.BICUBIC)) is None


@pytest.mark.parametrize("scale", [1, 2, 3, 4.5])
def test_a_photograph_enlarged_by_its_nearest_pixels_is_none(scale: float) -> None:
    assert pixel_scale(enlarged(photograph(), scale)) is None


@pytest.mark.parametrize("scale", [2, 4])
def test_a_smooth_edged_drawing_enlarged_by_its_nearest_pixels_is_none(scale: int) -> None:
    drawn = drawing(1200, 900).rotate(20, expand=True, fillcolor="gray").reduce(4)
    assert pixel_scale(enlarged(drawn, scale)) is None


def test_a_page_of_boxes_is_none() -> None:
    assert pixel_scale(drawing(800, 600)) is None


@pytest.mark.parametrize("size", [(1, 1), (63, 500), (64, 64), (3000, 64)])
def test_every_size_has_an_answer(size: tuple[int, int]) -> None:
    assert pixel_scale(Image.new("RGB", size, "navy")) is None
    pixel_scale(enlarged(sprites(), 3).resize(size, NEAREST))


def test_a_picture_and_its_pixels_are_judged_alike() -> None:
    image = enlarged(sprites(), 3)
    with Picture.open(encode(image, "PNG")) as picture:
        assert pixel_scale(picture) == pixel_scale(image) == 3
