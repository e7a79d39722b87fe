"""Upscalers published as ONNX: ACNet and ARNet (Anime4KCPP; brightness alone), AnimeJaNai."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from training.upscalers.base import (
    Network,
    Pixels,
    Samples,
    Upscaler,
    enlarge_luma,
    missing,
    padded,
    to_pixels,
    to_samples,
)

_JANAI = (
    "mpv-upscale-2x_animejanai/BuildMpvUpscale2xAnimeJaNai/mpv-upscale-2x_animejanai/"
    "animejanai/onnx/2x_AnimeJaNai_"
)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime", error) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _load_luma(paths: tuple[Path, ...]) -> Network:
    session = _session(paths[0])

    def luma(samples: Samples) -> Samples:
        out: Samples = session.run(None, {"input": samples[None, None]})[0][0, 0]
        return out

    return partial(enlarge_luma, luma=luma)


def _load_colour(paths: tuple[Path, ...]) -> Network:
    session = _session(paths[0])
    border, multiple = 8, 4

    def run(pixels: Pixels) -> Pixels:
        height, width = (side * 2 for side in pixels.shape[:2])
        planes = padded(to_samples(pixels), border, multiple).transpose(2, 0, 1)[None]
        out = session.run(None, {"input": planes.astype(np.float16)})[0][0].transpose(1, 2, 0)
        start = border * 2
        return to_pixels(out[start : start + height, start : start + width].astype(np.float32))

    return run


def _acnet() -> Iterator[Upscaler]:
    for kind in ("hdn0", "hdn1", "hdn2", "hdn3", "gan"):
        yield _luma(f"acnet_{kind}", "acnet")
    for size in (8, 16, 32, 64):
        for kind in ("hdn", "le"):
            yield _luma(f"arnet_b{size}_{kind}", "arnet")


def _luma(name: str, family: str) -> Upscaler:
    return Upscaler(
        f"{name}_2x", family, 2, (f"ACNetGLSL/models/{name}.onnx",), _load_luma, cost=1.0
    )


def upscalers() -> list[Upscaler]:
    """Every upscaler of this kind that we know how to run."""
    colour = [
        Upscaler(f"janai_{name}_2x", "animejanai", 2, (f"{_JANAI}{file}.onnx",), _load_colour)
        for name, file in (
            ("hd_balanced", "HD_V3.1_Balanced_SPANF3_b8f64_unshuffle_fp16"),
            ("hd_sharp", "HD_V3.1Sharp1_Balanced_SPANF3_b8f64_unshuffle_fp16"),
            ("hd_fast", "HD_V3.1_Performance_SPANF3_b5f48_unshuffle_fp16"),
            ("sd", "SD_V1beta34_Compact_1x3xHxW_dyn-HW_strong_fp16_op23_dynamo"),
        )
    ]
    return [*_acnet(), *colour]
