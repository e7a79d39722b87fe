"""A classifier prepares a picture as its card says, and checks what its model answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from filters.classifier import Classifier, prepared
from filters.model_card import read_card
from filters.onnx_model import ModelError
from tests.filters.stand_in import card, model_of, public_folder, save
from tests.filters.support import drawing


def pixels(path: Path, image: Image.Image, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    return prepared(image, read_card(path), size)


def test_by_default_a_picture_is_squashed_and_brought_to_minus_one_to_one(tmp_path: Path) -> None:
    image = drawing(96, 60)
    found = pixels(card(tmp_path), image, (32, 32))
    small = image.resize((32, 32), Image.Resampling.BILINEAR)
    wanted = (np.asarray(small, np.float64) / 255 - 0.5) / 0.5
    assert found.dtype == np.float32
    assert found.shape == (1, 3, 32, 32)
    np.testing.assert_allclose(found[0].transpose(1, 2, 0), wanted, atol=1e-6)


def test_layout_colour_order_and_grey_are_followed(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), (10, 20, 30))
    plain = {"scale": 1, "mean": 0, "std": 1}
    bgr = card(tmp_path, input={"layout": "NHWC", "colour": "BGR"}, normalisation=plain)
    assert pixels(bgr, image, (4, 4))[0, 0, 0].tolist() == [30, 20, 10]
    grey = card(tmp_path, input={"colour": "L"}, normalisation=plain)
    assert pixels(grey, image, (4, 4)).shape == (1, 1, 4, 4)
    assert pixels(grey, image, (4, 4))[0, 0, 0, 0] == image.convert("L").getpixel((0, 0))


def test_letterbox_keeps_the_shape_and_fills_the_rest(tmp_path: Path) -> None:
    path = card(
        tmp_path,
        resize={"mode": "letterbox", "fill": 114},
        normalisation={"scale": 1, "mean": 0, "std": 1},
    )
    found = pixels(path, Image.new("RGB", (40, 20), "white"), (16, 16))[0, 0]
    assert found[:4].max() == found[12:].max() == 114
    assert found[4:12].min() == 255


@pytest.mark.parametrize(("side", "seen"), [(None, 1.0), (32, 0.5)])
def test_crop_sees_the_middle(tmp_path: Path, side: int | None, seen: float) -> None:
    """A picture twice as wide as high, black but for a white square of ``seen`` of its height."""
    image = Image.new("RGB", (160, 80))
    half = int(40 * seen)
    image.paste((255, 255, 255), (80 - half, 40 - half, 80 + half, 40 + half))
    resize = {"mode": "crop", "filter": "box"} | ({"side": side} if side else {})
    assert pixels(card(tmp_path, resize=resize), image, (16, 16)).min() == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1)])
@pytest.mark.parametrize("mode", ["squash", "crop", "letterbox"])
def test_pictures_of_any_shape_are_prepared(
    tmp_path: Path, size: tuple[int, int], mode: str
) -> None:
    path = card(tmp_path, resize={"mode": mode})
    assert pixels(path, Image.new("RGB", size), (16, 16)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("laid_out", [card, public_folder])
def test_the_public_signature_tells_grey_from_colour(
    tmp_path: Path, laid_out: Callable[[Path], Path]
) -> None:
    classifier = Classifier(laid_out(tmp_path))
    colour = drawing()
    assert classifier.scores_of(colour)["normal"] > 0.9
    grey = classifier.scores_of(colour.convert("L").convert("RGB"))
    assert list(grey) == ["monochrome", "normal"]
    assert grey["monochrome"] == pytest.approx(0.8808, abs=1e-4)
    assert sum(grey.values()) == pytest.approx(1)


def constant(path: Path, values: list[float], shape: tuple[int | str, ...] = (1, 3, 8, 8)) -> None:
    """A model that gives the same scores whatever it sees."""
    scores = numpy_helper.from_array(np.array([values], np.float32), "scores")
    save(
        model_of(
            [
                helper.make_node("ReduceMax", ["input"], ["top"], keepdims=0),
                helper.make_node("Mul", ["top", "nothing"], ["zero"]),
                helper.make_node("Add", ["scores", "zero"], ["output"]),
            ],
            helper.make_tensor_value_info("input", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, len(values)]),
            [scores, numpy_helper.from_array(np.zeros((), np.float32), "nothing")],
        ),
        path,
    )


@pytest.mark.parametrize(
    ("activation", "wanted"), [("softmax", [0.731059, 0.268941]), ("sigmoid", [0.880797, 0.731059])]
)
def test_an_activation_turns_raw_answers_into_scores(
    tmp_path: Path, activation: str, wanted: list[float]
) -> None:
    constant(tmp_path / "model.onnx", [2, 1])
    classifier = Classifier(card(tmp_path, output={"activation": activation}))
    assert list(classifier.scores_of(drawing()).values()) == wanted


@pytest.mark.parametrize(
    ("values", "shape", "fields", "message"),
    [
        ([2.0, -1.0], (1, 3, 8, 8), {}, "set output.activation"),
        ([0.5, float("nan")], (1, 3, 8, 8), {}, "are no numbers"),
        ([0.2, 0.3, 0.5], (1, 3, 8, 8), {}, "3 scores, for 2 labels"),
        ([0.2, 0.8], (4, 3, 8, 8), {}, "the model takes"),
        ([0.2, 0.8], (1, 8, 8, 3), {}, "the model takes"),
        ([0.2, 0.8], (1, 3, 8, 8), {"input": {"size": [16, 16]}}, "the model takes"),
        ([0.2, 0.8], (1, 192), {}, "takes no picture of floats"),
        ([0.2, 0.8], (1, 3, 8, 8), {"input": {"name": "x"}}, "the model calls it 'input'"),
        ([0.2, 0.8], (1, 3, 8, 8), {"output": {"name": "y"}}, "no output 'y', but output"),
    ],
)
def test_a_card_that_does_not_fit_its_model_says_why(
    tmp_path: Path,
    values: list[float],
    shape: tuple[int, ...],
    fields: dict[str, Any],
    message: str,
) -> None:
    constant(tmp_path / "model.onnx", values, shape)
    path = card(tmp_path, **fields)
    with pytest.raises(ModelError, match=message) as caught:
        Classifier(path).scores_of(drawing())
    assert str(path) in str(caught.value)
