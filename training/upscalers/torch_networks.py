"""IMDN (Hui et al., ACM MM 2019), published as PyTorch weights: trained for fidelity alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from training.upscalers.base import Network, Pixels, Upscaler, missing, to_pixels, to_samples

if TYPE_CHECKING:
    import torch

_MODULES = 6
_KEPT = 16  # of 64 channels, each step of a module sets aside these and works on with the others


def _conv(x: torch.Tensor, weights: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    from torch.nn import functional

    kernel = weights[f"{name}.weight"]
    return functional.conv2d(x, kernel, weights[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def _distil(x: torch.Tensor, weights: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """One information multi-distillation block with its contrast-aware channel attention."""
    import torch
    from torch.nn import functional

    kept, rest = [], x
    for step in ("c1", "c2", "c3"):
        out = functional.leaky_relu(_conv(rest, weights, f"{name}.{step}"), 0.05)
        kept.append(out[:, :_KEPT])
        rest = out[:, _KEPT:]
    joined = torch.cat([*kept, _conv(rest, weights, f"{name}.c4")], dim=1)
    mean = joined.mean(dim=(2, 3), keepdim=True)
    contrast = (joined - mean).square().mean(dim=(2, 3), keepdim=True).sqrt() + mean
    squeezed = _conv(contrast, weights, f"{name}.cca.conv_du.0").relu()
    gate = _conv(squeezed, weights, f"{name}.cca.conv_du.2").sigmoid()
    return _conv(joined * gate, weights, f"{name}.c5") + x


def _imdn(x: torch.Tensor, weights: Mapping[str, torch.Tensor], factor: int) -> torch.Tensor:
    import torch
    from torch.nn import functional

    first = out = _conv(x, weights, "fea_conv")
    stages = []
    for module in range(1, _MODULES + 1):
        out = _distil(out, weights, f"IMDB{module}")
        stages.append(out)
    fused = functional.leaky_relu(_conv(torch.cat(stages, dim=1), weights, "c.0"), 0.05)
    last = _conv(_conv(fused, weights, "LR_conv") + first, weights, "upsampler.0")
    return functional.pixel_shuffle(last, factor)


def _load(paths: tuple[Path, ...]) -> Network:
    try:
        import torch
    except ImportError as error:
        raise missing("torch", error) from error
    torch.set_num_threads(1)
    read = torch.load(paths[0], map_location="cpu", weights_only=True)
    weights = {name.removeprefix("module."): tensor for name, tensor in read.items()}
    factor = round((weights["upsampler.0.bias"].numel() // 3) ** 0.5)

    def run(pixels: Pixels) -> Pixels:
        x = torch.from_numpy(to_samples(pixels).transpose(2, 0, 1)[None].copy())
        with torch.inference_mode():
            out = _imdn(x, weights, factor)
        return to_pixels(out[0].numpy().transpose(1, 2, 0))

    return run


def upscalers() -> list[Upscaler]:
    """Every upscaler of this kind that we know how to run."""
    return [
        Upscaler(
            f"imdn_{factor}x",
            "imdn",
            factor,
            (f"IMDN/checkpoints/IMDN_x{factor}.pth",),
            _load,
            cost=cost,
        )
        for factor, cost in ((2, 18.0), (3, 9.0), (4, 5.0))
    ]
