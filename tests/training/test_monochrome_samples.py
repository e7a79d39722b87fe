from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filters.monochrome import KINDS
from training.monochrome_colours import hue_mass
from training.monochrome_samples import BORDERLINE, SINGLE_HUE, Sample, labels, made
from training.monochrome_variants import COLOUR, MONOCHROME
from training.sources import Source


def colourful() -> Image.Image:
    """All hues across, dark and light in stripes."""
    hue, stripe = np.meshgrid(np.arange(320) * 255 // 320, np.arange(240) // 12 % 2 * 150 + 100)
    full = np.full_like(hue, 180)
    return Image.fromarray(np.stack([hue, full, stripe], -1).astype(np.uint8), "HSV").convert("RGB")


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "drawing.png"
    colourful().save(path)
    return Source(path, "illustration", "1", "somebody/pictures", "drawing.png")


def opened(sample: Sample) -> Image.Image:
    with Image.open(io.BytesIO(sample.data)) as image:
        return image.convert("RGB")


def test_every_variant_of_a_colourful_picture_is_made(source: Source) -> None:
    names = {sample.variant for sample in made(source, None, seed=1)}
    assert names >= {*MONOCHROME, *COLOUR, "as it is", "as a JPEG", "grey jpeg50"}


def test_a_seed_gives_the_same_files(source: Source) -> None:
    first, again = (list(made(source, None, seed=1)) for _ in range(2))
    assert first == again
    assert list(made(source, None, seed=2)) != first


def test_kinds_are_those_of_the_filter(source: Source) -> None:
    kinds = {sample.kind for sample in made(source, None, seed=1)}
    assert kinds == {"colour", "", *KINDS}


def test_nothing_colourful_is_made_of_a_grey_picture(source: Source) -> None:
    samples = list(made(source, "grey", seed=1))
    assert "colour" not in {sample.kind for sample in samples}
    assert {s.kind for s in samples if s.variant == "as it is"} == {"grey"}
    as_they_are = [s for s in made(source, BORDERLINE, seed=1) if s.variant.startswith("as ")]
    assert {sample.kind for sample in as_they_are} == {""}


def test_grey_variants_have_no_colour_and_coloured_lines_have_several(source: Source) -> None:
    for sample in made(source, None, seed=1):
        if sample.variant in ("grey", "manga page", "grey line art"):
            channels = np.asarray(opened(sample)).astype(int)
            assert np.ptp(channels, axis=2).max() <= 2, sample.variant
        if sample.variant in ("colour line art", "thin colour lines"):
            assert hue_mass(np.asarray(opened(sample), np.float32) / 255) > 0.1, sample.variant


def test_spot_colour_covers_little_and_partly_coloured_much() -> None:
    pixels = np.asarray(colourful(), np.float32) / 255
    shares = []
    for make in (MONOCHROME["spot colour"][1], COLOUR["partly coloured"]):
        changed = make(pixels, random.Random(1))
        assert changed is not None
        shares.append(float(np.mean(np.ptp(changed, axis=2) > 0.05)))
    assert shares[0] < 0.1 < 0.2 < shares[1]


def test_what_the_eye_said_is_a_kind() -> None:
    told = labels()
    assert told
    assert set(told.values()) <= {*KINDS, BORDERLINE, SINGLE_HUE}
