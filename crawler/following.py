"""A folder that is kept as the set is, event by event, by the face of the stream that writes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawler import plugins
from crawler.exporting import export
from crawler.streaming import StreamEvent
from storage.reader import Reader
from storage.records import AcceptedImage, ExportReport
from storage.stream import living
from storage.workspace import CATALOG

if TYPE_CHECKING:
    from crawler.workspace import Workspace

FOLDER = "folder"
BATCH = 64
"""Events dealt with at once at most: they share the syncs of the disk."""


@dataclass
class Followed:
    """What was done so far: counts of pictures."""

    written: int = 0
    removed: int = 0
    skipped: int = 0

    def add(self, report: ExportReport) -> None:
        self.written += report.written
        self.removed += report.removed
        self.skipped += sum(report.skipped.values())


async def keep_folder(
    ws: Workspace,
    out: Path,
    consumer: str,
    *,
    follow: bool = False,
    crawl: str | None = None,
    options: Mapping[str, Any] | None = None,
    done: Followed | None = None,
) -> Followed:
    """Bring ``out`` to what the set is now, and with ``follow`` keep it so, until cancelled.

    ``consumer`` is who remembers how far it is; a folder that is new gets everything, whatever the
    consumer has read before. What a tool took away is written again only where the consumer was
    rewound or forgotten, so that its events come again. ``done`` is counted up as things happen.
    Raises FolderNotOurs, ConsumerBusy, NoSpace and what :class:`crawler.streaming.Feed` raises.
    """
    done = done or Followed()
    face = plugins.load(plugins.FACES, FOLDER)
    given = {
        k: plugins.option_value(FOLDER, face.Options, k, v) for k, v in (options or {}).items()
    }
    keeper = face(face.Options(**given))
    feed = ws.feed(consumer, follow=follow, crawl=crawl, max_inflight=BATCH)
    async with feed:
        # Opened under the lock of the consumer: the folder has one writer, too.
        with keeper.open(out, consumer) as folder:
            if folder.fresh:
                await feed.rewind()
                folder.begun()
            await asyncio.to_thread(folder.tidy)
            # What its consumer was done with before a kill is no less given.
            folder.reach(feed.seq)
            while events := await feed.take(BATCH):
                report = await asyncio.to_thread(
                    partial(_step, ws.path, folder, events, out, crawl)
                )
                done.add(report)
                await asyncio.gather(*(event.ack() for event in events))
                # Only now: after a kill before it they come again though nobody asked for it.
                await asyncio.to_thread(folder.reach, max(event.event.seq for event in events))
    return done


def _step(
    workspace: Path, folder: Any, events: Sequence[StreamEvent], out: Path, crawl: str | None
) -> ExportReport:
    """Bring the pictures that these events are about to what they are now."""
    with Reader(workspace) as reader:
        wanted: dict[str, AcceptedImage | None] = {
            sha256: living(reader.db, workspace, sha256, crawl)
            for event in events
            for sha256 in _about(event)
        }
    reached = folder.reached
    again = {s for event in events if event.event.seq <= reached for s in _about(event)}
    change = folder.change(wanted, again)
    images = [image for image in wanted.values() if image is not None]
    return export(workspace / CATALOG, change, images, out)


def _about(streamed: StreamEvent) -> list[str]:
    """The pictures an event is about: its own, and the one that it takes the place of."""
    event = streamed.event
    return [s for s in (event.payload.get("old"), event.sha256) if isinstance(s, str)]
