"""The small classical networks of OpenCV's dnn_superres: ESPCN, FSRCNN, LapSRN.

They enlarge the brightness, and OpenCV the colours. Their weights are frozen TensorFlow graphs,
which OpenCV reads up to version 4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.upscalers.base import Network, Pixels, Upscaler, missing


def _load(paths: tuple[Path, ...]) -> Network:
    try:
        from cv2 import dnn_superres, setNumThreads  # type: ignore[attr-defined]
    except ImportError as error:
        raise missing("opencv-contrib-python-headless<5", error) from error
    setNumThreads(1)
    name, _, factor = paths[0].stem.partition("_x")
    net = dnn_superres.DnnSuperResImpl_create()
    net.readModel(str(paths[0]))
    net.setModel(name.lower(), int(factor))

    def run(pixels: Pixels) -> Pixels:
        out: Pixels = net.upsample(np.ascontiguousarray(pixels[..., ::-1]))[..., ::-1]
        return np.ascontiguousarray(out)

    return run


def upscalers() -> list[Upscaler]:
    """Every upscaler of this kind that we know how to run."""
    made = []
    for folder, name, factors in (
        ("TF-ESPCN/export", "ESPCN", (2, 3, 4)),
        ("FSRCNN_Tensorflow/models", "FSRCNN", (2, 3, 4)),
        ("TF-LapSRN/export", "LapSRN", (2,)),  # by 4 it takes 90 s for a megapixel
    ):
        for factor in factors:
            file = f"{folder}/{name}_x{factor}.pb"
            own = name.lower()
            made.append(Upscaler(f"{own}_{factor}x", own, factor, (file,), _load, cost=2.0))
    return made
