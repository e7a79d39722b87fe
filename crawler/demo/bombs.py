"""Compressed bodies of some kilobytes that unpack to hundreds of megabytes of zeros.

Brotli (RFC 7932) and zstd (RFC 8878) are written by hand: their packages are not needed, and what
unpacks them is never asked to.
"""

from __future__ import annotations

import zlib
from typing import Final

MOST_ZSTD_BLOCK: Final = 2**17
MOST_BROTLI_BLOCK: Final = 2**24


def bomb(encoding: str, size: int) -> bytes:
    """``size`` zeros in a Content-Encoding. Raises ValueError for one that is not known."""
    match encoding:
        case "gzip":
            return _deflated(size, zlib.MAX_WBITS | 16)
        case "deflate":
            return _deflated(size, zlib.MAX_WBITS)
        case "br":
            return _brotli(size)
        case "zstd":
            return _zstd(size)
    raise ValueError(f"no bomb of the kind {encoding!r}")


def _deflated(size: int, window: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    step = 2**20
    parts = [packer.compress(bytes(min(step, size - done))) for done in range(0, size, step)]
    return b"".join((*parts, packer.flush()))


def _zstd(size: int) -> bytes:
    """Blocks that say: this byte, so many times."""
    # Neither content size nor checksum; a window of 128 KiB (exponent 7 over 2**10).
    parts = [b"\x28\xb5\x2f\xfd", b"\x00", bytes((7 << 3,))]
    for start in range(0, size, MOST_ZSTD_BLOCK):
        length = min(MOST_ZSTD_BLOCK, size - start)
        last = start + length == size
        parts.append((length << 3 | 1 << 1 | last).to_bytes(3, "little") + b"\0")
    return b"".join(parts)


def _brotli(size: int) -> bytes:
    """Blocks of one command: insert so many literals, of which there is only one."""
    bits = _Bits()
    bits.put(0, 1)  # a window of 64 KiB
    for start in range(0, size, MOST_BROTLI_BLOCK):
        length = min(MOST_BROTLI_BLOCK, size - start)
        if length < _INSERT_LEAST:
            raise ValueError(f"the last block needs {_INSERT_LEAST} bytes")
        bits.put(0, 1)  # not the last block
        bits.put(2, 2)  # its length has six nibbles
        bits.put(length - 1, 24)
        bits.put(0, 1)  # compressed
        bits.put(0, 3)  # one block type of each kind
        bits.put(0, 6)  # plain distances
        bits.put(0, 2)  # literals in context mode 0
        bits.put(0, 2)  # one tree of literals, one of distances
        for symbol, width in ((0, 8), (_INSERT_MOST, 10), (0, 6)):
            bits.put(1, 2)  # a simple code
            bits.put(0, 2)  # of one symbol
            bits.put(symbol, width)
        bits.put(length - _INSERT_LEAST, 24)
    bits.put(3, 2)  # the last block, empty
    return bits.bytes()


_INSERT_MOST: Final = 504
"""The command of the longest insert with the shortest copy, which is cut off by the block's end."""
_INSERT_LEAST: Final = 22_594
"""Literals that this command inserts at least."""


class _Bits:
    """Bits into bytes, the lowest first."""

    def __init__(self) -> None:
        self._number = 0
        self._length = 0

    def put(self, value: int, width: int) -> None:
        self._number |= value << self._length
        self._length += width

    def bytes(self) -> bytes:
        return self._number.to_bytes((self._length + 7) // 8, "little")
