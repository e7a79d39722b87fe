"""Zips of numbered pictures, and zips that only look like it."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.archive import Archive, ArchiveLimits
from filters.picture import Limits, Picture, PictureError, sniff
from tests.hostile.archives import EVIL, HONEST, Member, archive, frames
from tests.hostile.build import sound

ZIPS = Limits(formats=("jpg", "png", "zip"))


def reason_of(data: bytes, limits: Limits = ZIPS) -> str:
    with pytest.raises(PictureError) as told:
        Picture.open(data, limits)
    return told.value.reason


@pytest.mark.parametrize("name", HONEST)
def test_an_ugoira_is_a_picture_of_its_first_frame(name: str) -> None:
    data = HONEST[name]()
    assert sniff(data[:64]) == "zip"
    with Picture.open(data, ZIPS) as picture:
        assert (picture.format, picture.bytes) == ("zip", len(data))
        assert picture.frames == (1 if name == "of PNGs" else 3)
        assert picture.rgb.size == (picture.width, picture.height) == (48, 40)
    with zipfile.ZipFile(io.BytesIO(data)) as other:
        assert Archive(data).names == tuple(sorted(other.namelist()))
        assert list(Archive(data).frames()) == [other.read(n) for n in sorted(other.namelist())]


def test_frames_are_shown_in_the_order_of_their_numbers() -> None:
    first = Picture.open(HONEST["out of order"](), ZIPS)
    assert first.rgb.tobytes() == Picture.open(sound("JPEG", seed=1)).rgb.tobytes()


def test_an_archive_is_no_picture_unless_it_is_asked_for() -> None:
    assert reason_of(HONEST["stored"](), Limits()) == "format_not_allowed"


NOT_AS_A_ZIP = {
    "something before the first": "not_an_image",
    "no end": "truncated",
    "its start alone": "truncated",
    "a first frame that is no picture": "not_an_image",
    "a first frame that is an ugoira": "format_not_allowed",
    "a first frame of another format": "format_not_allowed",
}


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_archive_is_refused(name: str) -> None:
    assert len(EVIL) >= 20
    assert reason_of(EVIL[name]()) == NOT_AS_A_ZIP.get(name, "bad_zip")


def test_another_zip_is_no_picture() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("readme.txt", "hello")
    assert sniff(out.getvalue()[:64]) is None
    assert reason_of(out.getvalue()) == "not_an_image"


def test_sizes_are_counted_while_reading_and_not_only_believed() -> None:
    data = archive(*frames())
    total = sum(len(member.data) for member in frames())
    assert len(list(Archive(data, ArchiveLimits(max_bytes=total)).frames())) == 3
    held = Archive(data, ArchiveLimits(max_bytes=total))
    held.read("000000.jpg")
    held.read("000000.jpg")
    with pytest.raises(PictureError, match="size"):
        held.read("000001.jpg")
    with pytest.raises(PictureError, match="in all"):
        Archive(data, ArchiveLimits(max_bytes=total - 1))


def test_a_later_frame_that_is_damaged_costs_the_whole() -> None:
    data = bytearray(archive(*frames()))
    data[data.rindex(b"PK\3\4") + 300] ^= 1
    assert reason_of(bytes(data)) == "bad_zip"


def test_the_frames_of_an_archive_have_the_limits_of_any_moving_picture() -> None:
    data = archive(*(Member(b"%06d.png" % n, sound("PNG")) for n in range(30)))
    assert reason_of(data, Limits(formats=("zip",), max_frames=29)) == "too_many_frames"
    assert reason_of(data, Limits(formats=("zip",), max_frame_pixels=50_000)) == (
        "animation_too_large"
    )
    assert reason_of(data, Limits(formats=("zip",), max_pixels=1_000)) == "too_many_pixels"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_archives_give_a_picture_or_a_picture_error(data: st.DataObject) -> None:
    whole = bytearray(HONEST[data.draw(st.sampled_from(sorted(HONEST)))]())
    # Headers are where the lies are: most of the bytes are pixels.
    headers = [0, whole.rindex(b"PK\1\2"), len(whole) - 22]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.sampled_from(headers))
        whole[min(len(whole) - 1, start + data.draw(st.integers(0, 60)))] = data.draw(
            st.integers(0, 255)
        )
    try:
        picture = Picture.open(bytes(whole), ZIPS)
    except PictureError:
        return
    assert picture.rgb.size == (48, 40)
