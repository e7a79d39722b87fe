"""Anime4K's networks, whose weights stand in the text of its mpv shaders.

A pass of such a shader reads some textures of four channels, each as it is or clipped above zero
with either sign, at one place or at nine, multiplies each sample by a 4 x 4 matrix and adds: a
convolution. The last pass puts the result onto the picture that the player enlarged bilinearly,
either four numbers for each pixel or one pixel more finely. torch does the sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.upscalers.base import Network, Pixels, Upscaler, missing, to_pixels, to_samples

if TYPE_CHECKING:
    import torch

_DEFINE = re.compile(r"#define (go?_\d+)(\(x_off, y_off\))? (.*)")
_TERM = re.compile(r"mat4\(([^)]*)\) \* (go?_\d+)(?:\(([^)]*)\))?;")
_BIAS = re.compile(r"result \+= vec4\(([^)]*)\);")
_SAMPLED = re.compile(r"(-?)\(?(\w+?)_tex(?:Off)?\(")
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


@dataclass(frozen=True, slots=True)
class _Input:
    """A texture as one pass sees it."""

    texture: str
    sign: int
    clipped: bool


@dataclass(frozen=True, slots=True)
class _Pass:
    """A convolution, or where there is no kernel the regrouping of channels into pixels."""

    saves: str
    grid: tuple[str, int]
    """The texture whose size the output has, and how many times."""
    inputs: tuple[_Input, ...]
    kernel: torch.Tensor | None
    bias: torch.Tensor | None
    onto_picture: bool
    regrouped: tuple[str, ...] = ()


def _numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]


def _parse(text: str) -> Iterator[_Pass]:
    """The passes of a shader; raises OSError for one that has anything else in it."""
    for part in text.split("//!DESC")[1:]:
        saves = re.search(r"//!SAVE (\w+)", part)
        width = re.search(r"//!WIDTH (\w+)\.w(?: (\d) \*)?", part)
        grid = (width[1], int(width[2] or 1)) if width else ("MAIN", 1)
        name = saves[1] if saves else "MAIN"
        if "fract(" in part:
            bound = [b for b in re.findall(r"//!BIND (\w+)", part) if b != "MAIN"]
            yield _Pass(name, grid, (), None, None, True, tuple(bound))
            continue
        yield _convolution(part, name, grid)


def _convolution(part: str, name: str, grid: tuple[str, int]) -> _Pass:
    import torch

    inputs: dict[str, _Input] = {}
    for macro, _, body in _DEFINE.findall(part):
        sampled = _SAMPLED.search(body)
        if sampled is None:
            raise OSError(f"a shader with an unknown macro: {body[:80]}")
        inputs[macro] = _Input(sampled[2], -1 if sampled[1] else 1, "max(" in body)
    order = {macro: place for place, macro in enumerate(inputs)}
    kernel = np.zeros((4, 4 * len(order), 3, 3), dtype=np.float32)
    terms = _TERM.findall(part)
    if len(terms) != part.count("mat4("):
        raise OSError("a shader with an unknown term")
    for matrix, macro, offset in terms:
        column, row = (int(step) for step in _numbers(offset)) if offset else (0, 0)
        first = 4 * order[macro]
        # GLSL has matrices by columns: the first four numbers are what the first channel adds.
        weights = np.array(_numbers(matrix), dtype=np.float32).reshape(4, 4).T
        kernel[:, first : first + 4, row + 1, column + 1] += weights
    if not kernel[..., [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]].any():
        kernel = kernel[:, :, 1:2, 1:2]
    bias = np.array([_numbers(found) for found in _BIAS.findall(part)], dtype=np.float32)
    return _Pass(
        name,
        grid,
        tuple(inputs.values()),
        torch.from_numpy(kernel.copy()),
        torch.from_numpy(bias.sum(axis=0)),
        "return result + MAIN_tex" in part,
    )


def _resized(texture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    from torch.nn import functional

    if tuple(texture.shape[-2:]) == size:
        return texture
    return functional.interpolate(texture, size, mode="bilinear", align_corners=False)


def _apply(step: _Pass, textures: dict[str, torch.Tensor]) -> torch.Tensor:
    import torch
    from torch.nn import functional

    base = textures[step.grid[0]].shape[-2:]
    size = (base[0] * step.grid[1], base[1] * step.grid[1])
    if step.kernel is None:
        planes = [functional.pixel_shuffle(textures[name], 2) for name in step.regrouped]
        out = torch.cat([*planes, *[planes[-1]] * (4 - len(planes))], dim=1)
    else:
        seen = []
        for given in step.inputs:
            texture = _resized(textures[given.texture], size) * given.sign
            seen.append(texture.clamp(min=0) if given.clipped else texture)
        reach = step.kernel.shape[-1] // 2
        around = functional.pad(torch.cat(seen, dim=1), (reach,) * 4, mode="replicate")
        out = functional.conv2d(around, step.kernel, step.bias)
    return out + _resized(textures["MAIN"], size) if step.onto_picture else out


def _load(paths: tuple[Path, ...]) -> Network:
    try:
        import torch
    except ImportError as error:
        raise missing("torch", error) from error
    torch.set_num_threads(1)
    steps = list(_parse(paths[0].read_text()))

    def run(pixels: Pixels) -> Pixels:
        samples = np.pad(to_samples(pixels), ((0, 0), (0, 0), (0, 1)), constant_values=1.0)
        with torch.inference_mode():
            textures = {"MAIN": torch.from_numpy(samples.transpose(2, 0, 1)[None].copy())}
            for step in steps:
                textures[step.saves] = _apply(step, textures)
        return to_pixels(textures["MAIN"][0, :3].numpy().transpose(1, 2, 0))

    return run


def upscalers() -> list[Upscaler]:
    """Every upscaler of this kind that we know how to run."""
    # name, factor, seconds for a megapixel; the slowest are drawn the least.
    networks = (
        *(("CNN", size, 2, cost) for size, cost in zip("SML", (2, 3, 4), strict=True)),
        *(("CNN", "VL", 2, 10), ("CNN", "UL", 2, 15)),
        *(("GAN", "S", 2, 8), ("GAN", "M", 2, 12), ("GAN", "L", 3, 15)),
        *(("GAN", "VL", 3, 30), ("GAN", "UL", 4, 20), ("GAN", "UUL", 4, 50)),
    )
    made = []
    for kind, size, factor, cost in networks:
        family = "anime4k_gan" if kind == "GAN" else "anime4k"
        file = f"Anime4K/glsl/Upscale/Anime4K_Upscale_{kind}_x{factor}_{size}.glsl"
        share = min(1.0, 12 / cost)
        name = f"{family}_{size.lower()}_{factor}x"
        made.append(Upscaler(name, family, factor, (file,), _load, share, share, cost))
    return made
