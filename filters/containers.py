"""What a file says of itself before any decoder runs: format, size, end, frames, scans, extras.

Decoders forgive a missing trailer and allocate before they look; these walks do neither. They read
only lengths and markers, go forward only, give up after :data:`PARTS` steps and hold no copy of the
data. What a walk says is claimed, not proven: the decoded picture is checked again.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

from filters import jpeg
from filters.limits import PLAIN_PIXELS, Limits, PictureError, check_frames, check_size

PARTS = 100_000
"""Segments, chunks, blocks or boxes of one file: a 200 MB PNG of 4 KB chunks has half as many."""
SUB_BLOCKS = 1_000_000
"""Of at most 255 bytes each: a 200 MB GIF has 800,000."""
TABLES = 1 << 20
"""Bytes of tables and frame headers before the first scan of a JPEG, which has some hundred."""
UNPACKED = 1 << 20
"""Bytes that one packed text or profile of a PNG may have: what its decoder unpacks at most."""
DEFLATE = 1032
"""Times that deflate can make anything smaller."""

_ISPE = re.compile(rb"ispe\0\0\0\0(.{4})(.{4})", re.DOTALL)
_PROFILE_BOX = re.compile(rb"(.{4})colr(?:prof|rICC)", re.DOTALL)
_UGOIRA = re.compile(rb"PK\x03\x04.{26}\d{6}\.(?:jpg|png)", re.DOTALL)

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


@dataclass(slots=True)
class Structure:
    """What the walk through a file found. ``None`` is "the container does not say"."""

    complete: bool = False
    """The end of the picture, as its format marks it, lies inside the data."""
    frames: int | None = None
    scans: int = 0
    """Passes of a JPEG over the picture: each costs a decode of its own."""
    width: int | None = None
    """Of the canvas that a decoder may make: the largest that the file claims."""
    height: int | None = None
    bit_depth: int = 8
    coded: int = 0
    """Bytes of coded pixels, of the first frame where that can be told."""
    profile: int = 0
    """Bytes of the colour profile."""
    metadata: int = 0
    """Bytes of EXIF, XMP and other blocks of applications."""
    blocks: int = 0
    """Of metadata, profiles and whatever else is neither pixels nor text."""
    text: int = 0
    """Bytes of comments and texts, stored or unpacked, whichever is more."""
    texts: int = 0

    @property
    def pixels(self) -> int:
        return (self.width or 0) * (self.height or 0)

    @property
    def pixels_per_byte(self) -> float:
        return self.pixels / max(1, self.coded)

    def claim(self, width: int, height: int) -> None:
        """Note a size that the file claims. Which one a decoder believes is its own business."""
        if self.width is None or width * height > self.pixels:
            self.width, self.height = width, height


def sniff(header: bytes) -> str | None:
    """The format by the first bytes: ``jpg png webp avif gif zip``, else None. 64 are enough.

    A zip is one only where it begins with a numbered picture, as the frames of an ugoira are.
    """
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
    return "zip" if _UGOIRA.match(header) else None


def other_picture(header: bytes) -> bool:
    """Whether this is a picture of a format that is known but never decoded."""
    return header.startswith(_OTHER_PICTURES) or (
        header[4:8] == b"ftyp" and header[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")
    )


def structure(format: str, data: bytes) -> Structure:
    """Walk a file of a sniffed format from its header to its end.

    Raises PictureError (``too_many_parts``) where that takes too many steps.
    """
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


def check(found: Structure, limits: Limits) -> None:
    """Raise PictureError for the first limit that a file's structure is over."""
    check_size(found.width, found.height, limits)
    try:
        _check_parts(found, limits)
    except PictureError as error:
        error.width, error.height = found.width, found.height
        raise


