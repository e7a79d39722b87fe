"""Which pictures an export takes, and what each is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stages.captions import LAST_RESORT, Captioner
from stages.names import readable_names
from storage.records import AcceptedImage


@dataclass(frozen=True, slots=True)
class Item:
    """A picture that is wanted at ``stem`` (relative, without extension).

    ``sidecar``: whether the caption is a file of its own beside the picture, or only a value in a
    document. ``wordless``: whether it says nothing of the picture.
    """

    stem: str
    image: AcceptedImage
    caption: str
    sidecar: bool = True
    wordless: bool = False


def training_items(
    images: Sequence[AcceptedImage], folder: str, captioner: Captioner, *, sidecar: bool
) -> tuple[list[Item], Counter[str]]:
    """The pictures to train on, sorted by name, and how many were left out, by reason.

    ``folder`` is relative. Left out: ``not_accepted``, ``no_bytes`` (the file was dropped) and
    ``repeated`` (the same work of the same bytes given twice).
    """
    skipped: Counter[str] = Counter()
    chosen: dict[tuple[str, str, str], AcceptedImage] = {}
    for image in images:
        if image.state != "accepted":
            skipped["not_accepted"] += 1
        elif image.path is None or image.sha256 is None:
            skipped["no_bytes"] += 1
        elif (identity := (image.site, image.site_id, image.sha256)) in chosen:
            skipped["repeated"] += 1
        else:
            chosen[identity] = image
    pictures = list(chosen.values())
    named = sorted(zip(readable_names(pictures), pictures, strict=True), key=lambda pair: pair[0])
    items = []
    for stem, image in named:
        words = captioner.words(image)
        caption = words or LAST_RESORT
        items.append(Item(f"{folder}/{stem}", image, caption, sidecar, wordless=not words))
    return items, skipped
