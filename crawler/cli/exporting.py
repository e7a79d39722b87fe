"""The work behind ``trawl export`` and ``trawl sheet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import crawler
from crawler import plugins
from crawler.cli.signals import interruptible
from crawler.settings import load
from storage.workspace import require_catalog

if TYPE_CHECKING:
    from storage.records import ExportReport

SKIPPED: Mapping[str, str] = MappingProxyType(
    {
        "no_bytes": "whose file was not kept",
        "no_file": "without a file (not downloaded, or not kept)",
        "not_accepted": "not accepted",
        "over_max_cells": "more than fit on the sheet (--option max_cells=N)",
        "repeated": "the same file as another",
    }
)
"""Why an export leaves works out -> the end of the sentence that counts them."""


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
        with interruptible(
            f"stopped while {out} was written", "the same command brings it up to date"
        ):
            return ws.export(layout, out, dict(options), crawl=crawl, words=words)


def report_text(report: Mapping[str, Any]) -> str:
    """An ExportReport for a person."""
    counts = [
        f"{report[name]} {name}" for name in ("written", "unchanged", "removed") if report[name]
    ]
    lines = [f"{report['folder']}: {', '.join(counts) or 'nothing to write'}"]
    return "\n".join([*lines, *remarks(report)])


def remarks(report: Mapping[str, Any]) -> list[str]:
    """What an export left out, and what else it has to say."""
    lines = []
    if skipped := report["skipped"]:
        works = report["written"] + report["unchanged"] + sum(skipped.values())
        parts = [f"{count} {SKIPPED.get(why, why)}" for why, count in skipped.items()]
        lines.append(f"{works} works, {', '.join(parts)} left out")
    lines += [f"note: {count} {what}" for what, count in report.get("notes", {}).items()]
    return lines
