"""The head of a JPEG: the segments before its first scan, without those that no decoder needs.

Pillow reads the head in Python: it joins blocks of EXIF at a cost that grows with the square of
their number, parses them and Photoshop's, and steps through bytes between segments one by one.
Format: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.exif import HEADER
from filters.limits import PictureError

NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Inside a scan 0xFF is always followed by 0x00 or a restart marker: the next other is real."""
SOI, EOI, SOS, TEM, COM = 0xD8, 0xD9, 0xDA, 0x01, 0xFE
SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
APP = range(0xE0, 0xF0)
ICC = b"ICC_PROFILE\0"
APP1, APP2 = 0xE1, 0xE2
_NEEDED = ((0xE0, b"JFIF\0"), (APP2, ICC), (0xEE, b"Adobe"))
"""What applications wrote that says how the colours are coded."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A JPEG that its decoder can read at no more than the cost of its pixels."""

    data: bytes
    """The file without metadata, comments and what lies between segments."""
    exif: bytes
    """The first block of EXIF, empty where there is none."""


def bare(data: bytes) -> Bare:
    """Leave out what no decoder needs. Raises PictureError where no scan begins."""
    view, exif, at = memoryview(data), b"", 2
    kept = [view[:2]]
    while match := NEXT_MARKER.search(data, at):
        start, at, marker = match.start(), match.end(), data[match.end() - 1]
        if marker == EOI:
            break
        if marker == SOS:
            kept.append(view[start:])
            whole = sum(map(len, kept)) == len(data)
            return Bare(data if whole else b"".join(kept), exif)
        if marker not in (SOI, TEM):
            body = at + 2
            at += max(2, int.from_bytes(data[at:body], "big"))
            if marker == APP1 and not exif and data.startswith(HEADER, body, at):
                exif = data[body:at]
            if marker == COM or (marker in APP and not _is_needed(marker, data, body)):
                continue
        kept.append(view[start:at])
    raise PictureError("decode_error", "no scan begins")


def _is_needed(marker: int, data: bytes, body: int) -> bool:
    return any(marker == needed and data.startswith(name, body) for needed, name in _NEEDED)
