from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from filters.picture import Picture
from filters.quality import Quality
from tests.filters.support import Work, drawing, encode, judge

FILTER = Quality()
POLICY = judge().policy()
CORPUS = Path(os.environ.get("TRAWL_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "index.csv").is_file(), reason="no corpus: set TRAWL_CORPUS"
)


def reason(data: bytes) -> str | None:
    rejection = FILTER.judge(Work(), FILTER.measure(Picture.open(data)), POLICY)
    return rejection.reason if rejection else None


@pytest.mark.parametrize(
    ("quality", "expected"), [(5, "low_quality"), (30, "low_quality"), (50, None), (95, None)]
)
def test_jpegs_saved_too_coarsely_are_ruined(quality: int, expected: str | None) -> None:
    assert reason(encode(drawing(600, 500), "JPEG", quality=quality)) == expected


def test_a_blurred_picture_is_ruined_in_every_format() -> None:
    image = drawing(600, 500).filter(ImageFilter.GaussianBlur(4))
    for format in ("JPEG", "PNG", "WEBP"):
        assert reason(encode(image, format)) == "blurred"


def test_what_cannot_be_told_is_no_objection() -> None:
    measures = {"jpeg_quality": None, "sharpness": None}
    assert FILTER.judge(Work(), measures, POLICY) is None
    assert FILTER.judge(Work(), {}, POLICY) is None


def test_thresholds_are_policy_and_zero_asks_for_nothing() -> None:
    filters = judge()
    measures = {"jpeg_quality": 12.0, "sharpness": 0.1}
    off = filters.policy({"quality": {"min_jpeg_quality": 0, "min_sharpness": 0}})
    assert FILTER.judge(Work(), measures, off) is None
    allowed = FILTER.judge(Work(), measures, filters.policy({"allow": ["low_quality"]}))
    assert allowed is not None
    assert (allowed.reason, allowed.measured, allowed.threshold) == ("blurred", 0.1, 0.3)


def test_the_measures_of_a_jpeg_are_named() -> None:
    picture = Picture.open(encode(drawing(), "JPEG", quality=83, subsampling="4:2:0"))
    measures = FILTER.measure(picture)
    assert measures["jpeg_quality"] == 83
    assert measures["subsampling"] == "4:2:0"


@needs_corpus
def test_published_originals_pass_and_ruined_copies_of_them_do_not() -> None:
    with (CORPUS / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "original"][::12]
    missed = 0
    for row in rows:
        data = (CORPUS / row["file"]).read_bytes()
        assert reason(data) is None, row["file"]
        with Image.open(io.BytesIO(data)) as image:
            rgb = image.convert("RGB")
        assert reason(encode(rgb, "JPEG", quality=15)) == "low_quality"
        missed += reason(encode(rgb.filter(ImageFilter.GaussianBlur(4)), "PNG")) != "blurred"
    # Blurred beyond any contrast, a picture is let pass: benchmarks/results/ruined.md has rates.
    assert missed <= len(rows) // 10
