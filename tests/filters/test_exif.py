"""The orientation in EXIF, read as Pillow reads it where the block is sound."""

from __future__ import annotations

import struct
import warnings

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from filters.exif import HEADER, orientation
from filters.picture import Picture
from tests.filters.support import drawing, encode
from tests.hostile.build import chunk, with_chunks

ORIENTATION = int(ExifTags.Base.Orientation)

Entry = tuple[int, int, int, bytes]
"""Tag, type, count, value."""
others = st.tuples(
    st.integers(0, 65535).filter(lambda tag: tag != ORIENTATION),
    # Kinds of numbers that fit an entry, and one that does not exist.
    st.sampled_from([1, 2, 3, 4, 6, 7, 8, 9, 99]),
    st.integers(0, 1),
    st.binary(min_size=4, max_size=4),
)
numbers = st.integers(0, 9) | st.integers(0, 65535)


def block(entries: list[Entry], order: str, at: int = 8, cut: int | None = None) -> bytes:
    """EXIF whose first directory stands at ``at``."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", at)
    fields = (struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
    count = struct.pack(f"{order}H", len(entries))
    return (start.ljust(at, b"\0") + count + b"".join(fields) + bytes(4))[:cut]


def by_pillow(exif: bytes) -> int:
    found = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found.load(exif)
            value = found.get(ORIENTATION, 1)
        except Exception:
            return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


@settings(max_examples=300)
@given(
    before=st.lists(others, max_size=6),
    after=st.lists(others, max_size=6),
    value=numbers,
    order=st.sampled_from("<>"),
    form=st.sampled_from([("H", 1), ("H", 2), ("H", 0), ("I", 1), ("I", 0)]),
    at=st.integers(8, 99),
    cut=st.none() | st.integers(0, 200),
    named=st.booleans(),
)
def test_it_is_what_pillow_says(
    before: list[Entry],
    after: list[Entry],
    value: int,
    order: str,
    form: tuple[str, int],
    at: int,
    cut: int | None,
    named: bool,
) -> None:
    kind, count = form
    body = struct.pack(f"{order}{kind}", value).ljust(4, b"\0")
    entry = (ORIENTATION, 3 if kind == "H" else 4, count, body)
    exif = block([*before, entry, *after], order, at, cut)
    assert orientation(HEADER * named + exif) == by_pillow(exif)


@given(st.integers(1, 8), st.sampled_from("<>"))
def test_a_sound_block_turns_the_picture(value: int, order: str) -> None:
    exif = block([(ORIENTATION, 3, 1, struct.pack(f"{order}H", value) + b"\0\0")], order)
    assert orientation(exif) == orientation(HEADER + exif) == value


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"II*\0" + rest))
def test_any_bytes_can_be_read(exif: bytes) -> None:
    assert 1 <= orientation(exif) <= 8


def test_a_value_that_is_not_there_does_not_hide_the_orientation() -> None:
    beyond = (0x010F, 2, 50_000, b"\0\0\0\1")
    assert orientation(block([beyond, (ORIENTATION, 3, 1, b"\6\0\0\0")], "<")) == 6


def test_only_the_start_of_a_block_is_looked_at() -> None:
    turned = (ORIENTATION, 3, 1, b"\6\0\0\0")
    assert orientation(block([turned], "<", at=60_000)) == 6
    assert orientation(block([turned], "<", at=70_000)) == 1


def test_a_second_block_of_a_jpeg_does_not_count() -> None:
    turned = HEADER + block([(ORIENTATION, 3, 1, b"\6\0\0\0")], "<")
    upright = HEADER + block([], "<")
    data = encode(drawing(), "JPEG", exif=upright)
    at = data.index(b"\xff\xdb")
    more = b"\xff\xe1" + struct.pack(">H", len(turned) + 2) + turned
    assert Picture.open(data[:at] + more + data[at:]).orientation == 1


def test_a_text_that_calls_itself_exif_is_no_block() -> None:
    assert Picture.open(with_chunks(chunk(b"tEXt", b"exif\0II*"))).orientation == 1
