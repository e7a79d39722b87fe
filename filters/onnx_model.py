"""An ONNX model: read whole, run by onnxruntime on one thread of the CPU, loaded once."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from filters.policy import PolicyError

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime as ort

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

MAX_BYTES = 200_000_000
"""Larger model files are refused unless asked for: they are read whole into memory."""


class ModelError(PolicyError):
    """A model, or its card, that cannot be used; the text names the file and how to mend it."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a model."""

    name: str
    type: str
    """As onnxruntime spells it, such as ``tensor(float)``."""
    shape: tuple[int | None, ...]
    """None: any length."""


class OnnxModel:
    """A model file. Nothing is read until it is needed, and then once.

    Safe to run from several threads at once. Data outside the file, operators that onnxruntime does
    not have and files over ``max_bytes`` are refused.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._loading = threading.Lock()
        self._loaded: ort.InferenceSession | None = None

    @cached_property
    def sha256(self) -> str:
        """Of the file: who runs another model runs another filter. Raises ModelError."""
        return hashlib.sha256(self._read()).hexdigest()

    @property
    def inputs(self) -> tuple[Port, ...]:
        """In the order in which :meth:`run` takes them. Raises ModelError."""
        return tuple(_port(port) for port in self._session().get_inputs())

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Raises ModelError."""
        return tuple(_port(port) for port in self._session().get_outputs())

    def run(self, *inputs: Array) -> dict[str, Array]:
        """One array per input, in the model's order; every output by its name.

        Raises ModelError where the file cannot be loaded or does not take these arrays.
        """
        session = self._session()
        names = [port.name for port in session.get_inputs()]
        if len(names) != len(inputs):
            raise ModelError(f"{self.path} takes {len(names)} inputs, not {len(inputs)}")
        try:
            found = session.run(None, dict(zip(names, inputs, strict=True)))
        except Exception as error:  # onnxruntime's own kinds have no common one but this
            raise ModelError(f"{self.path} cannot be run: {_told(error)}") from error
        return {port.name: array for port, array in zip(session.get_outputs(), found, strict=True)}

    def _session(self) -> ort.InferenceSession:
        with self._loading:
            if self._loaded is None:
                self._loaded = _session(self.path, self._read())
            return self._loaded

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                data = file.read(self._max_bytes + 1)
        except OSError as error:
            raise ModelError(f"{self.path} cannot be read: {error.strerror or error}") from error
        if len(data) > self._max_bytes:
            raise ModelError(f"{self.path} is larger than {self._max_bytes} bytes")
        return data


class ShippedModel(OnnxModel):
    """A model that comes with the project, and its model card."""

    @cached_property
    def card(self) -> Mapping[str, Any]:
        """What was written down when it was trained: labels, thresholds, data, error tables."""
        card: Mapping[str, Any] = json.loads(self.path.with_suffix(".json").read_text("utf-8"))
        return card


@cache
def shipped(name: str) -> ShippedModel:
    """The model ``filters/models/NAME.onnx``, beside whose file lies its card, ``NAME.json``."""
    return ShippedModel(Path(__file__).with_name("models") / f"{name}.onnx")


def _session(path: Path, data: bytes) -> ort.InferenceSession:
    # From 1.31 on onnxruntime tells its maker what is run, with an identity that it leaves on the
    # disk. It decides so while it is imported; who wants that sets the variable to 0.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Slow to import, and a command that only reads options has no picture.
    import onnxruntime as ort

    options = ort.SessionOptions()
    # Pictures are looked at side by side: more threads inside one of them would only get in the
    # way. Without an arena, what a run took is given back when it ends.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    # Never the other format, whose graphs are not checked when they are loaded.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Weights kept beside a model may name any file: there is none in this folder.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", os.devnull
    )
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds have no common one but this
        told = _told(error)
        if "xternal data" in told:
            mend = "its weights lie in other files; save the model as one file"
        elif "not a registered function/op" in told or "No Op registered" in told:
            mend = f"it has an operator that onnxruntime has not: {told}"
        elif "protobuf" in told:
            mend = "it is no ONNX file"
        else:
            mend = told
        raise ModelError(f"{path} cannot be loaded: {mend}") from error


def _port(port: Any) -> Port:
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in port.shape)
    return Port(port.name, port.type, shape)


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
