from __future__ import annotations

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filters.base import Measures
from filters.onnx_model import shipped
from filters.picture import Picture
from filters.policy import Judge
from filters.resolution import Resolution
from filters.site_tags import SiteTags
from filters.upscale import Upscale, evidence
from filters.upscale.features import NAMES
from tests.filters.support import Work, drawing, encode, tagged

FILTER = Upscale()
JUDGE = Judge([SiteTags(), Resolution(), FILTER])
CORPUS = Path(os.environ.get("TRAWL_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "index.csv").is_file(), reason="no corpus: set TRAWL_CORPUS"
)


def measured(image: Image.Image, format: str = "PNG", **options: object) -> Measures:
    with Picture.open(encode(image, format, **options)) as picture:
        return FILTER.measure(picture)


def reason(measures: Measures, **policy: object) -> str | None:
    asked = JUDGE.policy({"resolution": {"min_side": 1, "min_pixels": 1}, **policy})
    found = JUDGE.verdict(Work(), {FILTER.name: measures}, asked)
    return found.reason if found else None


def upscaled(factor: float = 2.0, **more: object) -> Measures:
    sizes = {"effective_width": 500, "effective_height": 400, "effective_side": 400}
    return {"answer": "upscaled", "factor": factor, "effective_pixels": 200_000, **sizes, **more}


@pytest.mark.parametrize("image", [
    Image.new("RGB", (900, 900), "white"),
    Image.new("L", (1, 1)),
    Image.new("RGB", (3, 900), "red"),
    Image.linear_gradient("L").resize((800, 800)),
], ids=["blank", "one pixel", "a strip", "a gradient"])  # fmt: skip
def test_where_there_is_no_detail_nothing_is_told(image: Image.Image) -> None:
    found = measured(image)
    assert found["answer"] == "undecided"
    assert found["factor"] == 1.0
    assert reason(found) is None


def test_measures_are_finite_numbers_and_the_same_in_every_thread() -> None:
    images = [drawing(400 + 7 * seed, 300, seed) for seed in range(6)]
    one_by_one = [measured(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(measured, images)) == one_by_one
    for found in one_by_one:
        numbers = [v for v in found.values() if isinstance(v, (int, float))]
        assert np.isfinite(numbers).all()


def test_pixel_art_is_an_answer_of_its_own_with_a_policy_of_its_own() -> None:
    sprite = drawing(96, 80, 3).quantize(12).convert("RGB")
    found = measured(sprite.resize((96 * 8, 80 * 8), Image.Resampling.NEAREST))
    assert (found["answer"], found["pixel_scale"]) == ("pixel_art", 8)
    assert reason(found) is None
    assert reason(found, upscale={"max_pixel_scale": 4}) == "pixel_art"
    assert reason(found, upscale={"max_pixel_scale": 4}, allow=["pixel_art"]) is None


def test_pixel_art_is_explained_by_its_squares() -> None:
    sprite = drawing(96, 80, 3).quantize(12).convert("RGB")
    large = sprite.resize((96 * 8, 80 * 8), Image.Resampling.NEAREST)
    with Picture.open(encode(large, "PNG")) as picture:
        told = FILTER.explain(picture)
    assert told is not None
    assert told.notes == ("upscale: pixel art whose squares are 8 pixels a side",)


def test_how_far_a_picture_may_be_enlarged_is_the_policys() -> None:
    assert reason(upscaled(1.5)) == "upscaled"
    assert reason(upscaled(1.15)) is None
    assert reason(upscaled(1.5), upscale={"max_upscale": 1.6}) is None
    assert reason(upscaled(1.5), allow=["upscaled"]) is None


def test_sizes_are_judged_on_the_detail_that_is_really_there() -> None:
    allowed = {"allow": ["upscaled"]}
    assert reason(upscaled(), resolution={"min_side": 401, "min_pixels": 1}, **allowed) == (
        "fake_side"
    )
    assert reason(upscaled(), resolution={"min_side": 1, "min_pixels": 200_001}, **allowed) == (
        "fake_pixels"
    )
    assert (
        reason(upscaled(), resolution={"min_side": 400, "min_pixels": 200_000}, **allowed) is None
    )


def test_the_sites_own_tag_is_taken_before_any_download_and_allowed_by_the_same_word() -> None:
    policy = JUDGE.policy()
    found = JUDGE.prescreen(tagged("upscaled", category="meta"), policy)
    assert found is not None
    assert (found.reason, found.by) == ("upscaled", "site_tags")
    allowed = JUDGE.policy({"allow": ["upscaled"]})
    assert JUDGE.prescreen(tagged("upscaled", category="meta"), allowed) is None


def test_the_models_fit_the_numbers_they_are_given() -> None:
    heads = shipped("upscale_heads")
    assert heads.inputs[0].shape[1] == len(evidence.NAMES) + len(NAMES)
    assert {port.name for port in heads.outputs} == {"interpolated", "ai", "log2_factor"}
    models = Path(heads.path).parent.iterdir()
    assert sum(file.stat().st_size for file in models) <= 5_000_000


def test_calibration_rises_from_nothing_to_certainty() -> None:
    for knots in shipped("upscale_heads").card["calibration"].values():
        assert knots["raw"] == sorted(knots["raw"])
        assert knots["score"] == sorted(knots["score"])
        assert (knots["score"][0], knots["score"][-1]) == (0.0, 1.0)


def test_it_explains_itself_by_tiles_of_the_picture() -> None:
    image = drawing(640, 480, 5)
    with Picture.open(encode(image, "PNG")) as picture:
        told = FILTER.explain(picture)
    assert told is not None
    assert 1 <= len(told.tiles) <= evidence.TILES
    for tile in told.tiles:
        left, top, right, bottom = tile.box
        assert 0 <= left < right <= image.width
        assert 0 <= top < bottom <= image.height
        assert tile.label
    assert len(told.notes) == 2


@needs_corpus
def test_real_pictures_are_native_and_their_enlargements_are_not() -> None:
    with (CORPUS / "index.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["kind"] in ("photo", "illustration")]
    chosen = [r for r in rows if int(r["width"]) >= 512][::14]
    native, enlarged, factors = [], [], []
    for row in chosen:
        with Image.open(CORPUS / row["file"]) as opened:
            image = opened.convert("RGB")
        image = image.crop((0, 0, min(image.width, 700), min(image.height, 700)))
        native.append(measured(image)["answer"])
        larger = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
        found = measured(larger, "JPEG", quality=92)
        enlarged.append(found["answer"])
        if found["answer"] == "upscaled":
            factors.append(float(found["factor"] or 0))
    assert len(chosen) >= 12
    assert native.count("upscaled") <= 1
    assert enlarged.count("upscaled") >= 0.9 * (len(enlarged) - enlarged.count("undecided"))
    assert np.median(factors) == pytest.approx(2, rel=0.15)
