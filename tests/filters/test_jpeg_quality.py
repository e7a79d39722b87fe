from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filters.jpeg_quality import jpeg_quality
from filters.picture import Picture
from tests.filters.support import encode

table = st.lists(st.integers(1, 255), min_size=64, max_size=64)


def tables(quality: int, mode: str = "RGB") -> tuple[tuple[int, ...], ...]:
    data = encode(Image.new(mode, (16, 16)), "JPEG", quality=quality)
    return Picture.open(data).quantization


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_quality_of_a_libjpeg_file_is_read_exactly(mode: str) -> None:
    for quality in range(1, 101):
        assert jpeg_quality(tables(quality, mode)) == pytest.approx(quality, abs=0.05)


def test_a_picture_without_tables_has_no_quality() -> None:
    assert jpeg_quality(()) is None


def test_one_odd_entry_and_another_order_move_the_estimate_little() -> None:
    luma, chroma = tables(75)
    shuffled = random.Random(1).sample(luma, 64)
    assert jpeg_quality([shuffled, chroma]) == jpeg_quality([luma, chroma])
    odd = [255, *luma[1:]]
    assert jpeg_quality([odd, chroma]) == pytest.approx(75, abs=1.5)


@given(table, table, st.integers(0, 63))
def test_coarser_tables_never_raise_the_quality(
    luma: list[int], chroma: list[int], at: int
) -> None:
    before = jpeg_quality([luma, chroma])
    coarser = [*luma[:at], 255, *luma[at + 1 :]]
    after = jpeg_quality([coarser, chroma])
    assert before is not None
    assert after is not None
    assert 1 <= after <= before <= 100
