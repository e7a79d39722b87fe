"""A folder of the public anime classifiers: ``model.onnx`` and ``meta.json``, no card of ours.

Their layout, as the deepghs repositories publish it: ``meta.json`` has the labels in order,
``preprocess.json`` (not in every one) the stages from picture to array. Without stages a picture is
squashed to the model's size by bilinear filtering and its values are brought to -1 ... 1; softmax
is inside the model.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from filters.card_fields import Fields, Numbers, read_json
from filters.model_card import (
    FILTERS,
    Card,
    Input,
    Normalisation,
    Resize,
    checked_labels,
    name_of,
)

MODEL, META, PREPROCESS = "model.onnx", "meta.json", "preprocess.json"


def read_folder(folder: Path) -> Card:
    """A card made of such a folder; none of its labels rejects. Raises ModelError."""
    meta = Fields(folder / META, read_json(folder / META))
    labels = checked_labels(meta, meta.texts("labels"))
    card = Card(
        name=name_of(meta, folder.name),
        model=folder / MODEL,
        labels=labels,
        source=str(folder),
    )
    path = folder / PREPROCESS
    return _prepared(card, Fields(path, read_json(path))) if path.exists() else card


def _prepared(card: Card, fields: Fields) -> Card:
    """The card with what its stages say. Raises ModelError for stages that no card can say."""
    stages = fields.take("stages")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise fields.wrong("stages", "takes a list of objects")
    filter, scale = "bilinear", None
    resized: tuple[int, ...] = ()
    cropped: tuple[int, ...] = ()
    mean: Numbers = (0.0,) * 3
    std: Numbers = (1.0,) * 3
    for number, stage in enumerate(stages):
        one = Fields(fields.path, stage, f"stages[{number}].")
        match one.text("type"):
            case "resize":
                filter = one.text("interpolation", "bilinear", FILTERS)
                resized = one.sides("size")
            case "center_crop":
                cropped = one.sides("size")
            case "to_tensor" | "maybe_to_tensor":
                scale = scale or 1 / 255
            case "rescale":
                scale = one.number("rescale_factor", 1 / 255, 0, 1)
            case "normalize":
                mean, std = one.numbers("mean", 0, 3), one.numbers("std", 1, 3)
            case "convert_rgb":
                pass
            case other:
                raise one.wrong("type", f"{other!r} is not known here: write a card for the model")
    size = cropped or resized
    if len(resized) == 2 and size == resized:
        resize = Resize("squash", filter)
    elif len(resized) == 1 and cropped and max(cropped) <= resized[0]:
        resize = Resize("crop", filter, side=resized[0])
    else:
        raise fields.wrong("stages", "do not say one size: write a card for the model")
    return replace(
        card,
        input=Input(size=(size[0], size[-1])),
        resize=resize,
        normalisation=Normalisation(1.0 if scale is None else scale, mean, std),
    )
