"""A folder that follows the set, for tools that watch a folder.

An accepted picture appears by one rename, and its caption is there before it; one that is withdrawn
goes before its caption does. Each is given once: what a tool takes away or changes stays as the
tool left it, and only who has the events come again has what is missing written again. Names
are those of the exports; the first to come has the short one and keeps it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

    @property
    def reached(self) -> int:
        """The last event it was given and that was acknowledged; what comes again may be healed."""
        return self.memory.reached()

    def reach(self, seq: int) -> None:
        """Events up to this one are acknowledged. Raises NoSpace."""
        with disk.full_disk():
            self.memory.reach(seq)

    def tidy(self) -> None:
        """Remove the captions of pictures that somebody took away, but for edited ones."""
        with disk.full_disk():
            for given in self.memory.all_given():
                if given.file is not None and not _exists(self.out / given.file):
                    self.remove_caption(given)
            self.sync()

    def remove_caption(self, given: Given) -> None:
        """Remove a caption that nobody has edited."""
        caption = self.out / (given.stem + CAPTION_SUFFIX)
        if not edits.is_edited(disk.content(caption), (given.caption,)):
            self.remove(caption)

    def remove(self, path: Path) -> None:
        """Remove a file where it is there."""
        if _exists(path):
            path.unlink()
            self.place.dirty.add(path.parent)

    def sync(self) -> None:
        """Have what was changed survive a power cut."""
        if self.place.dirty:
            self.place.dirty.clear()
            fsync_dir(self.out)

    def change(
        self, wanted: Mapping[str, AcceptedImage | None], again: Collection[str] = ()
    ) -> Change:
        """What brings these pictures, by sha256, to what they are now (None: in no set).

        Those of ``again`` are written again where they or their captions are missing.
        """
        return Change(self, wanted, again)


class Change:
    """One step of a folder: an export (:class:`stages.base.PlannedExport`) of a few pictures.

    Repeating it does nothing more, so that a kill costs nothing: the same events come again.
    """

    def __init__(
        self,
        folder: Folder,
        wanted: Mapping[str, AcceptedImage | None],
        again: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._memory = folder.memory
        self._wanted = wanted
        known = {sha256: folder.memory.given(sha256) for sha256 in wanted}
        self._known = {sha256: given for sha256, given in known.items() if given is not None}
        gone = {sha256 for sha256, image in wanted.items() if image is None}
        self._gone = [given for sha256, given in self._known.items() if sha256 in gone]
        self._again = frozenset(again)
        self._begun = dict(self._begin())
        self._restored = dict(self._restore())

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

    def _restore(self) -> Iterator[tuple[str, Given]]:
        """The pictures that were taken away and are to be there again, under their names.

        They are kept as given all the while: after a kill they are missing still.
        """
        for sha256 in self._again & self._known.keys():
            image, known = self._wanted.get(sha256), self._known[sha256]
            if image is None or known.file is None or _exists(self._folder.out / known.file):
                continue
            yield sha256, Given(sha256, known.stem, None, edits.fingerprint(self._caption(image)))

    def planned(self, images: Sequence[AcceptedImage], out: Path) -> Iterable[tuple[str, Path]]:
        """(sha256 of a picture, file that may come to show it or tell of it, or that goes)."""
        for given in (*self._begun.values(), *self._restored.values(), *self._gone):
            for file in possible_files(given.stem):
                yield given.sha256, out / file
            yield given.sha256, disk.temp_beside(out / (given.stem + CAPTION_SUFFIX))

    def write(self, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
        """Take away, then give. Raises NoSpace."""
        skipped: Counter[str] = Counter()
        new = self._begun | self._restored
        with disk.full_disk():
            for given in self._gone:
                self._take_away(given)
            self._folder.sync()
            self._memory.write(self._begun.values(), [given.sha256 for given in self._gone])
            made: list[Given] = []
            for image in images:
                begun = new.get(image.sha256 or "")
                if begun is None:
                    made += self._captioned_anew(image)
                    continue
                try:
                    made.append(self._give(begun, image))
                except UnreadablePicture as error:
                    log.warning("%s:%s is left out: %s", image.site, image.site_id, error)
                    skipped[error.reason] += 1
            self._folder.sync()
            useless = self._begun.keys() - {given.sha256 for given in made}
            self._memory.write(made, useless)
        return ExportReport(
            written=sum(given.sha256 in new for given in made),
            unchanged=len(images) - len(new),
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
        words = given.caption
        if (edited := self._edited(given)) is None:
            place.bytes(given.stem + CAPTION_SUFFIX, self._caption(image))
        else:
            words = edited
        file = given.stem + prepared.suffix
        if prepared.data is None:
            place.original(image.path, file)
        else:
            place.bytes(file, prepared.data)
        return Given(given.sha256, given.stem, file, words)

    def _edited(self, given: Given) -> str | None:
        """What we wrote where somebody wrote another caption for a picture that comes again."""
        known = self._restored.get(given.sha256) and self._known[given.sha256].caption
        present = disk.content(self._folder.out / (given.stem + CAPTION_SUFFIX))
        return known if known and edits.is_edited(present, (known, given.caption)) else None

    def _take_away(self, given: Given) -> None:
        """Remove a picture and then its caption, unless somebody has written another."""
        out = self._folder.out
        for file in possible_files(given.stem) if given.file is None else (given.file,):
            if file != given.stem + CAPTION_SUFFIX:
                self._folder.remove(out / file)
        self._folder.remove_caption(given)

    def _captioned_anew(self, image: AcceptedImage) -> Iterator[Given]:
        """Write the caption of a picture that is there where it has other words now.

        Where the tool took picture or caption away, or somebody wrote a caption, nothing is done;
        but one that comes again has a caption again.
        """
        known = self._known[image.sha256 or ""]
        caption = self._caption(image)
        file = known.stem + CAPTION_SUFFIX
        path = self._folder.out / file
        present = disk.content(path)
        fingerprint = edits.fingerprint(caption)
        missing = known.sha256 in self._again and not _exists(path)
        theirs = not present or edits.is_edited(present, (known.caption,))
        there = known.file is not None and _exists(self._folder.out / known.file)
        if not there or (not missing and (fingerprint == known.caption or theirs)):
            return
        self._folder.place.bytes(file, caption)
        yield Given(known.sha256, known.stem, known.file, fingerprint)

    def _caption(self, image: AcceptedImage) -> bytes:
        return disk.encoded(self._folder.captioner.caption(image))


def _shown(out: Path, made: Iterable[Given]) -> Iterator[tuple[str, Path]]:
    for given in made:
        if given.file is not None:
            yield given.sha256, out / given.file
            yield given.sha256, out / (given.stem + CAPTION_SUFFIX)


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()
