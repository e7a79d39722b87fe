"""Samples of known kind, as files: a picture as it is, made monochrome, and colourful otherwise."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.codecs import encoded
from training.monochrome_colours import Floats, to_image
from training.monochrome_variants import COLOUR, DISPUTED, MONOCHROME, NEEDS_COLOUR, lively
from training.monochrome_variants import grey as grey_of
from training.sources import Source

LABELS = Path(__file__).with_name("monochrome_labels.csv")
BORDERLINE, SINGLE_HUE = "borderline", "single_hue"
"""Words of the table of labels that are no kinds: grey or tinted to many eyes, though it is no
drawing in one colour; and colour beyond dispute, all of it of one hue."""
GREY_JPEGS = (50, 75, 95)
SIDES = (256, 320, 400, 480, 512, 640)
"""The longer side that variants are made at: what is read off them are copies of 96 pixels."""
CODECS = ("png", "png", "jpeg75", "jpeg85", "jpeg95", "webp80")


@dataclass(frozen=True, slots=True)
class Sample:
    """One file, and what it is."""

    variant: str
    kind: str
    """``colour``, or what kind of monochrome; "" where it is neither."""
    codec: str
    data: bytes


def labels(table: Path = LABELS) -> dict[tuple[str, str], str]:
    """(origin, path) -> the kind of pictures that are by nature not plainly in colour, by eye."""
    with table.open(newline="") as file:
        return {(line["origin"], line["path"]): line["kind"] for line in csv.DictReader(file)}


def made(source: Source, label: str | None, seed: int) -> Iterator[Sample]:
    """Every variant that the source can give once, each in a codec drawn; seeded by its name.

    ``label`` is what :func:`labels` says of it: what is no plain colour is made monochrome, and
    given as it is, but nothing colourful is made of it.
    """
    image = source.open()
    own = "" if label == BORDERLINE else "colour" if label in (None, SINGLE_HUE) else label
    rng = random.Random(f"{seed} {source.origin} {source.path}")
    yield Sample("as it is", own, "", source.file.read_bytes())
    yield Sample("as a JPEG", own, "jpeg85", encoded(image, "jpeg85", rng))
    side = rng.choice(SIDES)
    image.thumbnail((side, side), Image.Resampling.BOX)
    pixels = np.asarray(image, np.float32) / 255
    for number, codec in enumerate(f"jpeg{quality}" for quality in GREY_JPEGS):
        grey = to_image(grey_of(pixels, rng) if number else _luma(image))
        yield Sample(f"grey {codec}", "grey", codec, encoded(grey, codec, rng))
    for name, (kind, make) in MONOCHROME.items():
        changed = make(pixels, rng)
        if changed is not None:
            yield _coded(name, kind, changed, rng)
    if label in (None, SINGLE_HUE):
        yield from _colourful(pixels, rng)


def _colourful(pixels: Floats, rng: random.Random) -> Iterator[Sample]:
    plenty = lively(pixels)
    for kind, variants in (("colour", COLOUR), ("", DISPUTED)):
        for name, make in variants.items():
            if name in NEEDS_COLOUR and not plenty:
                continue
            changed = make(pixels, rng)
            if changed is not None:
                yield _coded(name, kind, changed, rng)


def _luma(image: Image.Image) -> Floats:
    return np.asarray(image.convert("L").convert("RGB"), np.float32) / 255


def _coded(name: str, kind: str, pixels: Floats, rng: random.Random) -> Sample:
    codec = rng.choice(CODECS)
    return Sample(name, kind, codec, encoded(to_image(pixels), codec, rng))
