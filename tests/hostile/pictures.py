"""Hostile pictures, and what may become of each."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from tests.hostile.build import (
    END,
    PNG,
    box,
    chunk,
    claiming,
    exif,
    gif,
    gif_frame,
    ifd,
    ihdr,
    png,
    resized,
    riff,
    riff_chunk,
    segment,
    sound,
    vp8x,
    with_chunks,
    with_segments,
    zeros,
)

HUGE = 0x7FFFFFFF


@dataclass(frozen=True)
class Hostile:
    """A file and the reasons that may be given for it; ``sound`` where it may be a picture."""

    name: str
    make: Callable[[], bytes]
    reasons: frozenset[str]

    def __str__(self) -> str:
        return self.name


def _hostile(name: str, make: Callable[[], bytes], *reasons: str) -> Hostile:
    return Hostile(name, make, frozenset(reasons))


def _scans(count: int) -> bytes:
    data = sound("JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), len(data) - 2
    return data[:end] + data[start:end] * count + data[end:]


def _as(format: str) -> bytes:
    return sound(format)


def _flat(format: str, side: int, **options: object) -> bytes:
    import io

    out = io.BytesIO()
    Image.new("RGB", (side, side), "white").save(out, format, **options)
    return out.getvalue()


def _profile(size: int) -> bytes:
    part = bytes(65_000)
    count = -(-size // len(part))
    parts = (b"ICC_PROFILE\0" + bytes((n % 256, count % 256)) + part for n in range(count))
    return b"".join(segment(0xE2, body) for body in parts)


def _moved(format: str, frames: int) -> bytes:
    return sound(format, frames=frames)


def _without_end(format: str) -> bytes:
    return sound(format)[:-12]


def _first_chunk(kind: bytes, length: int) -> bytes:
    return PNG + ihdr(8, 8) + chunk(kind, b"x" * 20, length=length) + END


JPEG = (
    _hostile("200 scans", lambda: _scans(200), "too_many_scans"),
    _hostile("90 scans", lambda: _scans(90), "sound"),
    _hostile("65535 x 65535", lambda: resized(sound("JPEG"), 65535, 65535), "too_many_pixels"),
    _hostile("no height", lambda: resized(sound("JPEG"), 48, 0), "decode_error", "truncated"),
    _hostile("no width", lambda: resized(sound("JPEG"), 0, 40), "decode_error", "truncated"),
    _hostile(
        "taller than its data",
        lambda: resized(sound("JPEG"), 48, 4000),
        "decode_error",
        "truncated",
        "sound",
    ),
    _hostile(
        "a second frame header of another size",
        lambda: with_segments(segment(0xC0, b"\x08\xff\xff\xff\xff\1\1\x11\0")),
        "too_many_pixels",
    ),
    _hostile(
        "a profile of 5 MB", lambda: with_segments(_profile(5_000_000)), "icc_too_large"
    ),
    _hostile(
        "20 MB of EXIF", lambda: with_segments(exif(bytes(65_000)) * 320), "metadata_too_large"
    ),
    _hostile(
        "9 MB of comments", lambda: with_segments(segment(0xFE, bytes(65_000)) * 140),
        "too_much_text",
    ),
    _hostile("2,000 comments", lambda: with_segments(segment(0xFE) * 2_000), "too_much_text"),
    _hostile(
        "half a million empty segments",
        lambda: with_segments(segment(0xEF) * 500_000),
        "too_many_parts",
    ),
    _hostile(
        "segments of no length",
        lambda: with_segments(segment(0xEF, length=0) * 200_000),
        "too_many_parts",
    ),
    _hostile("40,000 blocks of EXIF", lambda: with_segments(exif(bytes(140)) * 40_000),
             "too_many_parts"),
    _hostile("as many blocks of EXIF as may be", lambda: with_segments(exif(bytes(16_000)) * 990),
             "sound"),
    _hostile("2,000 blocks of Photoshop's",
             lambda: with_segments(segment(0xED, b"Photoshop 3.0\0" + bytes(99)) * 2_000),
             "too_many_parts"),
    _hostile("5,000 values in each of 240 blocks of Photoshop's", lambda: with_segments(
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\0\0\0\0\0\0\0" * 5_000) * 240), "sound"),
    _hostile("2,000 indexes of further pictures",
             lambda: with_segments(segment(0xE2, b"MPF\0" + bytes(99)) * 2_000), "too_many_parts"),
    _hostile("2,000 parts of a profile",
             lambda: with_segments(segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(99)) * 2_000),
             "too_many_parts"),
    _hostile("250,000 tables", lambda: with_segments(
        segment(0xDB, (b"\0" + b"\1" * 64) * 1_000) * 250), "too_many_parts"),
    _hostile("frame headers of 5 million layers",
             lambda: with_segments(segment(0xC0, b"\x08\0\x28\0\x30\3" + bytes(65_000)) * 240),
             "too_many_parts"),
    _hostile("16 MB between two segments", lambda: with_segments(segment(0xE0), bytes(16_000_000)),
             "sound"),
    _hostile("16 MB of fill bytes", lambda: with_segments(b"\xff" * 16_000_000), "sound"),
    _hostile("16 MB behind an end that comes first",
             lambda: b"\xff\xd8\xff\xd9" + bytes(16_000_000), "decode_error"),
    _hostile("starts without end", lambda: b"\xff\xd8" * 500_000, "too_many_parts", "not_an_image"),
    _hostile("fill bytes without end", lambda: b"\xff\xd8" + b"\xff" * 3_000_000, "truncated"),
    _hostile(
        "an EXIF directory that follows itself",
        lambda: with_segments(exif(b"II*\0\x08\0\0\0" + ifd((0x0112, 3, 1, 6), following=8))),
        "sound",
    ),
    _hostile(
        "EXIF directories inside themselves",
        lambda: with_segments(
            exif(b"II*\0\x08\0\0\0" + ifd((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8)))
        ),
        "sound",
    ),
    _hostile(
        "an EXIF value of four billion fractions",
        lambda: with_segments(exif(b"II*\0\x08\0\0\0" + ifd((0x011A, 5, 0xFFFFFFFF, 8)))),
        "sound",
    ),
    _hostile(
        "65,535 EXIF entries that are not there",
        lambda: with_segments(exif(b"II*\0\x08\0\0\0\xff\xff")),
        "sound",
    ),
    _hostile("EXIF that is cut", lambda: with_segments(exif(b"MM")), "sound"),
    _hostile("cut in half", lambda: sound("JPEG")[:600], "truncated"),
    _hostile("tables alone", lambda: b"\xff\xd8" + segment(0xDB, bytes(65)) + b"\xff\xd9",
             "decode_error", "truncated"),
)  # fmt: skip

PNGS = (
    _hostile(
        "13000 x 13000 in 20 KB", lambda: png(13_000, 13_000, depth=1, colour=0), "too_many_pixels"
    ),
    _hostile(
        "9900 x 9900 in 12 KB", lambda: png(9_900, 9_900, depth=1, colour=0), "decompression_bomb"
    ),
    _hostile(
        "2^31 x 2^31", lambda: PNG + ihdr(HUGE, HUGE) + chunk(b"IDAT", zeros(99)) + END,
        "too_many_pixels",
    ),
    _hostile(
        "2^31 x 1", lambda: PNG + ihdr(HUGE, 1) + chunk(b"IDAT", zeros(99)) + END,
        "too_many_pixels",
    ),
    _hostile("0 x 0", lambda: PNG + ihdr(0, 0) + chunk(b"IDAT", zeros(9)) + END, "decode_error"),
    _hostile("8 x 0", lambda: PNG + ihdr(8, 0) + chunk(b"IDAT", zeros(9)) + END, "decode_error",
             "truncated"),
    _hostile("two headers", lambda: png(8, 8, ihdr(60_000, 60_000)), "too_many_pixels"),
    _hostile("no header", lambda: PNG + chunk(b"IDAT", zeros(99)) + END, "decode_error"),
    _hostile("no pixels", lambda: PNG + ihdr(8, 8) + END, "decode_error", "truncated"),
    _hostile("fewer rows than said", lambda: PNG + ihdr(8, 900) + chunk(b"IDAT", zeros(99)) + END,
             "truncated", "decode_error"),
    _hostile("a chunk of 2^31 bytes", lambda: _first_chunk(b"IDAT", 0x80000000), "truncated"),
    _hostile("a text of 2^32 bytes", lambda: _first_chunk(b"tEXt", 0xFFFFFFFF), "truncated",
             "too_much_text"),
    _hostile("a chunk that is one byte too long", lambda: _first_chunk(b"IDAT", 21),
             "truncated", "decode_error"),
    _hostile("a wrong header checksum", lambda: PNG + chunk(b"IHDR", ihdr(8, 8)[8:21], crc=False)
             + chunk(b"IDAT", zeros(200)) + END, "decode_error"),
    _hostile("a wrong pixel checksum", lambda: PNG + ihdr(8, 8)
             + chunk(b"IDAT", zeros(200), crc=False) + END, "decode_error", "sound"),
    _hostile("a zTXt bomb", lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + zeros(8_000_000))),
             "too_much_text"),
    _hostile("an iTXt bomb",
             lambda: with_chunks(chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(8_000_000))),
             "too_much_text"),
    _hostile("60 packed texts of just under 1 MB",
             lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + zeros(1_040_000)) * 60),
             "too_much_text"),
    _hostile("900 packed texts that break off at their end", lambda: with_chunks(
        chunk(b"zTXt", b"a\0\0" + zeros(1_040_000)[:-4] + b"!bad") * 900), "too_much_text"),
    _hostile("a packed text that is no deflate",
             lambda: with_chunks(chunk(b"zTXt", b"a\0\0" + b"\xff" * 5_000)), "sound"),
    _hostile("an iCCP bomb", lambda: with_chunks(chunk(b"iCCP", b"a\0\0" + zeros(8_000_000))),
             "icc_too_large"),
    _hostile("4,000 short profiles that unpack to much", lambda: with_chunks(
        chunk(b"iCCP", b"a\0\0" + zeros(1_040_000)[:1000]) * 4_000), "icc_too_large"),
    _hostile("2,000 blocks of EXIF", lambda: with_chunks(chunk(b"eXIf", b"II*\0") * 2_000),
             "too_many_parts"),
    _hostile("2,000 kinds of transparency", lambda: with_chunks(chunk(b"tRNS", bytes(6)) * 2_000),
             "too_many_parts"),
    _hostile("65,000 EXIF entries that reach beyond the file", lambda: with_chunks(chunk(
        b"eXIf", b"II*\0\x08\0\0\0" + ifd(*((n, 7, 800_000, 8) for n in range(300, 65_300))))),
        "sound"),
    _hostile("20,000 texts", lambda: with_chunks(chunk(b"tEXt", b"a\0b") * 20_000),
             "too_much_text"),
    _hostile("9 MB of text", lambda: with_chunks(chunk(b"tEXt", b"a\0" + b"b" * 9_000_000)),
             "too_much_text"),
    _hostile("20 MB of EXIF", lambda: with_chunks(chunk(b"eXIf", bytes(20_000_000))),
             "metadata_too_large"),
    _hostile("300,000 empty chunks", lambda: with_chunks(chunk(b"teSt") * 300_000),
             "too_many_parts"),
    _hostile("APNG of 1,200 frames", lambda: with_chunks(
        chunk(b"acTL", struct.pack(">II", 1_200, 0)), chunk(b"fcTL", bytes(26)) * 1_200),
        "too_many_frames"),
    _hostile("APNG that claims 2^31 frames", lambda: with_chunks(
        chunk(b"acTL", struct.pack(">II", HUGE, 0))), "sound", "decode_error", "too_many_frames"),
    _hostile("APNG of 600 MP", lambda: png(
        3_000, 2_000, chunk(b"acTL", struct.pack(">II", 100, 0)), chunk(b"fcTL", bytes(26)) * 100),
        "animation_too_large"),
    _hostile("a name of no letters", lambda: with_chunks(chunk(b"\0\1\2\3")), "decode_error"),
    _hostile("cut in half", lambda: sound("PNG")[:2_000], "truncated"),
    _hostile("without its end", lambda: _without_end("PNG"), "truncated"),
)  # fmt: skip

GIFS = (
    _hostile("4,000 frames", lambda: gif(4, 4, gif_frame(4, 4) * 4_000), "too_many_frames"),
    _hostile("900 frames of 9 MP", lambda: gif(3_000, 3_000, gif_frame(1, 1) * 900),
             "animation_too_large"),
    _hostile("65535 x 65535", lambda: gif(65535, 65535, gif_frame(1, 1)), "too_many_pixels"),
    _hostile("a frame far larger than its canvas", lambda: gif(4, 4, gif_frame(65535, 65535)),
             "too_many_pixels"),
    _hostile("a frame far outside its canvas", lambda: gif(4, 4, gif_frame(4, 4, 60000, 60000)),
             "too_many_pixels"),
    _hostile("9900 x 9900 in 50 bytes", lambda: gif(9_900, 9_900, gif_frame(9_900, 9_900)),
             "decompression_bomb"),
    _hostile("no frame", lambda: gif(4, 4), "decode_error", "truncated"),
    _hostile("0 x 0", lambda: gif(0, 0, gif_frame(0, 0)), "decode_error"),
    _hostile("a frame of no pixels", lambda: gif(4, 4, gif_frame(0, 0)), "decode_error", "sound",
             "truncated"),
    _hostile("no code size", lambda: gif(4, 4, gif_frame(4, 4, body=b"\0\0")), "decode_error",
             "truncated", "sound"),
    _hostile("a code size of 255", lambda: gif(4, 4, gif_frame(4, 4, body=b"\xff\2D\1\0")),
             "decode_error", "truncated"),
    _hostile("3 million sub-blocks", lambda: gif(4, 4, b"!\xff" + b"\1x" * 3_000_000 + b"\0",
             gif_frame(4, 4)), "too_many_parts"),
    _hostile("2,000 extensions of applications", lambda: gif(4, 4, b"!\xff\1x\0" * 2_000,
             gif_frame(4, 4)), "too_many_parts"),
    _hostile("a comment of 9 MB", lambda: gif(4, 4, b"!\xfe" + (b"\xff" + b"x" * 255) * 36_000
             + b"\0", gif_frame(4, 4)), "too_much_text"),
    _hostile("padded with 200,000 zeros", lambda: gif(4, 4, bytes(200_000), gif_frame(4, 4)),
             "too_many_parts"),
    _hostile("without its end", lambda: gif(4, 4, gif_frame(4, 4), trailer=b""), "truncated"),
    _hostile("a block of no kind", lambda: gif(4, 4, b"?" * 99), "truncated"),
    _hostile("also a web page", lambda: b"GIF89a/*" + b"<script>alert(1)</script>" * 9,
             "truncated", "too_many_pixels", "decompression_bomb"),
)  # fmt: skip

WEBPS = (
    _hostile("a canvas of 16384 x 16384", lambda: riff(vp8x(16_384, 16_384, 2),
             riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", bytes(24))), "too_many_pixels"),
    _hostile("a canvas of 9900 x 9900 for nothing", lambda: riff(vp8x(9_900, 9_900, 2),
             riff_chunk(b"ANIM", bytes(6)), riff_chunk(b"ANMF", bytes(24))),
             "decompression_bomb"),
    _hostile("a canvas of another size than its picture", lambda: riff(vp8x(4_000, 4_000),
             sound("WEBP")[12:]), "decode_error", "decompression_bomb"),
    _hostile("2,000 frames", lambda: riff(vp8x(4, 4, 2), riff_chunk(b"ANIM", bytes(6)),
             riff_chunk(b"ANMF", bytes(24)) * 2_000), "too_many_frames"),
    _hostile("a chunk of 2^32 bytes", lambda: riff(vp8x(48, 40),
             riff_chunk(b"VP8L", bytes(20), length=0xFFFFFFFF)), "decode_error"),
    _hostile("longer than it is", lambda: riff(sound("WEBP")[12:], length=HUGE), "truncated"),
    _hostile("of no length", lambda: riff(sound("WEBP")[12:], length=0), "decode_error",
             "truncated"),
    _hostile("a profile of 5 MB", lambda: riff(vp8x(48, 40, 0x20),
             riff_chunk(b"ICCP", bytes(5_000_000)), sound("WEBP")[12:]), "icc_too_large"),
    _hostile("20 MB of XMP", lambda: riff(vp8x(48, 40, 4), sound("WEBP")[12:],
             riff_chunk(b"XMP ", bytes(20_000_000))), "metadata_too_large"),
    _hostile("300,000 empty chunks", lambda: riff(vp8x(48, 40), riff_chunk(b"oops", b"") * 300_000),
             "too_many_parts"),
    _hostile("2,000 blocks of EXIF", lambda: riff(vp8x(48, 40, 8), sound("WEBP")[12:],
             riff_chunk(b"EXIF", b"II*\0") * 2_000), "too_many_parts"),
    _hostile("16383 x 16383 in 40 bytes", lambda: riff(riff_chunk(b"VP8L", b"\x2f"
             + struct.pack("<I", 16_382 | 16_382 << 14) + bytes(20))), "too_many_pixels"),
    _hostile("cut in half", lambda: sound("WEBP")[:200], "truncated"),
)  # fmt: skip

AVIFS = (
    _hostile("claims 65535 x 65535", lambda: claiming(sound("AVIF"), 65535, 65535),
             "too_many_pixels"),
    _hostile("claims 0 x 0", lambda: claiming(sound("AVIF"), 0, 0), "decode_error"),
    _hostile("claims 9900 x 9900", lambda: claiming(sound("AVIF"), 9_900, 9_900),
             "decompression_bomb"),
    _hostile("is far larger than it claims", lambda: claiming(_flat("AVIF", 3_000, speed=10), 8, 8),
             "decode_error", "sound"),
    _hostile("a box of no length", lambda: sound("AVIF") + box(b"free", length=4), "truncated"),
    _hostile("a box of 2^63 bytes", lambda: box(b"ftyp", b"avif\0\0\0\0avifmif1")
             + box(b"mdat", struct.pack(">Q", 1 << 63), length=1), "truncated"),
    _hostile("a profile of 5 MB", lambda: box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta",
             bytes(4) + box(b"colr", b"prof" + bytes(5_000_000))) + box(b"mdat", bytes(99)),
             "icc_too_large"),
    _hostile("300,000 empty boxes", lambda: box(b"ftyp", b"avif\0\0\0\0avifmif1")
             + box(b"free") * 300_000, "too_many_parts"),
    _hostile("boxes in boxes in boxes", lambda: box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta",
             bytes(4) + b"".join(struct.pack(">I", 8 * n) + b"iprp" for n in range(5_000, 0, -1)))
             + box(b"mdat", bytes(99)), "decode_error"),
    _hostile("nothing but its name", lambda: box(b"ftyp", b"avif\0\0\0\0avifmif1"), "truncated"),
    _hostile("cut in half", lambda: sound("AVIF")[:400], "truncated"),
)  # fmt: skip

DISGUISED = (
    _hostile("TIFF", lambda: _as("TIFF"), "format_not_allowed"),
    _hostile("BMP", lambda: _as("BMP"), "format_not_allowed"),
    _hostile("ICO", lambda: _as("ICO"), "format_not_allowed"),
    _hostile("JPEG 2000", lambda: _as("JPEG2000"), "format_not_allowed"),
    _hostile("Photoshop", lambda: b"8BPS\0\1" + bytes(6) + b"\0\3" + b"\xff" * 12,
             "format_not_allowed"),
    _hostile("PDF", lambda: _as("PDF"), "not_an_image"),
    _hostile("PostScript", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" * 9,
             "not_an_image"),
    _hostile("SVG", lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
             "not_an_image"),
    _hostile("Targa", lambda: _as("TGA"), "not_an_image"),
    _hostile("PCX", lambda: _as("PCX"), "not_an_image"),
    _hostile("portable pixmap", lambda: _as("PPM"), "not_an_image"),
    _hostile("HEIC", lambda: box(b"ftyp", b"heic\0\0\0\0mif1heic") + bytes(99),
             "format_not_allowed"),
    _hostile("web page", lambda: b"<!doctype html><title>Just a moment</title>", "not_an_image"),
    _hostile("nothing", lambda: b"", "not_an_image"),
    _hostile("zeros", lambda: bytes(10_000), "not_an_image"),
    _hostile("Windows program", lambda: b"MZ" + bytes(500), "not_an_image"),
    _hostile("JPEG with a zip behind it", lambda: sound("JPEG") + b"PK\5\6" + bytes(18), "sound"),
    _hostile("JPEG by its first bytes, PNG by the rest", lambda: b"\xff\xd8\xff" + sound("PNG"),
             "truncated", "decode_error"),
    _hostile("the names of all formats", lambda: PNG + b"GIF89aRIFF\0\0\0\0WEBP\xff\xd8\xff",
             "truncated"),
)  # fmt: skip

FAMILIES = {
    "jpeg": JPEG,
    "png": PNGS,
    "gif": GIFS,
    "webp": WEBPS,
    "avif": AVIFS,
    "disguise": DISGUISED,
}

HOSTILE = tuple(
    Hostile(f"{family}: {one.name}", one.make, one.reasons)
    for family, members in FAMILIES.items()
    for one in members
)
"""All of them."""
