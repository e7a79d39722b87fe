"""The bricks of picture files, in any order and with any lie in their lengths."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"


def drawing(width: int = 48, height: int = 40, seed: int = 1) -> Image.Image:
    """Noise on a gradient: no two alike."""
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    ramp = np.linspace(0, 190, width)[None, :, None]
    return Image.fromarray((noise + ramp).astype(np.uint8))


@cache
def sound(format: str, seed: int = 1, *, frames: int = 1, **options: Any) -> bytes:
    """An honest file."""
    out = io.BytesIO()
    if frames > 1:
        more = [drawing(seed=seed + n) for n in range(1, frames)]
        options |= {"save_all": True, "append_images": more}
    drawing(seed=seed).save(out, format, **options)
    return out.getvalue()


def chunk(kind: bytes, body: bytes = b"", *, length: int | None = None, crc: bool = True) -> bytes:
    """A PNG chunk."""
    check = zlib.crc32(kind + body) ^ (0 if crc else 1)
    return struct.pack(">I", len(body) if length is None else length) + kind + body + (
        struct.pack(">I", check)
    )  # fmt: skip


def ihdr(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(width: int, height: int, *extra: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of one colour, with further chunks before its pixels."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" * (1 + (width * depth * samples + 7) // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return PNG + ihdr(width, height, depth, colour) + b"".join(extra) + chunk(b"IDAT", packed) + END


def zeros(size: int) -> bytes:
    """So many zeros, deflated."""
    return zlib.compress(bytes(size), 9)


def with_chunks(*extra: bytes) -> bytes:
    """An honest PNG with further chunks behind its header."""
    data = sound("PNG")
    return data[:33] + b"".join(extra) + data[33:]


def segment(marker: int, body: bytes = b"", *, length: int | None = None) -> bytes:
    """A JPEG segment."""
    size = len(body) + 2 if length is None else length
    return bytes((0xFF, marker)) + struct.pack(">H", size) + body


def with_segments(*extra: bytes) -> bytes:
    """An honest JPEG with further segments behind its start."""
    data = sound("JPEG")
    return data[:2] + b"".join(extra) + data[2:]


def resized(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if (at := data.find(marker)) >= 0:
            return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]
    raise ValueError("no frame header")


def exif(body: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + body)


def ifd(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF directory: (tag, type, count, value) of each entry, little-endian."""
    fields = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + fields + struct.pack("<I", following)


def gif(width: int, height: int, *blocks: bytes, trailer: bytes = b";", flags: int = 0x80) -> bytes:
    """A GIF of two colours."""
    colours = b"\0\0\0\xff\xff\xff" if flags & 0x80 else b""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0) + colours + (
        b"".join(blocks) + trailer
    )  # fmt: skip


def gif_frame(width: int, height: int, left: int = 0, top: int = 0, body: bytes = b"") -> bytes:
    """A frame of one pixel's worth of data, whatever its size."""
    return b"," + struct.pack("<4HB", left, top, width, height, 0) + (body or b"\2\2D\1\0")


def riff(*chunks: bytes, length: int | None = None) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if length is None else length) + body


def riff_chunk(kind: bytes, body: bytes, *, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return kind + struct.pack("<I", size) + body + b"\0" * (len(body) & 1)


def vp8x(width: int, height: int, flags: int = 0) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides)


def box(kind: bytes, body: bytes = b"", *, length: int | None = None) -> bytes:
    """A box of an AVIF."""
    return struct.pack(">I", len(body) + 8 if length is None else length) + kind + body


def claiming(data: bytes, width: int, height: int) -> bytes:
    """An AVIF whose properties claim another size."""
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]
