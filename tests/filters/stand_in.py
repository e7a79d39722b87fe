"""A small model with the signature of the public monochrome classifiers, and cards for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = ["monochrome", "normal"]


def monochrome_model() -> onnx.ModelProto:
    """Float RGB of -1 to 1, N x 3 x 384 x 384, to two probabilities: the mean difference of
    neighbouring channels speaks against monochrome. Grey scores 0.88.
    """
    constants = {
        "differences": np.array([[1, -1, 0], [0, 1, -1]], np.float32).reshape(2, 3, 1, 1),
        "weights": np.array([[-400, 400], [-400, 400]], np.float32),
        "bias": np.array([1, -1], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["input", "differences"], ["between"]),
        helper.make_node("Abs", ["between"], ["chroma"]),
        helper.make_node("GlobalAveragePool", ["chroma"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["steep"]),
        helper.make_node("Add", ["steep", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["output"], axis=1),
    ]
    return model_of(
        nodes,
        helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 384, 384]),
        helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 2]),
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )


def model_of(nodes: Any, given: Any, found: Any, constants: Any = (), **more: Any) -> Any:
    graph = helper.make_graph(nodes, "stand-in", [given], [found], list(constants))
    opsets = [helper.make_opsetid("", 17), *more.pop("opsets", ())]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **more)


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def card(folder: Path, *, file: str = "monochrome.json", **fields: Any) -> Path:
    """A card of the stand-in that rejects monochrome, with its model beside it."""
    model = folder / "model.onnx"
    if not model.exists():
        save(monochrome_model(), model)
    known = {"model": "model.onnx", "labels": LABELS, "rejects": ["monochrome"], **fields}
    path = folder / file
    path.write_text(json.dumps({k: v for k, v in known.items() if v is not None}))
    return path


def public_folder(folder: Path, stages: list[dict[str, Any]] | None = None) -> Path:
    """The stand-in as the public classifiers are laid out, without a card of ours."""
    save(monochrome_model(), folder / "model.onnx")
    (folder / "meta.json").write_text(json.dumps({"labels": LABELS, "name": "monochrome"}))
    if stages is not None:
        (folder / "preprocess.json").write_text(json.dumps({"stages": stages}))
    return folder
