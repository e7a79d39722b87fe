"""A folder that follows the set, for tools that watch a folder.

An accepted picture appears by one rename, and its caption is there before it; one that is withdrawn
goes before its caption does. Each is given once: what a tool takes away or changes stays as the
tool left it. Names are those of the exports; the first to come has the short one and keeps it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from filters.base import option
from stages import prepare
from stages.base import ExportReport
from stages.captions import Captioner, CaptionOptions
from stages.errors import FolderNotOurs, UnreadablePicture
from stages.export import disk, edits
from stages.export.placing import Placing, sweep
from stages.export.state import CAPTION_SUFFIX, possible_files
from stages.names import distinct_name
from stages.watched_memory import Given, Memory
from storage.platform import fsync_dir
from storage.records import AcceptedImage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchedOptions(CaptionOptions):
    """Options of ``trawl stream --folder``."""

    copy: bool = option(False, "copy pictures instead of linking them to the workspace")


class WatchedFolder:
    """The face of the stream that is a folder."""

    name: ClassVar[str] = "folder"
    Options: ClassVar[type[WatchedOptions]] = WatchedOptions

    def __init__(self, options: WatchedOptions) -> None:
        self.options = options

    def open(self, out: Path, consumer: str) -> Folder:
        """The folder of a consumer, made where it is missing. Raises FolderNotOurs, NoSpace."""
        with disk.full_disk():
            return Folder(out, consumer, self.options)


class Folder:
    """A folder that is followed into by one process.

    ``fresh`` until :meth:`begun`: it has to be given everything, also what its consumer had before.
    """

    def __init__(self, out: Path, consumer: str, options: WatchedOptions) -> None:
        if out.exists() and not out.is_dir():
            raise FolderNotOurs(f"{out} is not a folder")
        if not out.exists():
            out.mkdir(parents=True)
            fsync_dir(out.parent)
        self.out = out
        self.memory = Memory(out, consumer)
        self.captioner = Captioner(options)
        self.place = Placing(out, copy=options.copy)
        sweep(out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.memory.close()

    @property
    def fresh(self) -> bool:
        return self.memory.fresh()

    def begun(self) -> None:
        """Whoever gives to it has begun with the first event."""
        self.memory.begin()

    def change(self, wanted: Mapping[str, AcceptedImage | None]) -> Change:
        """What brings these pictures, by sha256, to what they are now (None: in no set)."""
        return Change(self, wanted)


class Change:
    """One step of a folder: an export (:class:`stages.base.PlannedExport`) of a few pictures.

    Repeating it does nothing more, so that a kill costs nothing: the same events come again.
    """

    def __init__(self, folder: Folder, wanted: Mapping[str, AcceptedImage | None]) -> None:
        self._folder = folder
        self._memory = folder.memory
        self._wanted = wanted
        known = {sha256: folder.memory.given(sha256) for sha256 in wanted}
        self._known = {sha256: given for sha256, given in known.items() if given is not None}
        gone = {sha256 for sha256, image in wanted.items() if image is None}
        self._gone = [given for sha256, given in self._known.items() if sha256 in gone]
        self._begun = dict(self._begin())

    def _begin(self) -> Iterator[tuple[str, Given]]:
        """The pictures that are to be made, each with its name."""
        freed = {given.stem for given in self._gone}
        chosen: set[str] = set()

        def taken(stem: str) -> bool:
            if stem in freed:
                return stem in chosen
            files = (self._folder.out / file for file in possible_files(stem))
            return stem in chosen or self._memory.has_stem(stem) or any(map(_exists, files))

        for sha256, image in self._wanted.items():
            known = self._known.get(sha256)
            if image is None or (known is not None and known.file is not None):
                continue
            stem = known.stem if known is not None else distinct_name(image, taken)
            chosen.add(stem)
            yield sha256, Given(sha256, stem, None, edits.fingerprint(self._caption(image)))

    def planned(self, images: Sequence[AcceptedImage], out: Path) -> Iterable[tuple[str, Path]]:
        """(sha256 of a picture, file that may come to show it or tell of it, or that goes)."""
        for sha256, given in (*self._begun.items(), *((g.sha256, g) for g in self._gone)):
            for file in possible_files(given.stem):
                yield sha256, out / file
            yield sha256, disk.temp_beside(out / (given.stem + CAPTION_SUFFIX))

    def write(self, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
        """Take away, then give. Raises NoSpace."""
        skipped: Counter[str] = Counter()
        with disk.full_disk():
            for given in self._gone:
                self._take_away(given)
            self._sync()
            self._memory.write(self._begun.values(), [given.sha256 for given in self._gone])
            made: list[Given] = []
            for image in images:
                begun = self._begun.get(image.sha256 or "")
                if begun is None:
                    made += self._captioned_anew(image)
                    continue
                try:
                    made.append(self._give(begun, image))
                except UnreadablePicture as error:
                    log.warning("%s:%s is left out: %s", image.site, image.site_id, error)
                    skipped[error.reason] += 1
            self._sync()
            useless = self._begun.keys() - {given.sha256 for given in made}
            self._memory.write(made, useless)
        return ExportReport(
            written=sum(given.sha256 in self._begun for given in made),
            unchanged=len(images) - len(self._begun),
            removed=len(self._gone),
            skipped=dict(skipped),
            folder=out,
            files=tuple(_shown(out, made)),
        )

    # -- one picture

    def _give(self, given: Given, image: AcceptedImage) -> Given:
        """Put a picture in place, its caption first. Raises UnreadablePicture."""
        place = self._folder.place
        if image.path is None:
            raise UnreadablePicture("no_bytes", "its file was not kept")
        prepared = prepare.prepare(image.path)
        place.bytes(given.stem + CAPTION_SUFFIX, self._caption(image))
        file = given.stem + prepared.suffix
        if prepared.data is None:
            place.original(image.path, file)
        else:
            place.bytes(file, prepared.data)
        return Given(given.sha256, given.stem, file, given.caption)

    def _take_away(self, given: Given) -> None:
        """Remove a picture and then its caption, unless somebody has written another."""
        out = self._folder.out
        caption = out / (given.stem + CAPTION_SUFFIX)
        for file in possible_files(given.stem) if given.file is None else (given.file,):
            if file != caption.name:
                self._remove(out / file)
        if not edits.is_edited(disk.content(caption), (given.caption,)):
            self._remove(caption)

    def _remove(self, path: Path) -> None:
        if _exists(path):
            path.unlink()
            self._folder.place.dirty.add(path.parent)

    def _captioned_anew(self, image: AcceptedImage) -> Iterator[Given]:
        """Write the caption of a picture that is there where it has other words now.

        Where the tool took picture or caption away, or somebody wrote a caption, nothing is done.
        """
        known = self._known[image.sha256 or ""]
        caption = self._caption(image)
        file = known.stem + CAPTION_SUFFIX
        present = disk.content(self._folder.out / file)
        fingerprint = edits.fingerprint(caption)
        theirs = not present or edits.is_edited(present, (known.caption,))
        there = known.file is not None and _exists(self._folder.out / known.file)
        if fingerprint == known.caption or theirs or not there:
            return
        self._folder.place.bytes(file, caption)
        yield Given(known.sha256, known.stem, known.file, fingerprint)

    def _caption(self, image: AcceptedImage) -> bytes:
        return disk.encoded(self._folder.captioner.caption(image))

    def _sync(self) -> None:
        if self._folder.place.dirty:
            self._folder.place.dirty.clear()
            fsync_dir(self._folder.out)


def _shown(out: Path, made: Iterable[Given]) -> Iterator[tuple[str, Path]]:
    for given in made:
        if given.file is not None:
            yield given.sha256, out / given.file
            yield given.sha256, out / (given.stem + CAPTION_SUFFIX)


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
