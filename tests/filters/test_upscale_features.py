from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageFilter

from filters.picture import Picture
from filters.upscale.features import FAMILIES, LEAST, NAMES, features
from filters.upscale.features.lines import cosines, opposition, rows
from tests.filters.support import drawing, encode

KERNELS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def scene(width: int = 480, height: int = 360, seed: int = 5) -> Image.Image:
    """Detail of every scale down to single pixels, as natural scenes have it: one over f."""
    random = np.random.default_rng(seed)
    waves = np.fft.rfft2(random.normal(0, 1, (3, height, width)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    pixels = np.fft.irfft2(waves / (frequency + 0.01), (height, width)).transpose(1, 2, 0)
    pixels = 128 + 35 * pixels / pixels.std()
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def enlarged(factor: float, kernel: str, image: Image.Image | None = None) -> Image.Image:
    image = image or scene(round(480 / factor), round(360 / factor))
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, KERNELS[kernel])


def of(image: Image.Image) -> dict[str, float]:
    found = features(image)
    assert found is not None
    return dict(zip(NAMES, found.tolist(), strict=True))


def test_every_number_has_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES) <= 200
    assert sum(len(family.NAMES) for family in FAMILIES) == len(NAMES)
    found = features(scene())
    assert found is not None
    assert found.dtype == np.float32
    assert found.shape == (len(NAMES),)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [1.25, 1.5, 2.0, 3.0, 4.0])
def test_an_enlargement_shows_at_its_own_factor(factor: float, kernel: str) -> None:
    native, upscaled = of(scene()), of(enlarged(factor, kernel))
    name = f"mirror_at_{round(100 * factor)}"
    assert upscaled[name] > 0.3
    assert abs(native[name]) < 0.15
    name = f"outside_{kernel}_{factor:.3g}"
    assert upscaled[name] < native[name] - 1


@pytest.mark.parametrize("factor", [1.27, 1.44, 1.7, 2.2, 3.3])
def test_any_other_factor_is_found_where_it_is(factor: float) -> None:
    found = of(enlarged(factor, "bicubic"))
    assert found["mirror_where"] == pytest.approx(1 / factor, abs=0.01)
    assert found["mirror_best"] > 2 * of(scene())["mirror_best"]


def test_bends_are_periodic_after_linear_interpolation() -> None:
    assert of(enlarged(1.5, "bilinear"))["bend_at_150"] > of(scene())["bend_at_150"] + 0.5


def test_the_grid_of_pixels_made_several_from_one_is_seen() -> None:
    """As networks leave it that shuffle channels into pixels."""
    pixels = np.asarray(scene()).astype(int)
    pixels[::2, ::2] += 3
    shuffled = of(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))
    assert shuffled["phase_2_level"] > of(scene())["phase_2_level"] + 0.3
    assert shuffled["grid_corner"] > of(scene())["grid_corner"] + 0.3


def test_blur_takes_the_finest_detail_first() -> None:
    sharp, soft = of(scene()), of(scene().filter(ImageFilter.GaussianBlur(1)))
    assert soft["axis_14"] < sharp["axis_14"] - 1
    assert soft["haar_fall_edge_1"] > sharp["haar_fall_edge_1"] + 0.2
    assert soft["bends_90"] < sharp["bends_90"]


def test_a_sharpened_edge_overshoots() -> None:
    plain = drawing(400, 300).filter(ImageFilter.GaussianBlur(1))
    plain = Image.fromarray((np.asarray(plain) // 2 + 60).astype(np.uint8))
    sharpened = plain.filter(ImageFilter.UnsharpMask(2, 150, 0))
    assert of(sharpened)["overshoot"] > of(plain)["overshoot"] + 0.1


def awkward() -> Iterator[Image.Image]:
    random = np.random.default_rng(1)
    for size in ((64, 64), (65, 67), (64, 2500), (2500, 64), (127, 129), (241, 383)):
        yield Image.new("RGB", size, "white")
        yield Image.new("RGB", size, (13, 140, 200))
        pixels = random.integers(0, 2, (size[1], size[0], 1)) * 255
        yield Image.fromarray(pixels.repeat(3, 2).astype(np.uint8))
        yield Image.linear_gradient("L").resize(size).convert("RGB")
    board = np.indices((200, 200)).sum(0) % 2 * 255
    yield Image.fromarray(board.astype(np.uint8)).convert("RGB")
    stripes = np.indices((200, 200))[1] % 2 * 255
    yield Image.fromarray(stripes.astype(np.uint8)).convert("RGB")


def test_numbers_are_finite_whatever_the_picture() -> None:
    for image in awkward():
        found = features(image)
        assert found is not None
        assert np.isfinite(found).all(), image.size
        assert np.abs(found).max() < 1e4


@pytest.mark.parametrize("size", [(LEAST - 1, 500), (500, LEAST - 1), (1, 1)])
def test_a_picture_too_small_has_no_features(size: tuple[int, int]) -> None:
    assert features(Image.new("RGB", size)) is None


def test_numbers_are_the_same_every_time_and_for_a_picture_as_for_its_pixels() -> None:
    image = scene(700, 500)
    with Picture.open(encode(image, "PNG")) as picture:
        first, again = features(picture), features(picture)
        alone = features(image)
    assert first is not None
    for other in (again, alone):
        assert other is not None
        assert np.array_equal(first, other)


@pytest.mark.parametrize("length", [64, 97, 150, 333])
def test_cosines_are_those_of_the_definition(length: int) -> None:
    random = np.random.default_rng(length)
    lines = random.normal(0, 50, (3, length)).astype(np.float32)
    place, order = np.arange(length) + 0.5, np.arange(length)
    expected = lines @ np.cos(np.pi / length * order[:, None] * place).T
    assert np.allclose(cosines(lines), expected, atol=0.05)


def test_opposition_peaks_at_the_size_before() -> None:
    image = enlarged(1.6, "lanczos", scene(300, 225))
    assert int(np.argmax(opposition(rows(image)))) == 300
