"""What a run tells while it goes: the objects of ``--ndjson``. Fields are only ever added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from crawler.stats import Stats
from storage.public_url import public_url
from storage.records import AcceptedImage, Candidate, Ruling, Rung

if TYPE_CHECKING:
    from crawler.run import Summary

Report: TypeAlias = dict[str, Any]
Observer: TypeAlias = Callable[[Report], None]

VERSION = 1


def work_report(
    candidate: Candidate,
    ruling: Ruling,
    image: AcceptedImage | None = None,
) -> Report:
    """A work that reached a state. Sizes are decoded ones where there is a picture."""
    measured: Mapping[str, Any]
    if image is not None and image.measures:
        measured = image.measures
    elif ruling.filter is not None:
        measured = {ruling.filter: ruling.measured}
    else:
        measured = {}
    blocked = ruling.reason == "blocked_content"
    report: Report = {
        "v": VERSION,
        "type": ruling.state,
        "site": candidate.site,
        "site_id": candidate.site_id,
        "url": None if blocked or not candidate.ladder else _shown(candidate.ladder[0]),
        "path": None if image is None or image.path is None else str(image.path),
        "sha256": None if image is None else image.sha256,
        "width": None if blocked else (image.width if image else candidate.width),
        "height": None if blocked else (image.height if image else candidate.height),
        "reason": ruling.reason,
        "measured": measured,
        "value": ruling.measured,
        "threshold": ruling.threshold,
    }
    return report


def _shown(rung: Rung) -> str:
    return public_url(rung.location) if rung.kind == "url" else rung.location


def progress_report(crawl_id: str, stats: Stats) -> Report:
    """How far a run is."""
    return {
        "v": VERSION,
        "type": "progress",
        "crawl": crawl_id,
        "accepted": stats.accepted,
        "want": stats.want,
        "seen": stats.seen,
        "in_flight": stats.in_flight,
        "bytes": stats.bytes_fetched,
    }


def summary_report(summary: Summary) -> Report:
    """How a run ended, with the table of reasons."""
    stats = summary.stats
    return {
        "v": VERSION,
        "type": "summary",
        "crawl": summary.crawl_id,
        "state": summary.state,
        "accepted": summary.accepted,
        "want": summary.want,
        "rows": [
            {"state": r.state, "reason": r.reason, "count": r.count, "example": r.example}
            for r in summary.rows
        ],
        "api_requests": stats.api_requests,
        "file_requests": stats.file_requests,
        "bytes_fetched": stats.bytes_fetched,
        "bytes_api": stats.bytes_api,
        "bytes_saved": stats.bytes_saved,
        "retries": stats.retries,
        "seconds": round(stats.elapsed, 3),
        "warnings": list(summary.warnings),
        "error": None if summary.error is None else summary.error.code,
        "message": None if summary.error is None else str(summary.error),
    }
