"""Upscalers whose weights are published for ncnn: a .param and a .bin file each.

The border, the multiple and the blobs are those of the programs that ship the weights:
waifu2x-ncnn-vulkan, realcugan-ncnn-vulkan, srmd-ncnn-vulkan and upscayl's custom-models.
"""

from __future__ import annotations

import re
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
    missing,
    padded,
    to_pixels,
    to_samples,
)

_SRMD_KERNEL = "srmd-ncnn-vulkan/src/srmd_preproc.comp"  # where its program keeps the vector


def _net(paths: tuple[Path, ...], threads: int = 1) -> Any:
    try:
        import ncnn  # type: ignore[import-untyped]
    except ImportError as error:
        raise missing("ncnn", error) from error
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    param, binary = (str(path) for path in paths[:2])
    if net.load_param(param) or net.load_model(binary):
        raise OSError(f"ncnn cannot read {param}")
    return net


def _infer(net: Any, samples: Samples) -> Samples:
    """Height x width x channels through the network's first input to its last output."""
    import ncnn

    extractor = net.create_extractor()
    planes = np.ascontiguousarray(samples.transpose(2, 0, 1))
    extractor.input(net.input_names()[0], ncnn.Mat(planes).clone())
    code, out = extractor.extract(net.output_names()[-1])
    if code:
        raise RuntimeError(f"ncnn stopped with code {code}")
    return np.array(out, dtype=np.float32).transpose(1, 2, 0)


def _load(
    paths: tuple[Path, ...], *, factor: int, border: int, multiple: int, shrinks: bool
) -> Network:
    """A network of RGB samples; one that `shrinks` eats its border by unpadded convolutions."""
    net = _net(paths)

    def run(pixels: Pixels) -> Pixels:
        height, width = (side * factor for side in pixels.shape[:2])
        out = _infer(net, padded(to_samples(pixels), border, multiple))
        start = 0 if shrinks else border * factor
        return to_pixels(out[start : start + height, start : start + width])

    return run


def _load_residual(paths: tuple[Path, ...], *, factor: int, border: int, multiple: int) -> Network:
    """A network that gives what to add to its input, enlarged by repeating pixels."""
    net = _net(paths)

    def run(pixels: Pixels) -> Pixels:
        height, width = (side * factor for side in pixels.shape[:2])
        samples = to_samples(pixels)
        out = _infer(net, padded(samples, border, multiple))[:height, :width]
        return to_pixels(out + samples.repeat(factor, axis=0).repeat(factor, axis=1))

    return run


def _load_srmd(paths: tuple[Path, ...], *, factor: int, noise: int | None) -> Network:
    """SRMD: beside the colours it is told the blur (a vector of 15 numbers) and the noise."""
    net = _net(paths)
    found = re.search(r"degradation_vector.*?\(([^)]*)\)\s*;", paths[2].read_text(), re.DOTALL)
    if found is None:
        raise OSError(f"no degradation vector in {paths[2]}")
    known = [float(number) for number in found.group(1).replace("f", "").split(",")]
    if noise is not None:
        known.append(noise / 255.0)
    border = 12

    def run(pixels: Pixels) -> Pixels:
        height, width = (side * factor for side in pixels.shape[:2])
        samples = padded(to_samples(pixels), border, 1)
        told = np.broadcast_to(np.array(known, dtype=np.float32), (*samples.shape[:2], len(known)))
        out = _infer(net, np.concatenate([samples, told], axis=-1))
        start = border * factor
        return to_pixels(out[start : start + height, start : start + width])

    return run


def _pair(stem: str) -> tuple[str, str]:
    return f"{stem}.param", f"{stem}.bin"


