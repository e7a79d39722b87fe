"""What a file says of itself before any decoder runs: its format, its end, frames and scans.

Decoders forgive a missing trailer and allocate before they look; these walks do neither. They read
only lengths and markers and hold no copy of the data.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_NEXT_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01

_OTHER_PICTURES = (
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"8BPS",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"\0\0\1\0",
)
"""BMP, TIFF, Photoshop, JPEG XL (bare and boxed), JPEG 2000 (boxed and bare), ICO."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What the walk through a file found. ``None`` is "the container does not say"."""

    complete: bool
    """The end of the picture, as its format marks it, lies inside the data."""
    frames: int | None = None
    scans: int = 0
    """Passes of a JPEG over the picture: each costs a decode of its own."""
    width: int | None = None
    height: int | None = None
    bit_depth: int = 8


def sniff(header: bytes) -> str | None:
    """The format by the first bytes: ``jpg png webp avif gif``, else None. 64 bytes are enough."""
    if header.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if header[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return "webp"
    if header[4:8] == b"ftyp":
        end = min(int.from_bytes(header[:4], "big"), len(header))
        brands = {header[8:12], *(header[i : i + 4] for i in range(16, end - 3, 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
    return None


def other_picture(header: bytes) -> bool:
    """Whether this is a picture of a format that is known but never decoded."""
    return header.startswith(_OTHER_PICTURES) or (
        header[4:8] == b"ftyp" and header[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")
    )


def structure(format: str, data: bytes) -> Structure:
    """Walk a file of a sniffed format from its header to its end."""
    match format:
        case "jpg":
            return _jpeg(data)
        case "png":
            return _png(data)
        case "gif":
            return _gif(data)
        case "webp":
            return _webp(data)
        case "avif":
            return _avif(data)
    raise ValueError(f"no picture format called {format!r}")


def _jpeg(data: bytes) -> Structure:
    at, scans = 2, 0
    # Inside a scan 0xFF is always followed by 0x00 or a restart marker, so the next other marker
    # is real; the segments between are jumped over, thumbnails in them included.
    while match := _NEXT_JPEG_MARKER.search(data, at):
        marker, at = data[match.start() + 1], match.end()
        if marker == _EOI:
            return Structure(True, 1, scans)
        if marker in (_SOI, _TEM):
            continue
        scans += marker == _SOS
        at += int.from_bytes(data[at : at + 2], "big")
    return Structure(False, 1, scans)


def _png(data: bytes) -> Structure:
    at, animated, frames = 8, False, 0
    width = height = None
    depth = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR" and length >= 9 and at + 17 <= len(data):
            width, height, depth = struct.unpack_from(">IIB", data, at + 8)
        animated |= kind == b"acTL"
        frames += kind == b"fcTL"
        at += 12 + length
        if kind == b"IEND" and at <= len(data):
            return Structure(True, max(1, frames if animated else 1), 0, width, height, depth or 8)
    return Structure(False, None, 0, width, height, depth or 8)


def _gif(data: bytes) -> Structure:
    if len(data) < 13:
        return Structure(False)
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _colours(flags), 0
    while at < len(data):
        block = data[at]
        at += 1
        if block == 0x3B:
            return Structure(True, frames, 0, width, height)
        if block == 0x2C and at + 9 < len(data):
            frames += 1
            at = _after_sub_blocks(data, at + 10 + _colours(data[at + 8]))
        elif block == 0x21:
            at = _after_sub_blocks(data, at + 1)
        elif block != 0x00:  # some writers pad between blocks with zeros
            break
    return Structure(False, frames, 0, width, height)


def _colours(flags: int) -> int:
    """The bytes of a GIF's colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, at: int) -> int:
    end = len(data)
    while at < end and data[at]:
        at += data[at] + 1
    return at + 1


def _webp(data: bytes) -> Structure:
    if len(data) < 30:
        return Structure(False)
    complete = 8 + int.from_bytes(data[4:8], "little") <= len(data)
    width = height = None
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    at, frames = 12, 0
    while at + 8 <= len(data):
        frames += data[at : at + 4] == b"ANMF"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + (length & 1)
    return Structure(complete, max(1, frames), 0, width, height)


def _avif(data: bytes) -> Structure:
    at, end, pixels = 0, len(data), False
    depth = 8
    mark = data.find(b"av1C", 0, 65536)
    if 0 <= mark < end - 6:
        flags = data[mark + 6]
        depth = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    while at + 8 <= end:
        length, header = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif length == 0:
            length = end - at
        if length < header:
            break
        # A file cut between two boxes is whole boxes too, but has no media data.
        pixels |= data[at + 4 : at + 8] == b"mdat"
        at += length
    return Structure(pixels and at == end, bit_depth=depth)
