"""Bytes become a picture we have looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from crawler import plugins
from crawler.errors import FetchError
from crawler.inspection import LARGE_PIXELS, Inspector
from tests.crawler.shelf import paint


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    made = Inspector(plugins.judge(), max_pixels=20_000_000)
    yield made
    made.close()


async def look(inspector: Inspector, path: Path):
    return await inspector.inspect(path, sha256="s" * 64, md5="m" * 32, size=path.stat().st_size)


async def test_a_picture_is_what_its_bytes_are_not_what_its_name_says(
    inspector: Inspector, tmp_path: Path
) -> None:
    path = paint(tmp_path, "one").rename(tmp_path / "one.jpg")
    image = await look(inspector, path)
    assert (image.format, image.width, image.height) == ("png", 48, 48)
    assert image.bytes == path.stat().st_size
    assert image.measures["resolution"]["width"] == 48
    assert all("version" in measured for measured in image.measures.values())


async def test_the_same_bytes_give_the_same_measures(inspector: Inspector, tmp_path: Path) -> None:
    path = paint(tmp_path, "one")
    images = await asyncio.gather(*(look(inspector, path) for _ in range(8)))
    assert all(image == images[0] for image in images)


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + b"x" * 100])
async def test_what_is_no_picture_is_told_with_the_decoders_reason(
    inspector: Inspector, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(FetchError) as told:
        await look(inspector, tmp_path / "f")
    assert told.value.reason not in ("", "crashed")
    assert not told.value.transient


async def test_a_picture_with_its_end_missing_is_no_whole_picture(
    inspector: Inspector, tmp_path: Path
) -> None:
    whole = paint(tmp_path, "one", side=200).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FetchError):
        await look(inspector, tmp_path / "cut")


async def test_pictures_over_the_cap_are_refused_and_large_ones_are_decoded(
    inspector: Inspector, tmp_path: Path
) -> None:
    side = int(LARGE_PIXELS**0.5) + 100
    Image.new("RGB", (side, side), "red").save(tmp_path / "large.png")
    Image.new("RGB", (5_000, 5_000), "red").save(tmp_path / "huge.png")
    image = await look(inspector, tmp_path / "large.png")
    assert image.width == side
    with pytest.raises(FetchError) as told:
        await look(inspector, tmp_path / "huge.png")
    assert told.value.reason == "too_many_pixels"