def _waifu2x() -> Iterator[Upscaler]:
    root = "waifu2x-ncnn-vulkan/models"
    kinds = (
        ("cunet", "models-cunet", 18, 0.6, 1.4, 7.5),
        ("upconv7art", "models-upconv_7_anime_style_art_rgb", 7, 0.4, 1.0, 2.8),
        ("upconv7photo", "models-upconv_7_photo", 7, 1.6, 0.4, 2.8),
    )
    for kind, folder, border, photo, illustration, cost in kinds:
        for noise in ("", "noise0_", "noise1_", "noise2_", "noise3_"):
            level = f"n{noise[5]}" if noise else "plain"
            yield Upscaler(
                f"w2x_{kind}_{level}",
                "waifu2x",
                2,
                _pair(f"{root}/{folder}/{noise}scale2.0x_model"),
                partial(_load, factor=2, border=border, multiple=2, shrinks=True),
                photo,
                illustration,
                cost,
            )


def _cugan() -> Iterator[Upscaler]:
    root = "realcugan-ncnn-vulkan/models"
    levels = {
        ("se", 2): ("conservative", "no-denoise", "denoise1x", "denoise3x"),
        ("se", 3): ("conservative", "no-denoise", "denoise3x"),
        ("se", 4): ("conservative", "no-denoise", "denoise3x"),
        ("pro", 2): ("conservative", "no-denoise", "denoise3x"),
        ("pro", 3): ("conservative", "no-denoise", "denoise3x"),
        ("nose", 2): ("no-denoise",),
    }
    shape = {2: (18, 2), 3: (14, 4), 4: (19, 2)}
    for (kind, factor), names in levels.items():
        border, multiple = shape[factor]
        for name in names:
            load = (
                partial(_load_residual, factor=4, border=border, multiple=multiple)
                if factor == 4
                else partial(_load, factor=factor, border=border, multiple=multiple, shrinks=True)
            )
            yield Upscaler(
                f"cugan_{kind}_{name}_{factor}x",
                "cugan",
                factor,
                _pair(f"{root}/models-{kind}/up{factor}x-{name}"),
                load,
                cost=9.0,
            )


def _compact() -> Iterator[Upscaler]:
    """The VGG-like networks of Real-ESRGAN (SRVGGNetCompact) and those trained on its recipe."""
    custom = "custom-models/models"
    for factor in (2, 3, 4):
        stem = f"{custom}/realesr-animevideov3-x{factor}"
        yield _compact_upscaler(f"resr_animev3_{factor}x", "realesrgan_compact", factor, stem)
    for name, file in (
        ("resr_general", "RealESRGAN_General_x4_v3"),
        ("resr_general_wdn", "RealESRGAN_General_WDN_x4_v3"),
    ):
        yield _compact_upscaler(f"{name}_4x", "realesrgan_general", 4, f"{custom}/{file}")
    # upscayl-lite-4x is the first of these two, byte for byte, so it is no family of its own.
    lsdir = f"{custom}/4xLSDIRCompactC3"
    yield _compact_upscaler("lsdir_compact_4x", "lsdir_compact", 4, lsdir)


def _compact_upscaler(name: str, family: str, factor: int, stem: str) -> Upscaler:
    load = partial(_load, factor=factor, border=8, multiple=1, shrinks=False)
    return Upscaler(name, family, factor, _pair(stem), load, cost=2.5)


def _srmd() -> Iterator[Upscaler]:
    for factor in (2, 3, 4):
        for noise in (None, 3, 6):
            stem = (
                f"srmd-ncnn-vulkan/models/models-srmd/srmd{'nf' if noise is None else ''}_x{factor}"
            )
            yield Upscaler(
                f"srmd_{'nf' if noise is None else f'n{noise}'}_{factor}x",
                "srmd",
                factor,
                (*_pair(stem), _SRMD_KERNEL),
                partial(_load_srmd, factor=factor, noise=noise),
                cost=5.0,
            )


def upscalers() -> list[Upscaler]:
    """Every upscaler of this kind that we know how to run."""
    return [*_waifu2x(), *_cugan(), *_compact(), *_srmd()]
