"""The work behind ``trawl export`` and ``trawl sheet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crawler
from crawler import plugins
from crawler.settings import load
from storage.workspace import require_catalog

if TYPE_CHECKING:
    from storage.records import ExportReport


def layout_options(layout: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Options of a layout from text. Raises UsageError for an unknown layout or option."""
    options = plugins.load(plugins.EXPORTS, layout).Options
    return {name: plugins.option_value(layout, options, name, text) for name, text in given.items()}


def caption_options(layout: str, trigger: str | None, repeats: int | None) -> dict[str, Any]:
    """The two layout options that have flags of their own. Raises UsageError where it lacks one."""
    given = {"trigger": trigger, "repeats": None if repeats is None else str(repeats)}
    return layout_options(layout, {name: text for name, text in given.items() if text is not None})


async def export(
    workspace: Path,
    layout: str,
    out: Path,
    options: Mapping[str, Any],
    *,
    crawl: str | None = None,
    words: Sequence[str] = (),
    trust_workspace: bool = False,
) -> ExportReport:
    """Export from an existing workspace. Raises NoWorkspace where there is none."""
    require_catalog(workspace)
    settings = load(workspace, trust_workspace=trust_workspace)
    async with crawler.open(workspace, settings=settings) as ws:
        return ws.export(layout, out, dict(options), crawl=crawl, words=words)


def report_text(report: Mapping[str, Any]) -> str:
    """An ExportReport for a person."""
    counts = [
        f"{report[name]} {name}" for name in ("written", "unchanged", "removed") if report[name]
    ]
    lines = [f"{report['folder']}: {', '.join(counts) or 'nothing to write'}"]
    lines += [f"left out {count}: {reason}" for reason, count in report["skipped"].items()]
    return "\n".join(lines)
