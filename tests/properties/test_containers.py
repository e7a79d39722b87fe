"""Bytes that begin like a picture: looked at in a time like their length, or refused by reason."""

# ruff: noqa: PT017 - either end is fine, and both are looked at
from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.containers import sniff, structure
from filters.limits import Limits, PictureError
from filters.picture import examine
from tests.filters.support import drawing, encode

BEGINNINGS = {
    "jpg": b"\xff\xd8\xff",
    "png": b"\x89PNG\r\n\x1a\n",
    "gif": b"GIF89a",
    "webp": b"RIFF\xff\xff\xff\x7fWEBP",
    "avif": b"\0\0\0\x20ftypavif\0\0\0\0avifmif1",
}
PARTS = st.sampled_from(
    [
        *(b"\xff\xda", b"\xff\xd9", b"\xff\xe1\0\2", b"\xff\xff", b"\xff\0", b"\0\0", b"\0"),
        *(
            b"\0\0\0\0IDAT\0\0\0\0",
            b"\0\0\0\0IEND\xaeB`\x82",
            b"\0\0\0\x0dIHDR",
            b"\xff\xff\xff\xff",
        ),
        *(b"\x2c\0\0\0\0\1\0\1\0\0\2\0", b"!\xf9\4\0\0\0\0\0", b"!\xfe\1a\0", b";", b"\1\0\0\0"),
        *(b"VP8X\x0a\0\0\0", b"ANMF\0\0\0\0", b"VP8L\xff\xff\xff\xff", b"ICCP\0\0\0\0"),
        *(b"\0\0\0\x08mdat", b"\0\0\0\1moov\0\0\0\0\0\0\0\0", b"\0\0\0\0meta", b"ispe\0\0\0\0"),
    ]
)
bodies = st.lists(PARTS | st.binary(max_size=20), max_size=40).map(b"".join)


@cache
def sound(format: str) -> bytes:
    return encode(drawing(40, 30), {"jpg": "JPEG"}.get(format, format.upper()))


def examined(data: bytes) -> None:
    try:
        examine(data, Limits(max_bytes=10_000_000))
    except PictureError as error:
        assert error.reason.replace("_", "").isalpha()


@given(st.sampled_from(sorted(BEGINNINGS)), bodies)
def test_what_only_begins_like_a_picture_is_refused_by_reason(format: str, body: bytes) -> None:
    data = BEGINNINGS[format] + body
    assert sniff(data) in (format, None)
    examined(data)


@given(
    st.sampled_from(sorted(BEGINNINGS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), bodies), min_size=1, max_size=4),
)
def test_a_sound_file_with_parts_exchanged_is_a_picture_or_refused_by_reason(
    format: str, edits: list[tuple[float, int, bytes]]
) -> None:
    data = sound(format)
    for where, length, body in edits:
        at = int(where * len(data))
        data = data[:at] + body + data[at + length :]
    examined(data)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_sniffed(data: bytes) -> None:
    assert sniff(data) in (*BEGINNINGS, "zip", None)
    examined(data)


@given(st.sampled_from(sorted(BEGINNINGS)), st.binary(max_size=300))
def test_a_walk_that_is_given_the_wrong_bytes_ends(format: str, data: bytes) -> None:
    try:
        structure(format, data)
    except PictureError as error:
        assert error.reason


REPEATED = [
    *(b"\xff\xda\0\2", b"\xff\xe1\0\2", b"\xff\xd8", b"\xff", b"\xff\0", b"\0"),
    *(b"\0\0\0\0tEXt\0\0\0\0", b"\0\0\0\0iCCP\0\0\0\0", b"\1a", b"!\xfe\0", b"!\xfe\1a\0"),
    *(b"\x2c\0\0\0\0\1\0\1\0\0\2\0", b"ANMF\0\0\0\0", b"\0\0\0\x08free", b"\0\0\0\x08meta"),
    *(b"ispe\0\0\0\0", b"\0\0\0\x10colrprof\0\0\0\0", b"\0\0\0\x10meta\0\0\0\0ispe"),
]


def seconds(data: bytes) -> float:
    best = 60.0
    for _ in range(3):
        began = time.perf_counter()
        examined(data)
        best = min(best, time.perf_counter() - began)
    return best


@pytest.mark.parametrize("format", sorted(BEGINNINGS))
def test_the_time_of_a_look_grows_no_faster_than_the_file(format: str) -> None:
    for part in REPEATED:
        beginning = BEGINNINGS[format] + b"\0" * 7
        short, long = (beginning + part * (size // len(part)) for size in (60_000, 960_000))
        # Sixteen times the bytes: a walk that looks back would take 256 times as long.
        assert seconds(long) < 64 * seconds(short) + 0.05, part


@settings(max_examples=30)
@given(st.sampled_from(sorted(BEGINNINGS)), st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut_is_never_whole(format: str, where: float) -> None:
    data = sound(format)
    cut = data[: int(where * len(data))]
    with pytest.raises(PictureError):
        examine(cut)
