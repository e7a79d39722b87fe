from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from filters.picture import Picture
from filters.tiles import Tile, by_contrast, colours, detailed, luma
from tests.filters.support import drawing, encode


def noise(width: int, height: int, seed: int = 0, levels: int = 70) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(90, 90 + levels, (height, width, 3)).astype(np.uint8))


def overlap(tile: Tile, box: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = tile.box
    return left < box[2] and box[0] < right and top < box[3] and box[1] < bottom


def test_tiles_lie_where_the_detail_is() -> None:
    picture = Image.new("RGB", (1500, 1000), (120, 130, 140))
    picture.paste(noise(300, 300), (700, 400))
    for tile in detailed(picture, 128, 4):
        assert overlap(tile, (700, 400, 1000, 700))


def test_fine_detail_outweighs_bolder_outlines() -> None:
    """What a small copy shows best is not what tells the most."""
    bold = Image.new("RGB", (1600, 400))
    for left in range(0, 1600, 160):
        bold.paste(drawing(160, 400, left), (left, 0))
    bold = bold.filter(ImageFilter.GaussianBlur(3))
    fine = noise(1600, 400, levels=30)
    picture = Image.new("RGB", (1600, 800))
    picture.paste(bold, (0, 0))
    picture.paste(fine, (0, 400))
    assert all(tile.top + tile.height > 400 for tile in detailed(picture, 128, 6))


def test_what_is_clipped_to_black_and_white_comes_last() -> None:
    random = np.random.default_rng(3)
    harsh = np.where(random.random((600, 600, 1)) < 0.5, 0, 255).repeat(3, 2).astype(np.uint8)
    picture = Image.fromarray(harsh)
    picture.paste(noise(300, 300), (0, 0))
    assert overlap(detailed(picture, 128, 1)[0], (0, 0, 300, 300))


def test_detail_in_two_places_is_seen_in_both() -> None:
    picture = Image.new("RGB", (2400, 2400), "gray")
    picture.paste(noise(800, 800), (0, 0))
    picture.paste(noise(400, 400, 1, levels=64), (1900, 1900))
    tiles = detailed(picture, 128, 8)
    assert any(tile.left < 1000 for tile in tiles)
    assert any(tile.left > 1000 for tile in tiles)


@pytest.mark.parametrize("side", [120, 128, 200])
def test_tiles_begin_at_whole_pixels_of_every_common_enlargement(side: int) -> None:
    for tile in detailed(noise(700, 600), side, 8):
        for start in (tile.left, tile.top):
            assert start % 120 == 0
            for more, pixels in ((8, 1), (5, 4), (4, 3), (3, 2), (8, 5), (2, 1), (5, 2)):
                assert start * pixels % more == 0


def test_tiles_are_the_pictures_own_pixels() -> None:
    image = drawing(700, 500)
    pixels, gray = np.asarray(image), np.asarray(image.convert("L"))
    tiles = detailed(image, 128, 5)
    assert len(set(tiles)) == 5
    for tile, own, colour in zip(
        tiles, luma(image, tiles, 128), colours(image, tiles, 128), strict=True
    ):
        rows = slice(tile.top, tile.top + 128)
        columns = slice(tile.left, tile.left + 128)
        assert np.array_equal(own, gray[rows, columns])
        assert np.array_equal(colour, pixels[rows, columns])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 12))
def test_there_are_tiles_in_every_picture_and_all_lie_within(
    width: int, height: int, count: int
) -> None:
    image = noise(width, height)
    tiles = detailed(image, 128, count)
    assert 1 <= len(tiles) <= count
    for tile in tiles:
        assert 0 <= tile.left <= width - tile.width
        assert 0 <= tile.top <= height - tile.height
    assert luma(image, tiles, 128).shape == (len(tiles), 128, 128)
    assert colours(image, tiles, 128).shape == (len(tiles), 128, 128, 3)


def test_a_small_tile_is_mirrored_out() -> None:
    image = drawing(100, 40)
    gray = np.asarray(image.convert("L"))
    (tile,) = luma(image, detailed(image, 64, 3)[:1], 64)
    assert np.array_equal(tile[:40], gray[:, :64])
    assert np.array_equal(tile[40:], gray[16:, :64][::-1])


def test_a_picture_and_its_pixels_have_the_same_tiles() -> None:
    image = noise(900, 600)
    with Picture.open(encode(image, "PNG")) as picture:
        assert detailed(picture, 128, 6) == detailed(image, 128, 6)
        assert detailed(picture, 128, 6) == detailed(picture, 128, 6)


def test_by_contrast_covers_the_whole_picture_once() -> None:
    image = noise(600, 400)
    tiles = by_contrast(image.size, image.reduce(4), 100)
    assert len(tiles) == 24
    covered = np.zeros((400, 600), int)
    for tile in tiles:
        covered[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert (covered == 1).all()
