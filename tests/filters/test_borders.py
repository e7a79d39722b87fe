"""Bars and frames do not count; whatever is drawn, and the ground it is drawn on, does."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from filters.borders import Box, content_box
from filters.picture import Picture
from tests.filters.support import encode

CORPUS = Path(os.environ.get("TRAWL_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))


def scene(width: int = 600, height: int = 400, seed: int = 1) -> Image.Image:
    """A full-frame picture: soft shapes and grain, up to every side."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 216, (height // 40 + 1, width // 40 + 1, 3)).astype(np.uint8)
    soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8))


def framed(
    content: Image.Image, colour: Any, left: int, top: int, right: int, bottom: int
) -> Image.Image:
    size = (content.width + left + right, content.height + top + bottom)
    out = Image.new("RGB", size, colour)
    out.paste(content, (left, top))
    return out


def box_of(image: Image.Image, format: str = "PNG", **options: Any) -> Box:
    return content_box(Picture.open(encode(image, format, **options)))


def whole(image: Image.Image) -> Box:
    return Box(0, 0, *image.size)


def near(found: Box, expected: tuple[int, int, int, int], within: int = 3) -> bool:
    return all(abs(a - b) <= within for a, b in zip(found, expected, strict=True))


def test_a_full_frame_picture_is_all_content() -> None:
    assert box_of(scene()) == (0, 0, 600, 400)


@pytest.mark.parametrize("colour", ["black", "white", (90, 40, 120)])
@pytest.mark.parametrize(
    "sides", [(0, 60, 0, 60), (80, 0, 80, 0), (50, 50, 50, 50), (20, 30, 70, 110)]
)
def test_bars_and_frames_of_any_colour_do_not_count(
    colour: Any, sides: tuple[int, int, int, int]
) -> None:
    image = framed(scene(), colour, *sides)
    left, top = sides[:2]
    assert box_of(image) == (left, top, left + 600, top + 400)


@pytest.mark.parametrize("quality", [40, 75, 92])
def test_the_noise_of_compression_hides_no_bar(quality: int) -> None:
    image = framed(scene(), (30, 60, 50), 0, 61, 0, 61)
    found = box_of(image, "JPEG", quality=quality)
    assert near(found, (0, 61, 600, 461), within=8)


def test_bars_may_be_slightly_graded() -> None:
    image = framed(scene(), "black", 0, 80, 0, 80)
    pixels = np.asarray(image).astype(np.int16)
    pixels[:80] += np.arange(600, dtype=np.int16)[None, :, None] // 150
    pixels[480:] += np.arange(600, dtype=np.int16)[None, :, None] // 150
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    assert near(box_of(image), (0, 80, 600, 480))


def test_a_bar_of_an_upscaled_picture_ends_softly() -> None:
    image = framed(scene(), "black", 0, 50, 0, 50)
    image = image.resize((image.width * 3, image.height * 3), Image.Resampling.BICUBIC)
    assert near(box_of(image), (0, 150, 1800, 1350), within=6)


def test_frames_within_frames_are_taken_off() -> None:
    image = framed(framed(scene(), "black", 0, 40, 0, 40), "white", 60, 60, 60, 60)
    assert box_of(image) == (60, 100, 660, 500)


def test_a_single_bar_must_be_black_or_white() -> None:
    assert box_of(framed(scene(), "black", 0, 0, 0, 90)) == (0, 0, 600, 400)
    flat_sky = framed(scene(), (120, 180, 240), 0, 90, 0, 0)
    assert box_of(flat_sky) == whole(flat_sky)


def test_a_night_scene_in_a_letterbox_is_told_from_its_bars() -> None:
    night = scene(800, 300)
    dark = Image.new("RGB", (480, 300), (2, 2, 3))
    night.paste(dark, (160, 0))
    assert near(box_of(framed(night, "black", 0, 75, 0, 75)), (0, 75, 800, 375))


# -- what is content ----------------------------------------------------------------------------


