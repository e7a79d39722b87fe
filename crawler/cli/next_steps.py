"""The commands a person may want after a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def export_command(
    folder: str, layout: str, crawl: str, workspace: Path, options: Mapping[str, Any] | None = None
) -> str:
    """The ``trawl export`` that lays out what a crawl accepted; ``options`` are a layout's."""
    words = ["trawl", "export", folder, "--layout", layout, "--crawl", crawl, "-w", str(workspace)]
    for name, value in (options or {}).items():
        words += [f"--{name}", str(value)]
    return shlex.join(words)


def after_crawl(crawl: str, workspace: Path, *, tiered: bool) -> list[str]:
    """What follows a crawl; ``tiered`` is one that ``trawl character`` may have begun."""
    lines = [f"to lay it out: {export_command('FOLDER', 'kohya', crawl, workspace)}"]
    if tiered:
        lines.append("the same `trawl character …` command also writes the folder")
    return lines


def after_export(workspace: Path, *, rejected_to_see: bool) -> list[str]:
    """Commands to try on a finished set; a sheet of what was rejected needs files of it."""
    at = f"-w {shlex.quote(str(workspace))}"
    return [
        "try next:",
        f"  trawl status {at} --explain",
        f"  trawl query {at} state:rejected --limit 20",
        *([f"  trawl sheet rejected.jpg {at} state:rejected"] if rejected_to_see else []),
        f"  trawl export other-layout {at} --layout imagefolder state:accepted",
    ]
