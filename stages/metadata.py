"""What a file carries beside its pixels, and taking the private part off without re-encoding.

Private is what tells where a picture was taken, by whom or with which device: GPS, owner names,
serial numbers, maker notes. Colour profiles are not: they are part of the picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import ExifTags, Image

from filters.exif import UPRIGHT
from filters.exif import orientation as exif_orientation

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_PRIVATE = (0xE1, 0xED)
"""APP1 (EXIF, XMP) and APP13 (IPTC)."""
_PRIVATE_TAGS = (
    ExifTags.Base.MakerNote,
    ExifTags.Base.CameraOwnerName,
    ExifTags.Base.BodySerialNumber,
    ExifTags.Base.LensSerialNumber,
    ExifTags.Base.CameraSerialNumber,
)
_PRIVATE_XMP = (b"GPSL", b"SerialNumber", b"OwnerName")


class Malformed(ValueError):
    """The file is not laid out as its format says, so nothing can be cut out of it."""


@dataclass(frozen=True, slots=True)
class PngFacts:
    """What the chunks of a PNG say without decoding: bits per sample, and what rides along."""

    depth: int
    has_metadata: bool


def png_facts(file: BinaryIO) -> PngFacts:
    """Walk the chunks of a PNG; the file's position is kept. Raises Malformed."""
    depth, has_metadata = 8, False
    before = file.tell()
    for chunk in _png_chunks(file):
        if chunk.kind == b"IHDR":
            if len(chunk.head) < 9:
                raise Malformed("the PNG header is too short")
            depth = chunk.head[8]
        has_metadata = has_metadata or chunk.is_private
    file.seek(before)
    return PngFacts(depth, has_metadata)


def is_private(image: Image.Image) -> bool:
    """Whether EXIF or XMP tell of a place, a person or a device. Reads no pixels.

    Metadata that cannot be read counts as private: nobody can tell what it says.
    """
    try:
        exif = image.getexif()
        shot = exif.get_ifd(ExifTags.IFD.Exif)
        if exif.get_ifd(ExifTags.IFD.GPSInfo) or any(t in exif or t in shot for t in _PRIVATE_TAGS):
            return True
    except MemoryError:
        raise
    except Exception:  # of whatever kind: Pillow reads what is there without checking it
        return True
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    text = xmp.encode("utf-8", "replace") if isinstance(xmp, str) else bytes(xmp)
    return any(word in text for word in _PRIVATE_XMP)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense.

    As the catalog has it, from the file's EXIF alone: not from XMP, which Pillow would look into.
    """
    exif = image.info.get("exif")
    return exif_orientation(exif) if isinstance(exif, bytes) else UPRIGHT


def without_private(data: bytes, format: str) -> bytes:
    """The same file, its coded pixels untouched, without EXIF, XMP and IPTC.

    ``format`` is ``JPEG``, ``PNG`` or ``WEBP``. Raises Malformed.
    Layouts: ITU-T T.81 annex B, PNG (third edition) section 5, the WebP container specification.
    """
    if format == "JPEG":
        return _strip_jpeg(data)
    if format == "PNG":
        chunks = _png_chunks(io.BytesIO(data))
        kept = (data[c.start : c.end] for c in chunks if not c.is_private)
        return _PNG_SIGNATURE + b"".join(kept)
    if format == "WEBP":
        return _strip_webp(data)
    raise ValueError(f"cannot take metadata off {format}")


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    start: int
    end: int
    head: bytes
    """The first bytes of the body: enough for IHDR and for a keyword."""

    @property
    def is_private(self) -> bool:
        if self.kind == b"eXIf":
            return True
        if self.kind not in (b"tEXt", b"zTXt", b"iTXt"):
            return False
        keyword = self.head.split(b"\0", 1)[0]
        return keyword.startswith(b"Raw profile type ") or keyword == b"XML:com.adobe.xmp"


def _png_chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """The chunks up to IEND, without reading the pixels."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(len(_PNG_SIGNATURE)) != _PNG_SIGNATURE:
        raise Malformed("not a PNG")
    at = len(_PNG_SIGNATURE)
    while at + 12 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        end = at + 12 + length
        if end > size:
            raise Malformed("a PNG chunk ends after the file")
        yield _Chunk(kind, at, end, file.read(min(length, 80)))
        if kind == b"IEND":
            return
        at = end
    raise Malformed("the PNG has no end")


def _strip_jpeg(data: bytes) -> bytes:
    if not data.startswith(b"\xff\xd8"):
        raise Malformed("not a JPEG")
    kept, at = [data[:2]], 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise Malformed("a JPEG segment does not begin with FF")
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        if marker == 0xDA:  # the scan: all that follows is coded pixels
            return b"".join([*kept, data[at:]])
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise Malformed("a JPEG segment ends after the file")
        if marker not in _JPEG_PRIVATE:
            kept.append(data[at:end])
        at = end
    raise Malformed("the JPEG has no scan")


def _strip_webp(data: bytes) -> bytes:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise Malformed("not a WebP")
    kept, at = [], 12
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        end = at + 8 + length + (length & 1)
        if at + 8 + length > len(data):
            raise Malformed("a WebP chunk ends after the file")
        chunk = data[at:end]
        if kind == b"VP8X":
            flags = chunk[8] & ~0x0C  # neither EXIF nor XMP any more
            chunk = chunk[:8] + bytes([flags]) + chunk[9:]
        if kind not in (b"EXIF", b"XMP "):
            kept.append(chunk)
        at = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body
