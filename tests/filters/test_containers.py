"""What a file says of itself is read without a decoder, and nothing it says can hurt."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filters.containers import sniff, structure
from filters.picture import Limits, Picture, PictureError, examine
from tests.filters.support import drawing, encode
from tests.filters.test_picture import FILES
from tests.hostile.build import (
    chunk,
    claiming,
    gif,
    gif_frame,
    segment,
    sound,
    with_chunks,
    with_segments,
    zeros,
)
from tests.hostile.pictures import FAMILIES, HOSTILE, Hostile

SECONDS = 1.0
"""Of one processor for one hostile file. On an idle machine none takes a third of that."""


def ending(data: bytes, limits: Limits | None = None) -> str:
    """The reason, or "sound"."""
    try:
        with Picture.open(data, limits) as picture:
            assert picture.rgb.size == (picture.display_width, picture.display_height)
    except PictureError as error:
        return error.reason
    return "sound"


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_a_hostile_file_is_refused_for_its_reason(hostile: Hostile) -> None:
    data = hostile.make()
    began = time.process_time()
    assert ending(data) in hostile.reasons
    assert time.process_time() - began < SECONDS


def test_no_library_warns_of_what_a_hostile_file_holds() -> None:
    # A warning with the file's own words in it is printed and remembered each time anew. Of AVIF
    # the library itself reads the EXIF: such files are decoded in another process.
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for hostile in HOSTILE:
            if not hostile.name.startswith("avif"):
                ending(hostile.make())
    assert [str(warning.message) for warning in told] == []


def test_there_are_enough_hostile_files() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 60
    assert all(len(family) >= 10 for family in FAMILIES.values())


RESIDENT = """
import resource, warnings
from filters.picture import Picture, PictureError
from tests.hostile.pictures import HOSTILE
warnings.simplefilter("ignore")
made = [(hostile.name, hostile.make()) for hostile in HOSTILE]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, data in made:
    try:
        Picture.open(data).close()
    except PictureError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count resident memory otherwise")
def test_hostile_files_take_little_memory() -> None:
    done = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True)
    assert int(done.stdout) < 64_000, done.stderr  # kB