def _check_parts(found: Structure, limits: Limits) -> None:
    check_frames(found.frames or 1, found.pixels, limits)
    if found.scans > limits.max_scans:
        raise PictureError("too_many_scans", f"{found.scans} scans")
    if found.profile > limits.max_profile_bytes:
        raise PictureError("icc_too_large", f"a colour profile of {found.profile} bytes")
    if found.metadata > limits.max_metadata_bytes:
        raise PictureError("metadata_too_large", f"{found.metadata} bytes of metadata")
    if found.texts > limits.max_texts or found.text > limits.max_text_bytes:
        raise PictureError("too_much_text", f"{found.texts} texts of {found.text} bytes")
    if found.blocks > limits.max_blocks:
        raise PictureError("too_many_parts", f"{found.blocks} blocks beside the pixels")
    if not found.complete:
        raise PictureError("truncated")
    if found.pixels > PLAIN_PIXELS and found.pixels_per_byte > limits.max_pixels_per_byte:
        raise PictureError("decompression_bomb", f"{found.pixels_per_byte:.0f} pixels per byte")


class _Steps:
    """Counts the steps of a walk. Raises PictureError where there are too many."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def __call__(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise PictureError("too_many_parts", f"more than {self._limit} parts")


def _jpeg(data: bytes) -> Structure:
    found, step, at, tables = Structure(frames=1), _Steps(PARTS), 2, 0
    scan: int | None = None
    # The segments between scans are jumped over, thumbnails in them included.
    while match := jpeg.NEXT_MARKER.search(data, at):
        step()
        if scan is not None:
            found.coded += match.start() - scan
            scan = None
        marker, at = data[match.start() + 1], match.end()
        if marker == jpeg.EOI:
            found.complete = True
            break
        if marker in (jpeg.SOI, jpeg.TEM):
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == jpeg.SOS:
            found.scans += 1
            scan = at + length
        elif marker == jpeg.COM:
            found.texts += 1
            found.text += length
        elif marker in jpeg.APP:
            found.blocks += 1
            profile = marker == jpeg.APP2 and data.startswith(jpeg.ICC, at + 2)
            found.profile += length if profile else 0
            found.metadata += 0 if profile else length
        else:
            if marker in jpeg.SOF and at + 7 <= len(data):
                height, width = struct.unpack_from(">HH", data, at + 3)
                found.claim(width, height)
            tables += 0 if found.scans else length
            if tables > TABLES:
                raise PictureError("too_many_parts", f"more than {TABLES} bytes of tables")
        at += length
    return found


def _png(data: bytes) -> Structure:
    found, step, at = Structure(), _Steps(PARTS), 8
    animated, frames = False, 0
    while at + 12 <= len(data) and not found.complete:
        step()
        length, kind = struct.unpack_from(">I4s", data, at)
        start, at = at + 8, at + 12 + length
        match kind:
            case b"IHDR" if length >= 9 and start + 9 <= len(data):
                width, height, depth = struct.unpack_from(">IIB", data, start)
                found.claim(width, height)
                found.bit_depth = depth or 8
            case b"IDAT":
                found.coded += length
            case b"acTL":
                animated = True
            case b"fcTL":
                frames += 1
            case b"eXIf":
                found.blocks += 1
                found.metadata += length
            case b"iCCP" | b"tEXt" | b"zTXt" | b"iTXt":
                _png_extra(found, kind, data[start : start + length])
            case b"fdAT":
                pass
            case b"IEND":
                found.complete = at <= len(data)
            case _:
                found.blocks += 1
    if found.complete:
        found.frames = max(1, frames if animated else 1)
    return found


def _png_extra(found: Structure, kind: bytes, body: bytes) -> None:
    """Count a profile or text. What is over the limits already is not unpacked as well."""
    profile = kind == b"iCCP"
    packed = _packed(kind, body) if max(found.text, found.profile) <= UNPACKED << 3 else b""
    # A short text cannot hold too much: most need not be unpacked to know.
    size = _unpacked(packed) if profile or len(packed) * DEFLATE > UNPACKED else 0
    if size > UNPACKED:
        reason = "icc_too_large" if profile else "too_much_text"
        problem = f"{kind.decode()} unpacks to more than {UNPACKED} bytes"
        raise PictureError(reason, problem, width=found.width, height=found.height)
    if profile:
        found.blocks += 1
        found.profile += max(size, len(body))
    else:
        found.texts += 1
        found.text += max(size, len(body))


def _packed(kind: bytes, body: bytes) -> bytes:
    """The deflated part of a PNG chunk."""
    rest = body.partition(b"\0")[2]
    if kind in (b"iCCP", b"zTXt"):
        return rest[1:]
    if kind == b"iTXt" and rest[:1] == b"\1":
        return rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return b""


def _unpacked(packed: bytes) -> int:
    """Bytes that this holds, counted up to UNPACKED + 1.

    What breaks off counts as all that it may have held: to find that out took as long.
    """
    try:
        return len(zlib.decompressobj().decompress(packed, UNPACKED + 1))
    except zlib.error:
        return min(len(packed) * DEFLATE, UNPACKED)


def _gif(data: bytes) -> Structure:
    if len(data) < 13:
        return Structure()
    found, step, sub_step = Structure(frames=0), _Steps(PARTS), _Steps(SUB_BLOCKS)
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _colours(flags), 0
    while at < len(data):
        step()
        block, start = data[at], at
        at += 1
        if block == 0x3B:
            found.complete = True
            break
        if block == 0x2C and at + 9 < len(data):
            frames += 1
            left, top, across, down = struct.unpack_from("<4H", data, at)
            # Decoders enlarge the canvas for a frame that sticks out of it.
            width, height = max(width, left + across), max(height, top + down)
            at = _after_sub_blocks(data, at + 10 + _colours(data[at + 8]), sub_step)
            found.coded += at - start if frames == 1 else 0
        elif block == 0x21:
            at = _after_sub_blocks(data, at + 1, sub_step)
            if data[start + 1 : start + 2] == b"\xfe":
                found.texts += 1
                found.text += at - start
            else:
                # Each frame has a graphic control extension of its own.
                found.blocks += data[start + 1 : start + 2] != b"\xf9"
                found.metadata += at - start
        elif block != 0x00:  # some writers pad between blocks with zeros
            break
    found.frames = frames
    found.claim(width, height)
    return found


def _colours(flags: int) -> int:
    """The bytes of a GIF's colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, at: int, step: _Steps) -> int:
    end = len(data)
    while at < end and data[at]:
        step()
        at += data[at] + 1
    return at + 1


