"""The orientation in a block of EXIF, read with no more trust than the rest of the file.

A general EXIF reader follows every offset and keeps every value, which a hostile block can make
dear; this one looks at the entries of the first directory alone.
Format: https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E
"""

from __future__ import annotations

import struct

UPRIGHT = 1
HEADER = b"Exif\0\0"
LOOKED_AT = 1 << 16
"""Bytes of a block that are looked at: a JPEG's segment holds no more, and the first directory of
any other stands at its start."""

_ORIENTATION = 0x0112
_NUMBERS = {(3, 1): "H", (3, 2): "H", (4, 1): "I"}
"""Kinds and counts of whole numbers that an entry itself holds, the first of which counts."""
_ENTRY = 12


def orientation(exif: bytes) -> int:
    """How the picture is to be turned, 1 (upright) to 8; upright where the block makes no sense."""
    start = len(HEADER) if exif.startswith(HEADER) else 0
    block = exif[start : start + LOOKED_AT]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return UPRIGHT
    (at,) = struct.unpack_from(f"{order}I", block, 4)
    if at + 2 > len(block):
        return UPRIGHT
    (count,) = struct.unpack_from(f"{order}H", block, at)
    end = min(at + 2 + count * _ENTRY, len(block))
    for entry in range(at + 2, end - _ENTRY + 1, _ENTRY):
        tag, kind, values = struct.unpack_from(f"{order}HHI", block, entry)
        if tag == _ORIENTATION and (form := _NUMBERS.get((kind, values))):
            value: int = struct.unpack_from(f"{order}{form}", block, entry + 8)[0]
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT
