"""The layout of kohya's sd-scripts: ``OUT/{repeats}_{trigger}/NAME.png`` with ``NAME.txt``.

``OUT`` is a ``--train_data_dir`` as it stands. ``OUT/dataset.toml`` is the same as a
``--dataset_config``, with the settings whose defaults are traps: buckets on, and a
``max_bucket_reso`` that does not squeeze wide and tall pictures.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import tomlkit

from filters.base import option
from stages.base import ExportReport
from stages.captions import Captioner, CaptionOptions
from stages.errors import BadOption
from stages.export.items import Item, training_items
from stages.export.layout import Made, sync
from stages.export.manifest import NAME, manifest
from stages.export.ownership import planned
from stages.export.state import CAPTION_SUFFIX
from storage.records import AcceptedImage

CONFIG = "dataset.toml"
_FALLBACK_FOLDER = "images"
_NOT_IN_FOLDERS = frozenset('/\\:*?"<>|')
_MAX_TRIGGER_BYTES = 200


@dataclass(frozen=True)
class KohyaOptions(CaptionOptions):
    """Flags of ``--layout kohya``."""

    repeats: int = option(1, "how often an epoch shows each picture", low=1, high=10_000)
    resolution: int = option(
        1024, "side of the square whose area buckets have", unit="px", low=64, high=4096
    )
    copy: bool = option(False, "copy pictures instead of linking them to the workspace")
    overwrite: bool = option(False, "put our captions back where somebody edited them")


class Kohya:
    """Export for kohya's sd-scripts and what reads the same folders."""

    name: ClassVar[str] = "kohya"
    Options: ClassVar[type[KohyaOptions]] = KohyaOptions

    def __init__(self, options: KohyaOptions) -> None:
        """Raises BadOption for a trigger that no folder can be named after."""
        self.options = options
        tokens = options.trigger or options.class_word or _FALLBACK_FOLDER
        _check_folder(tokens)
        if options.repeats < 1:
            raise BadOption(f"repeats is at least 1, not {options.repeats}")
        self.folder = f"{options.repeats}_{tokens}"

    def write(self, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
        """Bring ``out`` to hold exactly these images. Raises FolderNotOurs, NoSpace."""
        items, skipped = self._items(images)
        documents = {NAME: manifest, CONFIG: self._config}
        return sync(
            out,
            self.name,
            items,
            documents,
            copy=self.options.copy,
            overwrite=self.options.overwrite,
            skipped=skipped,
        )

    def planned(self, images: Sequence[AcceptedImage], out: Path) -> Iterable[tuple[str, Path]]:
        """Every file that :meth:`write` may make of a picture. Raises FolderNotOurs."""
        items, _ = self._items(images)
        return planned(out, self.name, items, (NAME, CONFIG))

    def _items(self, images: Sequence[AcceptedImage]) -> tuple[list[Item], Counter[str]]:
        return training_items(images, self.folder, Captioner(self.options), sidecar=True)

    def _config(self, made: Sequence[Made]) -> str:
        options = self.options
        general = tomlkit.table()
        general["enable_bucket"] = True
        general["caption_extension"] = CAPTION_SUFFIX
        subset = tomlkit.table()
        subset["image_dir"] = self.folder
        subset["num_repeats"] = options.repeats
        tokens = " ".join(w for w in (options.trigger, options.class_word) if w)
        subset["class_tokens"] = tokens or _FALLBACK_FOLDER
        if options.trigger:
            subset["keep_tokens"] = options.trigger.count(",") + 1
        dataset = tomlkit.table()
        dataset["resolution"] = options.resolution
        dataset["min_bucket_reso"] = min(256, options.resolution)
        dataset["max_bucket_reso"] = 2 * options.resolution
        dataset["bucket_reso_steps"] = 64
        dataset["subsets"] = _array(subset)
        document = tomlkit.document()
        document.add(tomlkit.comment("image_dir is relative, so that this folder can be moved:"))
        document.add(tomlkit.comment("start the trainer here, or give --train_data_dir instead."))
        document["general"] = general
        document["datasets"] = _array(dataset)
        return tomlkit.dumps(document)


def _array(table: tomlkit.items.Table) -> tomlkit.items.AoT:
    tables = tomlkit.aot()
    tables.append(table)
    return tables


def _check_folder(tokens: str) -> None:
    bad = [c for c in tokens if c in _NOT_IN_FOLDERS or unicodedata.category(c)[0] == "C"]
    if bad:
        raise BadOption(f"the trigger {tokens!r} holds {bad[0]!r}, which no folder name can have")
    if tokens != tokens.strip() or tokens.endswith("."):
        raise BadOption(f"the trigger {tokens!r} begins or ends with a space or a dot")
    if len(tokens.encode()) > _MAX_TRIGGER_BYTES:
        raise BadOption(f"the trigger is longer than {_MAX_TRIGGER_BYTES} bytes")