def figure(ground: Any, size: tuple[int, int] = (700, 900)) -> Image.Image:
    """A character on plain ground: a ragged outline with empty ground on every side."""
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    wide, high = size
    draw.ellipse((wide * 0.35, high * 0.1, wide * 0.65, high * 0.35), fill=(230, 190, 160))
    points = [(0.5, 0.3), (0.75, 0.6), (0.62, 0.88), (0.45, 0.8), (0.3, 0.9), (0.25, 0.55)]
    draw.polygon([(x * wide, y * high) for x, y in points], fill=(60, 80, 160))
    draw.line([(wide * 0.4, high * 0.15), (wide * 0.3, high * 0.3)], fill="brown", width=6)
    return image


@pytest.mark.parametrize("ground", ["white", "black", (200, 220, 240)])
def test_the_ground_around_a_character_is_content(ground: Any) -> None:
    assert box_of(figure(ground)) == (0, 0, 700, 900)


def test_transparent_ground_is_content_too() -> None:
    image = figure("white").convert("RGBA")
    image.putalpha(image.convert("L").point(lambda level: 0 if level == 255 else 255))
    assert box_of(image) == (0, 0, 700, 900)


def test_line_art_keeps_its_paper() -> None:
    image = Image.new("RGB", (800, 800), "white")
    draw = ImageDraw.Draw(image)
    for at in range(120, 680, 40):
        draw.arc((at, at / 2 + 60, at + 200, 640 - at / 4), 20, 300, fill="black", width=2)
    assert box_of(image) == (0, 0, 800, 800)


def test_a_speck_on_a_huge_ground_is_all_there_is() -> None:
    image = Image.new("RGB", (2000, 2000), "white")
    image.paste(figure("white", (300, 400)), (800, 700))
    found = box_of(image)
    assert found.width < 320
    assert found.height < 420


def test_a_graded_sky_is_content() -> None:
    rows = np.linspace(250, 120, 500).astype(np.uint8)
    sky = np.repeat(np.repeat(rows[:, None, None], 700, axis=1), 3, axis=2)
    image = framed(scene(700, 200), "white", 0, 500, 0, 0)
    image.paste(Image.fromarray(sky), (0, 0))
    assert box_of(image) == whole(image)


def test_a_vignette_is_content() -> None:
    down, across = np.mgrid[-1:1:500j, -1:1:700j]
    light = np.clip(1.3 - down**2 - across**2, 0, 1)[..., None]
    pixels = np.asarray(scene(700, 500)) * light
    image = Image.fromarray(pixels.astype(np.uint8))
    assert box_of(image) == whole(image)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (64, 64)])
def test_a_picture_of_one_colour_has_no_bars(size: tuple[int, int]) -> None:
    assert box_of(Image.new("RGB", size, "black")) == (0, 0, *size)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 3), st.integers(24, 140), st.integers(24, 140))
def test_turning_a_picture_turns_its_box(turns: int, top: int, bottom: int) -> None:
    image = framed(
        scene(480, 360).filter(ImageFilter.GaussianBlur(0.6)), "black", 0, top, 0, bottom
    )
    found = box_of(image.rotate(90 * turns, expand=True))
    assert near(Box(*_turned(found, image, turns)), (0, top, 480, top + 360))


def _turned(box: Box, image: Image.Image, turns: int) -> tuple[int, int, int, int]:
    """A box of the picture turned left that often, on the picture as it was."""
    wide, high = image.size
    match turns:
        case 0:
            return box
        case 1:
            return (wide - box.bottom, box.left, wide - box.top, box.right)
        case 2:
            return (wide - box.right, high - box.bottom, wide - box.left, high - box.top)
    return (box.top, high - box.right, box.bottom, high - box.left)


# -- real pictures -------------------------------------------------------------------------------


def originals(kinds: set[str]) -> Iterator[Path]:
    with (CORPUS / "index.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["label"] == "original" and row["kind"] in kinds:
                yield CORPUS / row["file"]


@pytest.mark.skipif(not (CORPUS / "index.csv").is_file(), reason=f"no corpus at {CORPUS}")
def test_real_photographs_and_illustrations_lose_nothing_but_real_borders() -> None:
    """One scan among them has three black rows at the top and at the bottom."""
    lost = []
    for path in sorted(originals({"photo", "illustration"}))[::3]:
        with Picture.open(path) as picture:
            box = content_box(picture)
            if box.width * box.height < 0.98 * picture.width * picture.height:
                lost.append(path.name)
    assert lost == []
