"""What ``trawl status`` knows of a workspace, and how it tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crawler.cli.output import plain, printable, size, table
from crawler.errors import StorageError, UsageError
from crawler.user_state import hosts_file
from storage import consumers
from storage.hosts import Cooldown, in_force
from storage.lock import Holder, holder
from storage.reader import Reader
from storage.records import CrawlStatus
from storage.usage import DiskUsage, disk_usage


@dataclass(frozen=True)
class Overview:
    """A workspace at one moment."""

    crawls: Sequence[CrawlStatus]
    """The one touched last first."""
    dropped: Mapping[str, int]
    """Entries of the first crawl's source that are no works: reason -> count."""
    engine: Holder | None
    """The process that crawls at this moment."""
    waits: Sequence[Cooldown]
    """Hosts that are to be left alone now. They are the user's, for all crawls."""
    consumers: Sequence[consumers.Consumer]
    disk: DiskUsage
    warnings: Sequence[str] = ()


def look(reader: Reader, crawl: str | None) -> Overview:
    """Look at a workspace, or at the crawls whose id begins with ``crawl``.

    Reads and lets go at once, so that a log of writes can shrink. Raises UsageError.
    """
    found = reader.crawls()
    if crawl:
        found = [status for status in found if status.crawl.id.startswith(crawl)]
        if not found:
            raise UsageError(f"no crawl has an id that starts with {crawl!r}")
    warnings, waits = [], []
    try:
        waits = in_force(hosts_file())
    except StorageError as trouble:  # of a file that is not this workspace's
        warnings.append(f"{trouble.message}; {trouble.hint}")
    return Overview(
        crawls=found,
        dropped=reader.dropped(found[0].crawl.id) if found else {},
        engine=holder(reader.workspace),
        waits=waits,
        consumers=consumers.every(reader.db),
        disk=disk_usage(reader.db, reader.workspace),
        warnings=warnings,
    )


def document(seen: Overview) -> dict[str, Any]:
    """The overview as JSON. Fields are only ever added."""
    return {
        "v": 1,
        "crawls": plain(seen.crawls),
        "dropped": plain(seen.dropped),
        "engine": plain(seen.engine),
        "hosts": [
            {"host": wait.host, "until": _utc(wait.until), "reason": wait.reason}
            for wait in seen.waits
        ],
        "consumers": plain(seen.consumers),
        "disk": {**plain(seen.disk), "total_bytes": seen.disk.total_bytes},
    }


def text(seen: Overview, explanations: Mapping[str, str] | None = None) -> str:
    """The overview for a person; with ``explanations`` every reason is explained."""
    if not seen.crawls:
        parts = ["no crawl was started in this workspace yet"]
    else:
        parts = [_crawls(seen.crawls), *_last(seen, explanations)]
    if seen.engine is not None:
        parts.append(
            f"process {seen.engine.pid} on {printable(seen.engine.host)} crawls here since"
            f" {_local(seen.engine.since)}"
        )
    if seen.waits:
        waits = [[wait.host, _clock(wait.until), wait.reason] for wait in seen.waits]
        parts.append(table(["waits for", "until", "because"], waits))
    if seen.consumers:
        rows = [[c.name, c.lag, c.dead or None, _local(c.updated_at)] for c in seen.consumers]
        parts.append(table(["consumer", "lag", "dead letters", "last"], rows, right="lag"))
    if seen.crawls:
        parts.append(_disk(seen.disk))
    return "\n\n".join(parts)


def _crawls(crawls: Sequence[CrawlStatus]) -> str:
    rows = [
        [
            status.crawl.id,
            status.crawl.spec.site,
            status.crawl.spec.query,
            "running" if status.running else _ended(status.crawl.state),
            f"{status.accepted}/{status.crawl.want}" if status.crawl.want else status.accepted,
            status.seen,
            status.pending,
            status.crawl.updated_at,
        ]
        for status in crawls
    ]
    headings = ["crawl", "source", "query", "state", "accepted", "seen", "pending", "last"]
    return table(headings, rows, right="accepted seen pending")


def _last(seen: Overview, explanations: Mapping[str, str] | None) -> list[str]:
    """The table of reasons of the first crawl, and what else there is to say of it."""
    from crawler.cli.report import reasons_table

    last, parts = seen.crawls[0], []
    if last.rows:
        finished = last.crawl.state == "finished"
        rows = reasons_table(last.rows, explanations, finished=finished)
        parts.append(f"{last.crawl.id}:\n{rows}")
    if seen.dropped:
        counts = ", ".join(f"{count} {reason}" for reason, count in seen.dropped.items())
        parts.append(f"entries of the source that are no works: {counts}")
    if last.crawl.note:
        parts.append(printable(last.crawl.note))
    if last.awaited and not last.running:
        wait = "1 work waits" if last.awaited == 1 else f"{last.awaited} works wait"
        parts.append(f"{wait} for the next run: accepted by hand, or to be tried again")
    if not last.running and (last.awaited or last.crawl.state != "finished"):
        parts.append(f"go on with: trawl resume {last.crawl.id}")
    return parts


def _ended(state: str) -> str:
    # The catalog still says so of a run that was killed.
    return "stopped" if state == "running" else state


def _disk(disk: DiskUsage) -> str:
    parts = [f"{disk.files} pictures {size(disk.bytes)}"]
    if disk.derived_files:
        parts.append(f"{disk.derived_files} derived {size(disk.derived_bytes)}")
    if disk.reclaimable_files:
        what = f"{disk.reclaimable_files} rejected {size(disk.reclaimable_bytes)}"
        parts.append(f"{what} (reclaimable: storage.rejected_budget)")
    parts.append(f"catalog {size(disk.catalog_bytes + disk.log_bytes)}")
    return f"on disk {size(disk.total_bytes)}: {', '.join(parts)}"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def _local(at: str) -> str:
    """A moment of the catalog (UTC) by the clock on the wall."""
    return f"{datetime.fromisoformat(at).astimezone():%Y-%m-%d %H:%M:%S}"