@pytest.mark.parametrize("name", FILES)
def test_honest_files_tell_their_size_frames_and_end(name: str) -> None:
    format, data = FILES[name]
    found = structure(format, data)
    assert (found.width, found.height, found.complete) == (160, 120, True)
    assert found.frames in (None, 4 if "animated" in name else 1)
    assert 0 < found.coded < len(data)
    assert found.scans == (10 if name == "progressive jpeg" else name == "jpeg")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_profiles_and_metadata_are_counted(format: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 3_000
    data = encode(drawing(), format, icc_profile=bytes(range(256)) * 20, exif=exif)
    found = structure(sniff(data[:64]) or "", data)
    assert 5_000 <= found.profile <= 5_300 or (format == "PNG" and 0 < found.profile < 5_000)
    assert found.metadata >= (0 if format == "AVIF" else 3_000)
    assert ending(data) == "sound"


def blocks(format: str, *extra: bytes) -> int:
    """By how many more blocks there are."""
    more = {"jpg": with_segments, "png": with_chunks}[format]
    return structure(format, more(*extra)).blocks - structure(format, more()).blocks


def test_blocks_beside_the_pixels_are_counted() -> None:
    assert blocks("jpg", segment(0xE1), segment(0xED), segment(0xE2, b"ICC_PROFILE\0\1\1")) == 3
    assert blocks("jpg", segment(0xFE), segment(0xDD, b"\0\0")) == 0
    assert blocks("png", chunk(b"eXIf"), chunk(b"iCCP"), chunk(b"teSt"), chunk(b"tRNS")) == 4
    assert blocks("png", chunk(b"tEXt", b"a\0b"), chunk(b"IDAT"), chunk(b"fdAT")) == 0
    extensions = b"!\xff\1x\0", b"!\xf9\4\0\0\0\0\0", b"!\xfe\1x\0"
    assert structure("gif", gif(4, 4, *extensions, gif_frame(4, 4))).blocks == 1


@pytest.mark.parametrize("name", FILES)
def test_honest_files_have_few_blocks(name: str) -> None:
    format, data = FILES[name]
    assert structure(format, data).blocks < 10


def test_text_is_counted() -> None:
    assert structure("jpg", with_segments(segment(0xFE, b"x" * 500))).text == 502
    assert structure("png", with_chunks(chunk(b"tEXt", b"a\0" + b"x" * 500))).text == 502
    packed = chunk(b"zTXt", b"a\0\0" + zeros(900_000))
    # A short one is not unpacked to be counted: whatever it holds is little.
    assert structure("png", with_chunks(packed)).text == len(packed) - 12
    assert structure("png", with_chunks(*(packed * 2 for _ in range(4)))).texts == 8


@pytest.mark.parametrize(
    ("name", "limits", "reason"),
    [
        ("profile", Limits(max_profile_bytes=4_999), "icc_too_large"),
        ("exif", Limits(max_metadata_bytes=2_999), "metadata_too_large"),
        ("comment", Limits(max_text_bytes=499), "too_much_text"),
        ("comment", Limits(max_texts=0), "too_much_text"),
        ("exif", Limits(max_blocks=0), "too_many_parts"),
        ("progressive", Limits(max_scans=9), "too_many_scans"),
        ("moving", Limits(max_frame_pixels=48 * 40 * 3 - 1), "animation_too_large"),
    ],
)
def test_each_limit_has_a_reason_and_keeps_the_size(name: str, limits: Limits, reason: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 3_000
    data = {
        "profile": sound("JPEG", icc_profile=bytes(5_000)),
        "exif": encode(drawing(48, 40), "JPEG", exif=exif),
        "comment": sound("JPEG", comment=b"x" * 498),
        "progressive": sound("JPEG", progressive=True),
        "moving": sound("GIF", frames=3),
    }[name]
    assert ending(data) == "sound"
    with pytest.raises(PictureError) as told:
        examine(data, limits)
    assert (told.value.reason, told.value.width, told.value.height) == (reason, 48, 40)


def test_a_frame_that_sticks_out_of_its_canvas_counts_in_full() -> None:
    found = structure("gif", gif(10, 10, gif_frame(4, 4, 8, 20)))
    assert (found.width, found.height) == (12, 24)


def test_the_largest_of_several_claims_counts() -> None:
    data = sound("AVIF")
    meta = data.index(b"ispe")
    both = data[:meta] + data[meta : meta + 16]  # the first of two
    assert structure("avif", claiming(data, 700, 500)).pixels == 350_000
    assert structure("avif", both).pixels in (0, 48 * 40)


def test_flat_art_and_small_blanks_are_no_bombs() -> None:
    blank = encode(Image.new("1", (3_400, 3_500)), "PNG")
    assert structure("png", blank).pixels_per_byte > Limits().max_pixels_per_byte
    assert ending(blank) == "sound"
    page = Image.new("1", (6_000, 4_000), 1)
    page.paste(drawing(1_000, 700).convert("1"), (2_500, 1_500))
    assert ending(encode(page, "PNG")) == "sound"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_make_a_walk_fail_or_run_for_ever(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    format, whole = FILES[name]
    start = data.draw(st.integers(0, min(400, len(whole))))
    body = whole[:start] + data.draw(st.binary(max_size=400))
    if data.draw(st.booleans()):
        body += whole[start:]
    try:
        found = structure(format, body)
    except PictureError:
        return
    assert found.coded >= 0
    assert found.pixels >= 0


@given(st.binary(max_size=80))
def test_any_header_can_be_sniffed(header: bytes) -> None:
    assert sniff(header) in (None, "jpg", "png", "gif", "webp", "avif", "zip")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=64))
def test_a_format_is_told_by_the_first_bytes_alone(name: str, rest: bytes) -> None:
    format, data = FILES[name]
    assert sniff(data[:64]) == sniff(data[:64] + rest) == format
