"""Shrinking: down only, to an area or a side, and the same every time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.errors import UnreadablePicture
from stages.shrink import Shrink, ShrinkOptions
from tests.stages.conftest import Make, encoded, noise


def test_a_large_picture_is_shrunk_to_the_area(make: Make) -> None:
    image = make("1", encoded(noise(300, 200), "PNG"))
    (small,) = Shrink(ShrinkOptions(max_pixels=15_000)).process([image])
    assert (small.width, small.height, small.format) == (150, 100, "png")
    with Image.open(io.BytesIO(small.data)) as decoded:
        assert (decoded.size, decoded.mode) == ((150, 100), "RGB")
        expected = noise(300, 200).resize((150, 100), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(np.asarray(decoded), np.asarray(expected))
    assert list(Shrink(ShrinkOptions(max_pixels=15_000)).process([image])) == [small]


def test_a_lossy_picture_stays_a_jpeg(make: Make) -> None:
    image = make("1", encoded(noise(300, 200), "JPEG"))
    (small,) = Shrink(ShrinkOptions(max_pixels=15_000)).process([image])
    assert small.format == "jpg"
    assert small.data.startswith(b"\xff\xd8")


def test_a_small_picture_gives_nothing(make: Make) -> None:
    images = [make("1", encoded(noise(300, 200), "PNG"))]
    assert list(Shrink(ShrinkOptions()).process(images)) == []
    assert list(Shrink(ShrinkOptions(min_side=200)).process(images)) == []


def test_the_short_side_can_be_asked_for_instead(make: Make) -> None:
    tall = make("1", encoded(noise(200, 333), "PNG"))
    (small,) = Shrink(ShrinkOptions(min_side=100, max_pixels=4096)).process([tall])
    assert (small.width, small.height) == (100, 166)


def test_a_work_without_a_file_is_an_error(make: Make) -> None:
    with pytest.raises(UnreadablePicture):
        list(Shrink(ShrinkOptions()).process([make("1", path=None)]))


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(4096, 4_000_000))
def test_sizes_never_grow_never_exceed_the_area_and_keep_the_aspect(
    width: int, height: int, area: int
) -> None:
    w, h = Shrink(ShrinkOptions(max_pixels=area)).size(width, height)
    assert w <= width
    assert h <= height
    if width * height <= area:
        assert (w, h) == (width, height)
    else:
        assert 0 < w * h <= area
        # The shorter side is rounded, and the longer one makes up for it.
        scale = (area / (width * height)) ** 0.5
        slack = 1 + max(w, h) / min(w, h)
        if min(width, height) * scale >= 1:
            assert abs(w - width * scale) <= slack
            assert abs(h - height * scale) <= slack
