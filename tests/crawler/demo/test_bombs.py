"""Compressed bombs: small, and exactly what they say once they are unpacked."""

from __future__ import annotations

import zlib

import pytest

from crawler.demo.bombs import bomb

MIB = 2**20


@pytest.mark.parametrize(("encoding", "window"), [("gzip", 31), ("deflate", 15)])
def test_a_deflated_bomb_unpacks_to_its_size(encoding: str, window: int) -> None:
    data = bomb(encoding, 20 * MIB)
    assert len(data) < 40_000
    assert zlib.decompress(data, window) == bytes(20 * MIB)


def test_a_zstd_bomb_is_a_frame_of_repetitions() -> None:
    data = bomb("zstd", 512 * MIB + 5)
    assert len(data) < 20_000
    assert data.startswith(b"\x28\xb5\x2f\xfd")
    at, size, last = 6, 0, False
    while not last:
        head = int.from_bytes(data[at : at + 3], "little")
        last = bool(head & 1)
        assert head >> 1 & 3 == 1  # one byte, repeated
        size += head >> 3
        at += 4
    assert (size, at) == (512 * MIB + 5, len(data))


def test_a_brotli_bomb_is_a_few_bytes_for_each_16_mib() -> None:
    assert len(bomb("br", 512 * MIB)) < 700
    # What the reference decoder takes for 16 MiB of zeros.
    assert bomb("br", 16 * MIB).hex() == BROTLI_16_MIB


BROTLI_16_MIB = "f8ffff0f000440e01780efe9ff"


def test_an_encoding_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="lzma"):
        bomb("lzma", 1)
