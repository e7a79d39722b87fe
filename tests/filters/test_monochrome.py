from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from filters.base import Measures
from filters.monochrome import KINDS, MIN_SCORE, Monochrome
from filters.monochrome.classification import Classifier
from filters.monochrome.numbers import numbers
from filters.onnx_model import ShippedModel, shipped
from filters.picture import Picture
from filters.policy import Judge, PolicyError
from filters.site_tags import SiteTags
from tests.filters.support import Work, drawing, encode, tagged

FILTER = Monochrome()
JUDGE = Judge([SiteTags(), FILTER])
CORPUS = Path(os.environ.get("TRAWL_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "index.csv").is_file(), reason="no corpus: set TRAWL_CORPUS"
)


def measured(image: Image.Image, format: str = "PNG", **options: object) -> Measures:
    return FILTER.measure(Picture.open(encode(image, format, **options)))


def kind(image: Image.Image, format: str = "PNG", **options: object) -> object:
    return measured(image, format, **options)["kind"]


def scene(width: int = 480, height: int = 360) -> Image.Image:
    """Sky, hills, a sun, a house: soft shades and hard edges in many colours."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    sky = np.stack([90 + 120 * y, 140 + 60 * y, 235 - 40 * y], -1)
    hill = np.stack([60 + 40 * x, 110 + 60 * np.sin(9 * x) ** 2, 50 + 0 * x], -1)
    picture = np.where(
        (y > 0.55 + 0.1 * np.sin(6 * x))[..., None], hill * (1.4 - y[..., None]), sky
    )
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((350, 40, 420, 110), "#ffdd55")
    draw.rectangle((120, 200, 230, 290), "#bb4433")
    draw.polygon([(110, 200), (175, 140), (240, 200)], "#553355")
    draw.rectangle((150, 230, 180, 290), "#eeeeee")
    return image


def toned(dark: str, light: str) -> Image.Image:
    ends = np.array([Image.new("RGB", (1, 1), c).getpixel((0, 0)) for c in (dark, light)], float)
    share = np.asarray(scene().convert("L"), float)[..., None] / 255
    return Image.fromarray((ends[0] + (ends[1] - ends[0]) * share).astype(np.uint8))


def highlighted() -> Image.Image:
    image = scene().convert("L").convert("RGB")
    ImageDraw.Draw(image).ellipse((350, 40, 420, 110), "#d02020")
    return image


def coloured_lines(side: int = 900) -> Image.Image:
    """Strokes a pixel thin in four colours, on white that fills nearly all."""
    page = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(page)
    random = np.random.default_rng(3)
    for i in range(90):
        colour = ("#c02040", "#2050c0", "#209050", "#a07000")[i % 4]
        draw.line(random.integers(0, side, 4).tolist(), fill=colour, width=1)
    return page


def test_a_colourful_picture_is_in_colour_in_every_format() -> None:
    for format in ("PNG", "JPEG", "WEBP"):
        found = measured(scene(), format)
        assert found["kind"] == "colour"
        assert JUDGE.verdict(Work(), {"monochrome": found}, JUDGE.policy()) is None
    assert kind(drawing(600, 500)) == "colour"


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
def test_grey_is_grey_beyond_doubt_however_a_jpeg_was_saved(quality: int) -> None:
    grey = scene().convert("L")
    for image in (grey, grey.convert("RGB")):
        found = measured(image, "JPEG", quality=quality)
        assert (found["kind"], found["score"], found["hue"]) == ("grey", 1.0, None)


def test_grey_is_grey_in_every_mode() -> None:
    grey = scene().convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    clear = grey.convert("RGB")
    clear.putalpha(Image.radial_gradient("L").resize(grey.size))
    for image in (grey, deep, grey.quantize(16), grey.convert("1"), grey.convert("LA"), clear):
        found = measured(image)
        assert (found["kind"], found["score"]) == ("grey", 1.0), image.mode


def test_plain_grey_needs_no_model(tmp_path: Path) -> None:
    absent = Classifier(ShippedModel(tmp_path / "absent.onnx"))
    for image in (scene().convert("L"), Image.new("RGB", (9, 9), "white")):
        assert absent.judge(numbers(Picture.open(encode(image, "PNG")))) == ("grey", 1.0)
    with pytest.raises(FileNotFoundError, match="absent"):
        absent.judge(numbers(Picture.open(encode(scene(), "PNG"))))


def test_noise_is_no_colour() -> None:
    grey = np.asarray(scene().convert("L").convert("RGB"), float)
    noise = np.random.default_rng(1).normal(0, 5, grey.shape)
    noisy = Image.fromarray(np.clip(grey + noise, 0, 255).astype(np.uint8))
    assert kind(noisy) == kind(noisy, "JPEG", quality=85) == "grey"


@pytest.mark.parametrize("colour", ["white", "black", "#777777"])
def test_a_blank_picture_is_grey(colour: str) -> None:
    assert kind(Image.new("RGB", (300, 200), colour)) == "grey"


def test_a_transparent_picture_is_white_paper() -> None:
    assert kind(Image.new("RGBA", (64, 64), (255, 0, 0, 0))) == "grey"


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 40), (7, 5), (3000, 2)])
def test_a_tiny_or_narrow_picture_can_be_measured(size: tuple[int, int]) -> None:
    for colour in ("white", "#d02020"):
        found = measured(Image.new("RGB", size, colour))
        assert found["kind"] in ("colour", *KINDS)
    assert kind(Image.new("RGB", size, "black")) == "grey"


@pytest.mark.parametrize(
    ("expected", "image"),
    [
        ("paper", toned("#2a2622", "#f2e8d2")),
        ("sepia", toned("#2b1a0c", "#f4dfb8")),
        ("tint", toned("#000000", "#5b8dff")),
        ("tint", toned("#8a1030", "#ffffff")),
        ("gradient_map", toned("#27105f", "#ffb070")),
        ("spot_colour", highlighted()),
    ],
)
def test_every_kind_of_monochrome_is_told(expected: str, image: Image.Image) -> None:
    for format in ("PNG", "JPEG"):
        assert kind(image, format) == expected


def test_thin_coloured_lines_on_white_are_colour() -> None:
    assert kind(coloured_lines()) == "colour"
    assert kind(coloured_lines(2600), "JPEG", quality=90) == "colour"


def test_black_lines_on_white_are_grey() -> None:
    assert kind(coloured_lines().convert("L")) == "grey"


def test_nights_snow_and_pale_colours_are_colour() -> None:
    pixels = np.asarray(scene(), float)
    for name, changed in {
        "night": pixels * 0.35,
        "snow": 255 - (255 - pixels) * 0.4,
        "pale": pixels * 0.4 + pixels.mean(axis=2, keepdims=True) * 0.6,
    }.items():
        assert kind(Image.fromarray(changed.astype(np.uint8))) == "colour", name


def test_a_limited_palette_is_colour() -> None:
    assert kind(scene().quantize(5)) == "colour"


def test_what_is_in_colour_in_large_parts_is_no_highlight() -> None:
    image = scene()
    image.paste(image.convert("L").convert("RGB").crop((0, 0, 240, 360)), (0, 0))
    assert kind(image) == "colour"


def test_the_policy_says_which_kinds_are_rejected() -> None:
    sepia, spot = (
        {"monochrome": measured(i)} for i in (toned("#2b1a0c", "#f4dfb8"), highlighted())
    )
    verdict = JUDGE.verdict(Work(), sepia, JUDGE.policy())
    assert verdict is not None
    assert (verdict.reason, verdict.by) == ("monochrome", "monochrome")
    assert str(verdict.measured).startswith("sepia 0.9")
    assert verdict.threshold == MIN_SCORE
    only_spots = JUDGE.policy({"monochrome": {"reject": ["spot_colour"]}})
    assert JUDGE.verdict(Work(), sepia, only_spots) is None
    assert JUDGE.verdict(Work(), spot, only_spots) is not None
    with pytest.raises(PolicyError, match="spot_colour"):
        JUDGE.policy({"monochrome": {"reject": ["spot_color"]}})


def test_the_threshold_is_policy() -> None:
    measures: dict[str, Measures] = {
        "monochrome": {"kind": "colour", "likeness": "tint", "score": 0.3}
    }
    assert JUDGE.verdict(Work(), measures, JUDGE.policy()) is None
    eager = JUDGE.policy({"monochrome": {"min_score": 0.2}})
    assert JUDGE.verdict(Work(), measures, eager) is not None


def test_tags_and_pixels_give_one_reason_that_one_word_allows() -> None:
    policy = JUDGE.policy()
    grey = {"monochrome": measured(scene().convert("L"))}
    by_tag = JUDGE.prescreen(tagged("greyscale"), policy)
    by_pixels = JUDGE.verdict(Work(), grey, policy)
    assert by_tag is not None
    assert by_pixels is not None
    assert (by_tag.reason, by_tag.by) == ("monochrome", "site_tags")
    assert (by_pixels.reason, by_pixels.by) == ("monochrome", "monochrome")
    allowed = JUDGE.policy({"allow": ["monochrome"]})
    assert JUDGE.verdict(tagged("greyscale"), grey, allowed) is None
    assert SiteTags.reasons["monochrome"] == Monochrome.reasons["monochrome"]


def test_tags_of_kinds_that_are_wanted_are_no_objection() -> None:
    only_grey = JUDGE.policy({"monochrome": {"reject": ["grey"]}})
    assert JUDGE.prescreen(tagged("greyscale"), only_grey) is not None
    for tag in ("sepia", "spot_color", "monochrome"):
        assert JUDGE.prescreen(tagged(tag), JUDGE.policy()) is not None
        assert JUDGE.prescreen(tagged(tag), only_grey) is None


def test_the_same_picture_has_the_same_measures() -> None:
    assert measured(scene(), "JPEG") == Monochrome().measure(Picture.open(encode(scene(), "JPEG")))


def test_the_model_is_small_and_its_card_is_of_it() -> None:
    model = shipped("monochrome")
    assert model.path.stat().st_size <= 300_000
    with Picture.open(encode(scene(), "PNG")) as picture:
        assert set(model.card["numbers"]) <= set(numbers(picture))
    assert model.card["sha256"] == model.sha256
    (port,) = model.inputs
    assert port.shape[-1] == len(model.card["numbers"])
    told = {*model.card["labels"], "sepia", "tint"} - {"toned"}
    assert told == {"colour", *KINDS}


@needs_corpus
def test_originals_are_in_colour_and_their_grey_copies_are_not() -> None:
    with (CORPUS / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "original"]
    wrong = []
    for row in [r for r in rows if r["kind"] in ("photo", "illustration")][4::24]:
        with Image.open(CORPUS / row["file"]) as opened:
            image = opened.convert("RGB")
        wrong += [row["file"]] * (kind(image) != "colour")
        assert kind(image.convert("L"), "JPEG", quality=60) == "grey", row["file"]
    assert len(wrong) <= 1, wrong
