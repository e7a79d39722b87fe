"""A model card says how a picture is prepared; a wrong one says where it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filters.classifier_folder import read_folder
from filters.model_card import Normalisation, Output, Resize, read_card
from filters.onnx_model import ModelError
from tests.filters.stand_in import LABELS, card, public_folder


def test_every_field_of_a_card_is_read(tmp_path: Path) -> None:
    path = card(
        tmp_path,
        name="Mono v1.3",
        input={"name": "input", "layout": "NHWC", "size": [64, 96], "colour": "BGR"},
        resize={"mode": "letterbox", "filter": "bicubic", "fill": 114},
        normalisation={"scale": 1, "mean": [1, 2, 3], "std": 2},
        output={"name": "logits", "activation": "softmax"},
        rejects=["monochrome", "normal"],
        threshold=0.7,
        licence="CC0-1.0",
        source="https://example.org",
        description="tells grey from colour",
    )
    found = read_card(path)
    assert found.name == "mono_v1_3"
    assert found.model == tmp_path / "model.onnx"
    assert (found.input.layout, found.input.size, found.input.colour) == ("NHWC", (64, 96), "BGR")
    assert found.resize == Resize("letterbox", "bicubic", None, 114)
    assert found.normalisation == Normalisation(1, (1, 2, 3), (2, 2, 2))
    assert found.output == Output("logits", "softmax")
    assert found.rules == (("monochrome", 0.7), ("normal", 0.7))
    assert found.licence == "CC0-1.0"


def test_without_a_name_a_card_is_called_as_its_file(tmp_path: Path) -> None:
    assert read_card(card(tmp_path, file="Mono-chrome.json")).name == "mono_chrome"


def identity(folder: Path, model: str = "a", **fields: Any) -> str:
    return read_card(card(folder, **fields)).identity(model)


def test_cards_that_measure_alike_have_the_same_identity(tmp_path: Path) -> None:
    plain = identity(tmp_path)
    assert identity(tmp_path, threshold=0.9, rejects=None, licence="MIT") == plain
    assert identity(tmp_path, model="b") != plain
    assert identity(tmp_path, labels=LABELS[::-1]) != plain
    assert identity(tmp_path, resize={"mode": "crop"}) != plain


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, r"model is missing"),
        ({"model": "../model.onnx"}, r"model leads out of the card's folder"),
        ({"labels": None}, r"labels takes a list"),
        ({"labels": []}, r"labels takes 1 to 64 names, not 0"),
        ({"labels": ["a", "A"]}, r"labels has 'A'"),
        ({"labels": [f"l{i}" for i in range(65)]}, r"not 65"),
        ({"rejects": "grey"}, r"rejects names 'grey'; the labels are monochrome, normal"),
        ({"threshold": 1.5}, r"threshold takes a number from 0 to 1"),
        ({"threshold": "high"}, r"threshold takes a number"),
        ({"treshold": 0.5}, r"treshold is no field of a card; did you mean threshold"),
        ({"input": {"layout": "CHW"}}, r"input.layout takes NCHW or NHWC, not 'CHW'"),
        ({"input": {"size": [384, 0]}}, r"input.size takes \[height, width\] up to 4096"),
        ({"input": {"size": [100_000, 100_000]}}, r"input.size takes"),
        ({"input": {"colour": "CMYK"}}, r"input.colour takes RGB or BGR or L"),
        ({"input": []}, r"input takes an object"),
        ({"resize": {"mode": "stretch"}}, r"resize.mode takes squash"),
        ({"normalisation": {"mean": [1, 2]}}, r"normalisation.mean takes 3 numbers"),
        ({"normalisation": {"std": [0, 1, 1]}}, r"normalisation.std divides"),
        ({"output": {"activation": "relu"}}, r"output.activation takes none"),
        ({"name": "!"}, r"name takes up to 40 letters"),
    ],
)
def test_a_wrong_card_names_its_file_and_field(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    path = card(tmp_path, **fields)
    with pytest.raises(ModelError, match=message) as caught:
        read_card(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"card"', "[" * 100_000])
def test_what_is_no_json_object_is_no_card(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"card\.json"):
        read_card(path)


def test_a_folder_of_a_public_classifier_needs_no_card(tmp_path: Path) -> None:
    found = read_folder(public_folder(tmp_path / "mobilenetv3_v1.5"))
    assert found.name == "mobilenetv3_v1_5"
    assert found.labels == tuple(LABELS)
    assert (found.resize, found.input.size) == (Resize("squash", "bilinear"), None)
    assert found.normalisation == Normalisation(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert found.rules == ()


def test_the_stages_of_a_public_classifier_are_followed(tmp_path: Path) -> None:
    stages = [
        {"type": "convert_rgb"},
        {"type": "resize", "size": 438, "interpolation": "bicubic", "antialias": True},
        {"type": "center_crop", "size": [384, 384]},
        {"type": "maybe_to_tensor"},
        {"type": "normalize", "mean": [0.48, 0.45, 0.4], "std": [0.26, 0.26, 0.27]},
    ]
    found = read_folder(public_folder(tmp_path / "caformer", stages))
    assert found.resize == Resize("crop", "bicubic", side=438)
    assert found.input.size == (384, 384)
    assert found.normalisation == Normalisation(1 / 255, (0.48, 0.45, 0.4), (0.26, 0.26, 0.27))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{"type": "five_crop"}], r"stages\[0\].type 'five_crop' is not known"),
        ([{"type": "resize", "size": 384}], "do not say one size"),
        ([], "do not say one size"),
    ],
)
def test_stages_that_no_card_can_say_are_refused(
    tmp_path: Path, stages: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_folder(public_folder(tmp_path / "model", stages))


def test_the_fields_that_a_card_may_have_are_told(tmp_path: Path) -> None:
    path = card(tmp_path, zzzzzz=1)
    with pytest.raises(ModelError, match="there are: description, input, labels") as caught:
        read_card(path)
    assert json.loads(path.read_text())["zzzzzz"] == 1
    assert "threshold" in str(caught.value)
