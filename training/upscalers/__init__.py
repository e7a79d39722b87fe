"""AI upscalers whose weights stand in public repositories, one module for each runtime."""

from __future__ import annotations

from training.upscalers import (
    ncnn_networks,
    onnx_networks,
    opencv_networks,
    shader_networks,
    torch_networks,
)
from training.upscalers.base import MissingDependency, Network, Pixels, Upscaler

__all__ = ["MissingDependency", "Network", "Pixels", "Upscaler", "upscalers"]


def upscalers() -> list[Upscaler]:
    """Every upscaler that we know how to run, whether or not its weights are here."""
    modules = (
        ncnn_networks,
        shader_networks,
        onnx_networks,
        opencv_networks,
        torch_networks,
    )
    return [upscaler for module in modules for upscaler in module.upscalers()]
