"""Model cards: what a classifier's file does not say of itself, in JSON beside it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from filters.card_fields import MAX_SIDE, Fields, Numbers, read_json

MAX_LABELS = 64
"""Each label's score is kept with each picture."""
LAYOUTS = ("NCHW", "NHWC")
COLOURS = ("RGB", "BGR", "L")
MODES = ("squash", "crop", "letterbox")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
ACTIVATIONS = ("none", "softmax", "sigmoid")
_NAME = re.compile(r"[a-z0-9_]{1,40}")

Rules: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Input:
    """What the model is given: one picture, a batch of one."""

    name: str = ""
    """Empty: its only input."""
    layout: str = "NCHW"
    size: tuple[int, int] | None = None
    """Height and width. None: the model's own, and 384 x 384 where it takes any."""
    colour: str = "RGB"

    @property
    def channels(self) -> int:
        return 1 if self.colour == "L" else 3


@dataclass(frozen=True)
class Resize:
    """How a picture of any shape becomes one of the model's."""

    mode: str = "squash"
    """``squash`` both sides, ``crop`` the middle, or ``letterbox``: the rest is ``fill``."""
    filter: str = "bilinear"
    side: int | None = None
    """Of ``crop``: the shorter side before the middle is cut out. None: just enough for it."""
    fill: int = 0
    """Of ``letterbox``: a grey level, 0 to 255."""


@dataclass(frozen=True)
class Normalisation:
    """A pixel of 0 to 255 becomes ``(pixel * scale - mean) / std``, channel by channel."""

    scale: float = 1 / 255
    mean: Numbers = (0.5, 0.5, 0.5)
    std: Numbers = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Output:
    """Where the scores are found."""

    name: str = ""
    """Empty: the first output."""
    activation: str = "none"


@dataclass(frozen=True)
class Card:
    """One classifier."""

    name: str
    """Letters, digits and underscores: measures are named by it."""
    model: Path
    labels: tuple[str, ...]
    input: Input = Input()
    resize: Resize = Resize()
    normalisation: Normalisation = Normalisation()
    output: Output = Output()
    rules: Rules = ()
    """Each label that rejects, and the score from which it does."""
    licence: str = ""
    source: str = ""
    description: str = ""

    def identity(self, model_sha256: str) -> str:
        """Sixteen hexadecimal digits: cards that measure alike have the same."""
        whole = asdict(self)
        known = [whole[part] for part in ("labels", "input", "resize", "normalisation", "output")]
        known.append(model_sha256)
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def read_card(path: Path) -> Card:
    """The card of a JSON file. Raises ModelError, which names file, field and mend."""
    fields = Fields(path, read_json(path))
    model = fields.text("model")
    if not model:
        raise fields.wrong("model", "is missing: it is the path of the .onnx file")
    if not Path(model).is_absolute() and ".." in Path(model).parts:
        raise fields.wrong("model", "leads out of the card's folder; name the whole path")
    labels = fields.texts("labels")
    given = _input(fields.within("input"))
    card = Card(
        name=name_of(fields, fields.text("name") or path.stem),
        model=path.parent / model,
        labels=checked_labels(fields, labels),
        input=given,
        resize=_resize(fields.within("resize")),
        normalisation=_normalisation(fields.within("normalisation"), given.channels),
        output=_output(fields.within("output")),
        rules=_rules(fields, labels),
        licence=fields.text("licence"),
        source=fields.text("source"),
        description=fields.text("description"),
    )
    fields.done()
    return card


def word(label: str) -> str:
    """A label as measures and settings spell it."""
    return re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_").lower()


def name_of(fields: Fields, given: str) -> str:
    """The name of a card, or of its file. Raises ModelError."""
    name = word(given)
    if not _NAME.fullmatch(name):
        raise fields.wrong("name", f"takes up to 40 letters, digits and underscores, not {given!r}")
    return name


def checked_labels(fields: Fields, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ModelError for none, too many, and two that measures cannot tell apart."""
    if not 1 <= len(labels) <= MAX_LABELS:
        raise fields.wrong("labels", f"takes 1 to {MAX_LABELS} names, not {len(labels)}")
    words = [word(label) for label in labels]
    for i, label in enumerate(words):
        if not label or label in words[:i]:
            raise fields.wrong(
                "labels",
                f"has {labels[i]!r}: each needs Latin letters or digits that no other has",
            )
    return labels


def _input(fields: Fields) -> Input:
    size = fields.sides("size")
    return Input(
        fields.text("name"),
        fields.text("layout", "NCHW", LAYOUTS),
        (size[0], size[-1]) if size else None,
        fields.text("colour", "RGB", COLOURS),
    )


def _resize(fields: Fields) -> Resize:
    return Resize(
        fields.text("mode", "squash", MODES),
        fields.text("filter", "bilinear", FILTERS),
        fields.whole("side", 1, MAX_SIDE),
        fields.whole("fill", 0, 255) or 0,
    )


def _normalisation(fields: Fields, channels: int) -> Normalisation:
    found = Normalisation(
        fields.number("scale", 1 / 255, 0, 1e6),
        fields.numbers("mean", 0.5, channels),
        fields.numbers("std", 0.5, channels),
    )
    if 0 in found.std:
        raise fields.wrong("std", "divides, and is never 0")
    return found


def _output(fields: Fields) -> Output:
    return Output(fields.text("name"), fields.text("activation", "none", ACTIVATIONS))


def _rules(fields: Fields, labels: tuple[str, ...]) -> Rules:
    threshold = fields.number("threshold", 0.5, 0, 1)
    rejects = fields.texts("rejects", ())
    for label in rejects:
        if label not in labels:
            known = ", ".join(labels)
            raise fields.wrong("rejects", f"names {label!r}; the labels are {known}")
    return tuple((label, threshold) for label in rejects)
