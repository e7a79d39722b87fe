"""What a picture's numbers say of it: plain grey by a rule, the rest by a small model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from filters.onnx_model import ShippedModel, shipped

GREY = 0.012
"""Chroma that plain grey stays under: of 99 % of the ink, and of cells of it."""
GRAIN = 0.03
"""Chroma that single pixels of it stay under: noise is stronger there."""
SEPIA = (40.0, 100.0)
"""Hues in degrees of OKLab, from orange to yellow: what is toned in these is sepia."""
COLOUR, TONED = "colour", "toned"


class Classifier:
    """Numbers -> kind and score. The model is loaded with the first picture that is not grey."""

    def __init__(self, model: ShippedModel | None = None) -> None:
        self._model = model or shipped("monochrome")

    def judge(self, found: Mapping[str, float]) -> tuple[str, float]:
        """The kind of monochrome that comes nearest, and how likely it is monochrome at all."""
        if is_grey(found):
            return "grey", 1.0
        card = self._model.card
        values = np.array([[found[name] for name in card["numbers"]]], np.float32)
        (shares,) = self._model.run(values)[card["output"]]
        likely = dict(zip(card["labels"], shares.tolist(), strict=True))
        score = min(1.0, max(0.0, 1 - likely.pop(COLOUR)))
        kind = max(likely, key=lambda label: likely[label])
        return (toned(found) if kind == TONED else kind), round(score, 4)


def is_grey(found: Mapping[str, float]) -> bool:
    """Whether there is no colour at all but the noise that codecs and sensors leave."""
    smooth = max(found["mean_chroma_99"], found["cell4_chroma_100"])
    return smooth < GREY and found["point_chroma_99"] < GRAIN


def toned(found: Mapping[str, float]) -> str:
    """Sepia or another tint: by hue."""
    hue = hue_of(found)
    return "sepia" if hue is not None and SEPIA[0] <= hue <= SEPIA[1] else "tint"


def hue_of(found: Mapping[str, float]) -> int | None:
    """The hue of most of the colour there is: degrees of OKLab, 0 to 359; None for greys."""
    a, b = found["mean_a"], found["mean_b"]
    if np.hypot(a, b) < GREY / 2:
        return None
    return int(np.rint(np.degrees(np.arctan2(b, a)))) % 360
