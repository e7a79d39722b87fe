"""What a JPEG's decoder gets to see: nothing that it can spend time on but the pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filters.jpeg import bare
from filters.picture import Picture, PictureError
from tests.filters.support import drawing, encode
from tests.hostile.build import exif, segment, sound, with_segments

NEEDLESS = (
    exif(b"II*\0" + bytes(40)),
    segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
    segment(0xE2, b"MPF\0" + bytes(20)),
    segment(0xE2, b"FPXR\0" + bytes(20)),
    segment(0xED, b"Photoshop 3.0\x008BIM" + bytes(20)),
    segment(0xE0, b"JFXX\0" + bytes(20)),
    segment(0xEF),
    segment(0xFE, b"a comment with \xff\xd8\xff\xda in it"),
    b"\0between two segments",
    b"\xff" * 5,
)
needless = st.lists(st.sampled_from(NEEDLESS), max_size=8)


@given(needless)
def test_what_no_decoder_needs_is_left_out(extra: list[bytes]) -> None:
    assert bare(with_segments(segment(0xEF), *extra)).data == sound("JPEG")


@settings(max_examples=30, deadline=None)
@given(
    needless,
    st.sampled_from(["RGB", "L", "CMYK"]),
    st.booleans(),
    st.sampled_from([b"", b"x" * 70_000]),
)
def test_no_pixel_changes(extra: list[bytes], mode: str, progressive: bool, icc: bytes) -> None:
    image = drawing(60, 50).convert(mode)
    data = encode(image, "JPEG", progressive=progressive, icc_profile=icc, comment=b"by me")
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as plain:
        expected = np.asarray(plain.convert("RGB"))
    more = data[:2] + segment(0xEF) + b"".join(extra) + data[2:]
    with Picture.open(more) as picture:
        assert np.array_equal(np.asarray(picture.rgb), expected)
        assert (picture.icc, picture.mode) == (bool(icc), mode)


def test_a_file_with_nothing_to_leave_out_is_not_copied() -> None:
    assert bare(sound("JPEG")).data is sound("JPEG")


def test_the_first_block_of_exif_is_told() -> None:
    found = bare(with_segments(segment(0xE1, b"other"), exif(b"one"), exif(b"two")))
    assert found.exif == b"Exif\0\0one"
    assert bare(sound("JPEG")).exif == b""


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8" + segment(0xDB)])
def test_a_file_without_pixels_is_no_picture(data: bytes) -> None:
    with pytest.raises(PictureError) as told:
        bare(data)
    assert told.value.reason == "decode_error"


@given(st.binary(max_size=300), st.integers(0, 300))
def test_no_bytes_make_it_fail_otherwise(noise: bytes, at: int) -> None:
    data = sound("JPEG")
    try:
        found = bare(data[: 2 + at] + noise + data[2 + at :])
    except PictureError:
        return
    assert len(found.data) <= len(data) + len(noise)
