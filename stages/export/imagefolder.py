"""The layout of Hugging Face's ``imagefolder``: ``OUT/train/``, with ``metadata.jsonl`` in it.

``load_dataset("imagefolder", data_dir=OUT)`` gives one split, ``train``, with the columns below;
the diffusers scripts read ``text``. Splits are guessed from names, but only from names inside
``OUT``, and a folder called exactly ``train`` is found first: neither a path to ``OUT`` nor an
artist with "test" in it makes a test split.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from filters.base import option
from stages.base import ExportReport
from stages.captions import Captioner, CaptionOptions
from stages.export.items import Item, training_items
from stages.export.layout import Documents, Made, sync
from stages.export.manifest import NAME, json_line, manifest
from stages.export.ownership import planned
from storage.public_url import public_url
from storage.records import AcceptedImage

SPLIT = "train"
METADATA = f"{SPLIT}/metadata.jsonl"


@dataclass(frozen=True)
class ImageFolderOptions(CaptionOptions):
    """Flags of ``--layout imagefolder``."""

    copy: bool = option(False, "copy pictures instead of linking them to the workspace")
    overwrite: bool = option(False, "put our captions back where somebody edited them")


class ImageFolder:
    """Export for ``datasets`` and diffusers."""

    name: ClassVar[str] = "imagefolder"
    Options: ClassVar[type[ImageFolderOptions]] = ImageFolderOptions

    def __init__(self, options: ImageFolderOptions) -> None:
        self.options = options

    def write(self, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
        """Bring ``out`` to hold exactly these images. Raises FolderNotOurs, NoSpace."""
        items, skipped = self._items(images)
        return sync(
            out,
            self.name,
            items,
            _documents(items),
            copy=self.options.copy,
            overwrite=self.options.overwrite,
            skipped=skipped,
            table=_captions,
        )

    def planned(self, images: Sequence[AcceptedImage], out: Path) -> Iterable[tuple[str, Path]]:
        """Every file that :meth:`write` may make of a picture. Raises FolderNotOurs."""
        items, _ = self._items(images)
        return planned(out, self.name, items, _documents(items).keys())

    def _items(self, images: Sequence[AcceptedImage]) -> tuple[list[Item], Counter[str]]:
        return training_items(images, SPLIT, Captioner(self.options), sidecar=False)


def _documents(items: Sequence[Item]) -> Documents:
    # The loader cannot read a table without rows.
    return {NAME: manifest, METADATA: _metadata} if items else {NAME: manifest}


def _captions(out: Path) -> dict[str, str]:
    """By stem, what ``text`` says now; rows that cannot be read say nothing.

    Of what a person edits in the table only this column is kept, while the picture stays.
    """
    captions = {}
    path = out / METADATA
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for line in lines:
        try:
            match json.loads(line):
                case {"file_name": str(name), "text": str(text)}:
                    stem = PurePosixPath(SPLIT, name).with_suffix("")
                    captions[stem.as_posix()] = text
        except (ValueError, RecursionError):
            continue
    return captions


def _metadata(made: Sequence[Made]) -> str:
    return "".join(json_line(_row(m)) for m in made)


def _row(made: Made) -> dict[str, str | int]:
    """One row. Every column has one type in all rows: what is not known is an empty string.

    Times are left to the manifest: the loader would guess at their type, block by block.
    """
    image = made.item.image
    return {
        "file_name": made.file.removeprefix(f"{SPLIT}/"),
        "text": made.item.caption,
        "width": made.width,
        "height": made.height,
        "sha256": image.sha256 or "",
        "site": image.site,
        "site_id": image.site_id,
        "page_url": public_url(image.page_url or ""),
        "source_url": public_url(image.source_url or ""),
        "artist": ", ".join(image.tags.get("artist", ())),
        "characters": ", ".join(image.tags.get("character", ())),
        "copyrights": ", ".join(image.tags.get("copyright", ())),
        "rating": image.rating or "",
        "licence": image.licence or "",
    }
