"""What is done with a crawl's pictures: ``ws.crawl(…).through("shrink").export("kohya", …)``."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler import plugins
from crawler.run import Run, Summary
from storage import derived
from storage.derived import DerivedImage
from storage.disk import in_our_words
from storage.errors import NoSpace, TrawlError
from storage.files import EXTENSIONS, FileStore
from storage.lock import EngineLock
from storage.platform import disk_full, fsync_file
from storage.records import AcceptedImage, ExportReport
from storage.workspace import CATALOG
from storage.writer import Writer

if TYPE_CHECKING:
    from crawler.workspace import Workspace

log = logging.getLogger(__name__)

UNREADABLE = "E_UNREADABLE"
"""The code of what a stage raises for one picture that it cannot use."""
STAGE_FAILED = "stage_failed"
"""The reason counted where a stage broke on a picture."""


class _StageFailed(Exception):
    """A stage broke on one picture, or gave what is no picture; the chain counts it and goes on."""


@dataclass(frozen=True)
class Finished:
    """What an awaited chain gives back."""

    summary: Summary
    images: tuple[AcceptedImage, ...] = dataclasses.field(repr=False)
    """What came out of the last stage."""
    reports: tuple[ExportReport, ...]
    """One per export, in order."""
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Reason -> count of pictures that a stage could not use."""


@dataclass(frozen=True)
class Chain:
    """A crawl followed by stages and exports; immutable, started by ``await``.

    A picture of which a stage makes nothing (there was nothing to change) goes on as it is.
    """

    workspace: Workspace
    run: Run
    stages: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    exports: tuple[tuple[str, Path, Mapping[str, Any]], ...] = ()

    def through(self, stage: str, /, **options: Any) -> Chain:
        """Add a stage after those already there."""
        return dataclasses.replace(self, stages=(*self.stages, (stage, options)))

    def export(self, layout: str, out: str | Path, /, **options: Any) -> Chain:
        """Add an export of what the last stage gives."""
        return dataclasses.replace(self, exports=(*self.exports, (layout, Path(out), options)))

    def __await__(self) -> Generator[Any, None, Finished]:
        return self._go().__await__()

    async def _go(self) -> Finished:
        summary = await self.run
        if summary.error is not None:
            raise summary.error
        images = self.workspace.images(crawl=summary.crawl_id)
        skipped: Counter[str] = Counter()
        if self.stages:
            images = await self._derive(images, skipped)
        reports = [
            await asyncio.to_thread(
                self.workspace.lay_out, layout, out, options, images, summary.crawl_id
            )
            for layout, out, options in self.exports
        ]
        return Finished(summary, tuple(images), tuple(reports), dict(skipped))

    async def _derive(
        self, images: list[AcceptedImage], skipped: Counter[str]
    ) -> list[AcceptedImage]:
        with EngineLock(self.workspace.path):
            writer = Writer(self.workspace.path / CATALOG, checkpoint=True)
            await writer.start()
            try:
                for name, options in self.stages:
                    images = await _through(
                        writer, self.workspace.path, name, options, images, skipped
                    )
            finally:
                await writer.close()
        return images


async def _through(
    writer: Writer,
    workspace: Path,
    name: str,
    given: Mapping[str, Any],
    images: list[AcceptedImage],
    skipped: Counter[str],
) -> list[AcceptedImage]:
    """Send every picture through one stage; what was made before is not made again.

    One that the stage cannot use, or breaks on, is counted in ``skipped`` and goes no further.
    """
    told = False
    kind = plugins.load(plugins.STAGES, name)
    options = kind.Options(
        **{k: plugins.option_value(name, kind.Options, k, v) for k, v in given.items()}
    )
    parameters = dataclasses.asdict(options)
    stage = kind(options)
    store = FileStore(workspace)
    out: list[AcceptedImage] = []
    for image in images:
        if image.sha256 is None:
            continue
        parent = image.sha256
        made = await writer.do(
            partial(
                derived.find, parent=parent, stage=name, version=kind.version, parameters=parameters
            )
        )
        if not all(store.path(d.sha256, d.format).exists() for d in made):
            made = []
        if not made:
            try:
                fresh = await asyncio.to_thread(_process, stage, store, image)
            except _StageFailed as error:
                if not told:  # it may break in the same way on every picture
                    log.warning("%s broke on %s:%s: %s", name, image.site, image.site_id, error)
                    told = True
                log.debug("%s broke on %s:%s", name, image.site, image.site_id, exc_info=True)
                skipped[STAGE_FAILED] += 1
                continue
            except TrawlError as error:
                if error.code != UNREADABLE:
                    raise
                log.warning("%s skips %s:%s: %s", name, image.site, image.site_id, error)
                skipped[getattr(error, "reason", "unreadable")] += 1
                continue
            for number, (picture, temp) in enumerate(fresh):
                await writer.do(
                    partial(
                        derived.keep,
                        store=store,
                        image=picture,
                        temp=temp,
                        stage=name,
                        version=kind.version,
                        parameters=parameters,
                        number=number,
                    )
                )
            made = [picture for picture, _ in fresh]
        out += [_derived(image, store, d) for d in made] or [image]
    return out


def _process(stage: Any, store: FileStore, image: AcceptedImage) -> list[tuple[DerivedImage, Path]]:
    made: list[tuple[DerivedImage, Path]] = []
    for result in _results(stage, image, store):  # all or nothing
        temp = store.temp()
        with in_our_words(store.root):
            temp.write_bytes(result.data)
            fsync_file(temp)
        picture = DerivedImage(
            parent=image.sha256 or "",
            sha256=hashlib.sha256(result.data).hexdigest(),
            format=result.format,
            width=result.width,
            height=result.height,
            bytes=len(result.data),
        )
        made.append((picture, temp))
    return made


def _results(stage: Any, image: AcceptedImage, store: FileStore) -> list[Any]:
    """What a stage makes of a picture. Raises _StageFailed for whatever a plug-in does wrong.

    Raises also what is no fault of the stage: our own errors, NoSpace and a lack of memory.
    """
    try:
        results = list(stage.process([image]))
        for result in results:
            if not isinstance(result.data, bytes) or result.format not in EXTENSIONS:
                raise TypeError(f"gave no picture of a known format, but {result.format!r}")
            if not (isinstance(result.width, int) and isinstance(result.height, int)):
                raise TypeError("gave a picture without its size in pixels")
    except (TrawlError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and disk_full(error):
            raise NoSpace(f"the disk of {store.root} is full: {error}") from error
        raise _StageFailed(f"{type(error).__name__}: {error}") from error
    return results


def _derived(image: AcceptedImage, store: FileStore, made: DerivedImage) -> AcceptedImage:
    return dataclasses.replace(
        image,
        sha256=made.sha256,
        path=store.path(made.sha256, made.format),
        format=made.format,
        width=made.width,
        height=made.height,
        bytes=made.bytes,
    )
