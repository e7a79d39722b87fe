"""A model file is read whole, checked, and run: what it may not do is told in words."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from filters import onnx_model
from filters.onnx_model import ModelError, OnnxModel, shipped
from tests.filters.stand_in import model_of, monochrome_model, save

ROOT = Path(__file__).parents[2]


def adder(op: str = "Add", domain: str = "", weight: Any = None) -> onnx.ModelProto:
    """Adds one to whatever it is given."""
    one = weight or numpy_helper.from_array(np.ones(3, np.float32), "one")
    return model_of(
        [helper.make_node(op, ["x", "one"], ["y"], domain=domain)],
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]),
        [one],
        opsets=[helper.make_opsetid(domain, 1)] if domain else (),
    )


def elsewhere(location: str) -> onnx.ModelProto:
    """Its weight lies in another file."""
    one = TensorProto(name="one", dims=[3], data_type=TensorProto.FLOAT)
    one.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", "12")):
        one.external_data.add(key=key, value=value)
    return adder(weight=one)


def test_a_model_gives_every_output_by_its_name(tmp_path: Path) -> None:
    model = OnnxModel(save(adder(), tmp_path / "model.onnx"))
    found = model.run(np.zeros((2, 3), np.float32))
    assert {name: array.tolist() for name, array in found.items()} == {"y": [[1, 1, 1]] * 2}
    assert [(port.name, port.shape) for port in model.inputs] == [("x", (None, 3))]
    assert [(port.name, port.type) for port in model.outputs] == [("y", "tensor(float)")]


def test_nothing_is_read_before_it_is_needed_and_the_file_only_once(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = OnnxModel(path)
    save(adder(), path)
    model.run(np.zeros((1, 3), np.float32))
    path.unlink()
    assert model.run(np.ones((1, 3), np.float32))["y"].tolist() == [[2, 2, 2]]


def test_onnxruntime_leaves_nothing_on_the_disk_and_tells_nobody(tmp_path: Path) -> None:
    code = "from filters.onnx_model import shipped; print(shipped('upscale_heads').inputs[0].name)"
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=kept | home, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "numbers\n", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_threads_share_a_model(tmp_path: Path) -> None:
    model = OnnxModel(save(adder(), tmp_path / "model.onnx"))
    given = [np.full((1, 3), number, np.float32) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = [float(one["y"][0, 0]) for one in pool.map(model.run, given)]
    assert found == [number + 1 for number in range(40)]


def test_a_model_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = save(adder(), tmp_path / "model.onnx")
    assert OnnxModel(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("location", ["weights.bin", "../{folder}/weights.bin", "{path}"])
def test_weights_in_other_files_are_refused_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(np.ones(3, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    named = location.format(folder=tmp_path.name, path=weights)
    path = save(elsewhere(named), tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="save the model as one file"):
        OnnxModel(path).run(np.zeros((1, 3), np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no ONNX file"),
        (b"\x80\x04\x95pickled", "no ONNX file"),
        (adder().SerializeToString()[:40], "no ONNX file"),
        (adder("Twist").SerializeToString(), "operator that onnxruntime has not"),
        (adder("Twist", "example.org").SerializeToString(), "operator that onnxruntime has not"),
        (b"\x08\x00\x00\x00ORTM" + bytes(64), "cannot be loaded"),
    ],
)
def test_what_is_no_model_says_so(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=message) as caught:
        OnnxModel(path).run(np.zeros((1, 3), np.float32))
    assert str(path) in str(caught.value)


def test_a_missing_or_too_large_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxModel(tmp_path / "model.onnx").run()
    path = save(monochrome_model(), tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="larger than 100 bytes"):
        OnnxModel(path, max_bytes=100).sha256  # noqa: B018 - it is read when it is asked for


@pytest.mark.parametrize(
    "given", [(), (np.zeros((1, 4), np.float32),), (np.zeros((1, 3), np.int64),)]
)
def test_arrays_that_do_not_fit_say_so(tmp_path: Path, given: tuple[Any, ...]) -> None:
    model = OnnxModel(save(adder(), tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match=r"takes 1 inputs|cannot be run"):
        model.run(*given)


def test_every_shipped_model_loads_and_has_its_card() -> None:
    folder = Path(onnx_model.__file__).with_name("models")
    for path in folder.glob("*.onnx"):
        model = shipped(path.stem)
        assert model.inputs
        assert model.outputs
        assert model.card == json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert sum(path.stat().st_size for path in folder.glob("*.onnx")) <= 5_000_000