def _webp(data: bytes) -> Structure:
    if len(data) < 30:
        return Structure()
    found, step, at, frames = Structure(), _Steps(PARTS), 12, 0
    end = 8 + int.from_bytes(data[4:8], "little")
    while at + 8 <= min(end, len(data)):
        step()
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 18]
        if kind in (b"VP8X", b"VP8L", b"VP8 ") and len(body) == 10:
            found.claim(*_webp_canvas(kind, body))
        if kind in (b"VP8L", b"VP8 ", b"ALPH"):
            found.coded += length
        elif kind == b"ANMF":
            frames += 1
            found.coded += length if frames == 1 else 0
        else:
            found.blocks += 1
            found.profile += length if kind == b"ICCP" else 0
            found.metadata += length if kind in (b"EXIF", b"XMP ") else 0
        at += 8 + length + (length & 1)
    found.complete = end <= len(data)
    found.frames = max(1, frames)
    return found


def _webp_canvas(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _avif(data: bytes) -> Structure:
    found, step, at, end = Structure(), _Steps(PARTS), 0, len(data)
    while at + 8 <= end:
        step()
        length, kind, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif length == 0:
            length = end - at
        if length < header:
            break
        if kind == b"mdat":
            found.coded += length - header
        elif kind in (b"meta", b"moov"):
            _avif_claims(found, data, at, min(at + length, end))
        at += length
    # A file cut between two boxes is whole boxes too, but has no media data.
    found.complete = found.coded > 0 and at == end
    return found


def _avif_claims(found: Structure, data: bytes, at: int, end: int) -> None:
    """What the properties inside a box say. Bytes that look like one by chance count, too."""
    found.metadata += end - at
    for size in _ISPE.finditer(data, at, end):
        found.claim(*(int.from_bytes(side, "big") for side in size.groups()))
    for box in _PROFILE_BOX.finditer(data, at, end):
        found.profile = max(found.profile, int.from_bytes(box.group(1), "big"))
    mark = data.find(b"av1C", at, end - 3)
    if mark >= 0:
        flags = data[mark + 6]
        found.bit_depth = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
