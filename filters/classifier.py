"""A classifier of whole pictures: a model card and its model, from a picture to its scores."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from filters.classifier_folder import read_folder
from filters.model_card import Card, read_card
from filters.onnx_model import MAX_BYTES, ModelError, OnnxModel

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from filters.picture import Picture

    Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

SIZE = (384, 384)
"""Height and width for a model that takes any and whose card names none."""
_FLOAT = "tensor(float)"
_ROUNDING = 1e-3


class Classifier:
    """Made from a card's file or a folder of the public classifiers; the model is loaded once.

    Safe to use from several threads.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Reads the card alone. Raises ModelError."""
        self.path = path
        self.card: Card = read_folder(path) if path.is_dir() else read_card(path)
        self._model = OnnxModel(self.card.model, max_bytes=max_bytes)

    @cached_property
    def identity(self) -> str:
        """Of card and model: what measures alike has the same. Raises ModelError."""
        return self.card.identity(self._model.sha256)

    def check(self) -> None:
        """Run it once on a grey square. Raises ModelError where model and card do not fit."""
        from PIL import Image

        self.scores_of(Image.new("RGB", (64, 64), (128, 128, 128)))

    def scores(self, picture: Picture) -> dict[str, float]:
        """Each label's score, 0 to 1, in the card's order.

        Raises ModelError where model and card do not fit together.
        """
        return self.scores_of(picture.rgb)

    def scores_of(self, rgb: Image.Image) -> dict[str, float]:
        """Of an RGB picture, upright and without transparency; as :meth:`scores`."""
        import numpy as np

        card, activation = self.card, self.card.output.activation
        outputs = self._model.run(prepared(rgb, card, self._size))
        found = np.asarray(outputs[self._output], np.float64).ravel()
        if found.size != len(card.labels):
            raise self._wrong(f"the model has {found.size} scores, for {len(card.labels)} labels")
        if not np.isfinite(found).all():
            raise self._wrong("the model's scores are no numbers")
        if activation == "softmax":
            powers = np.exp(found - found.max())
            found = powers / powers.sum()
        elif activation == "sigmoid":
            found = 1 / (1 + np.exp(-np.clip(found, -60, 60)))
        elif found.min() < -_ROUNDING or found.max() > 1 + _ROUNDING:
            raise self._wrong("the model's scores are not from 0 to 1; set output.activation")
        rounded = np.clip(found, 0, 1).round(6)
        return dict(zip(card.labels, map(float, rounded), strict=True))

    @cached_property
    def _size(self) -> tuple[int, int]:
        """Height and width of what the model is given; checks its input on the way."""
        given, inputs = self.card.input, self._model.inputs
        if len(inputs) != 1:
            raise self._wrong(f"the model takes {len(inputs)} inputs, not one picture")
        port = inputs[0]
        if given.name and given.name != port.name:
            raise self._wrong(f"input.name is {given.name!r}; the model calls it {port.name!r}")
        if port.type != _FLOAT or len(port.shape) != 4:
            raise self._wrong(f"the model takes no picture of floats, but {port.type} {port.shape}")
        first, second, third, fourth = port.shape
        channels_first = given.layout == "NCHW"
        channels = second if channels_first else fourth
        height, width = (third, fourth) if channels_first else (second, third)
        size = given.size or (height or SIZE[0], width or SIZE[1])
        if (
            first not in (None, 1)
            or channels not in (None, given.channels)
            or height not in (None, size[0])
            or width not in (None, size[1])
        ):
            asked = f"{given.layout}, {given.channels} channels, {size[0]} x {size[1]}"
            raise self._wrong(f"the card says {asked}; the model takes {port.shape}")
        return size

    @cached_property
    def _output(self) -> str:
        names = [port.name for port in self._model.outputs]
        name = self.card.output.name or names[0]
        if name not in names:
            raise self._wrong(f"the model has no output {name!r}, but {', '.join(names)}")
        return name

    def _wrong(self, problem: str) -> ModelError:
        return ModelError(f"{self.path}: {problem}")


def prepared(rgb: Image.Image, card: Card, size: tuple[int, int]) -> Floats:
    """What a model is given: float32, a batch of one, in the card's layout.

    ``size`` is height and width.
    """
    import numpy as np

    small = _resized(rgb, card, size)
    pixels = np.asarray(small.convert("L") if card.input.colour == "L" else small, np.float32)
    pixels = pixels.reshape(*size, card.input.channels)
    if card.input.colour == "BGR":
        pixels = pixels[..., ::-1]
    norm = card.normalisation
    mean, std = np.asarray(norm.mean, np.float32), np.asarray(norm.std, np.float32)
    values = (pixels * np.float32(norm.scale) - mean) / std
    if card.input.layout == "NCHW":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[np.newaxis])


def _resized(rgb: Image.Image, card: Card, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    height, width = size
    filter = Image.Resampling[card.resize.filter.upper()]
    mode = card.resize.mode
    if mode == "squash":
        return rgb.resize((width, height), filter)
    if mode == "letterbox":
        share = min(width / rgb.width, height / rgb.height)
        inside = [max(1, round(side * share)) for side in rgb.size]
        page = Image.new("RGB", (width, height), (card.resize.fill,) * 3)
        small = rgb.resize((min(inside[0], width), min(inside[1], height)), filter)
        page.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
        return page
    # Only what stays is made: the box is the middle that the model sees, in the picture's pixels.
    share = max(width / rgb.width, height / rgb.height, (card.resize.side or 0) / min(rgb.size))
    across, down = min(width / share, rgb.width), min(height / share, rgb.height)
    left, top = (rgb.width - across) / 2, (rgb.height - down) / 2
    return rgb.resize((width, height), filter, box=(left, top, left + across, top + down))
