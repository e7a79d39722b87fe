"""The work behind ``trawl sheet`` and ``trawl query --open``."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

import crawler
from crawler import plugins
from crawler.cli.output import printable
from crawler.cli.queried import unknown_tags
from crawler.cli.signals import interruptible
from crawler.errors import NotFound, UsageError
from crawler.exporting import export
from crawler.settings import load
from storage.reader import Reader
from storage.records import AcceptedImage, ExportReport
from storage.workspace import CATALOG, require_catalog

VIEWER = "TRAWL_VIEWER"
"""The command that shows a picture, in place of the system's own; the file is its last word."""


@dataclass(frozen=True)
class Drawn:
    """A contact sheet that was written."""

    report: ExportReport
    shown: Sequence[AcceptedImage]
    """In the order of their numbers."""


async def draw(
    workspace: Path,
    out: Path,
    options: Mapping[str, Any],
    words: Sequence[str],
    limit: int | None = None,
    trust_workspace: bool = False,
) -> Drawn:
    """Draw the works that match into ``out``.

    Raises NoWorkspace, BadQuery, and what a sheet raises.
    """
    require_catalog(workspace)
    settings = load(workspace, trust_workspace=trust_workspace)
    with Reader(workspace) as reader:
        for line in unknown_tags(reader, words):
            click.echo(line, err=True)
    async with crawler.open(workspace, settings=settings) as ws:
        with interruptible(f"stopped while {out} was drawn", "the same command draws it"):
            images = ws.images(words, limit=limit)
            report = ws.lay_out("sheet", out, options, images)
    sheet = plugins.load(plugins.EXPORTS, "sheet")
    return Drawn(report, sheet(sheet.Options(**options)).cells(images))


def numbered(shown: Sequence[AcceptedImage]) -> str:
    """Number, work and state or reason of each picture of a sheet, separated by tabs."""
    rows = enumerate(shown, 1)
    return "\n".join(
        "\t".join((str(number), printable(f"{one.site}:{one.site_id}"), one.reason or one.state))
        for number, one in rows
    )


def open_pictures(workspace: Path, images: Iterable[AcceptedImage]) -> Path:
    """Show the one picture that there is, or a sheet of several, in the viewer; returns its file.

    The sheet is left in the folder for temporary files: the viewer may read it at any time. Raises
    NotFound where none has a file, and UsageError where there is no viewer.
    """
    sheet = plugins.load(plugins.EXPORTS, "sheet")
    options = sheet.Options()
    there = (image for image in images if image.path is not None and image.path.is_file())
    files = list(islice(there, options.max_cells))
    if not files:
        raise NotFound(
            "no work that matches has a file to open",
            hint="works that were rejected by what their site says, or whose turn has not come, are"
            " not downloaded",
        )
    file = files[0].path
    if len(files) > 1 or file is None:
        file = Path(tempfile.mkdtemp(prefix="trawl-")) / "sheet.jpg"
        # Noted like every export: what must be forgotten later is found on the sheet, too.
        export(workspace / CATALOG, sheet(options), files, file)
    show(file)
    return file


def show(file: Path) -> None:
    """Open a file in the viewer of the person or of the system, and wait for what was started.

    Raises UsageError, which names the file.
    """
    if named := os.environ.get(VIEWER):
        _start([*_command(named), str(file)], file)
    elif sys.platform == "win32":
        os.startfile(file)  # noqa: S606 - the system knows what shows it
    else:
        opener = "open" if sys.platform == "darwin" else "xdg-open"
        _start([opener, str(file)], file)


def _command(named: str) -> list[str]:
    try:
        command = shlex.split(named)
    except ValueError as problem:
        raise UsageError(f"{VIEWER} is no command: {problem}") from problem
    if not command:
        raise UsageError(f"{VIEWER} names no command", hint=f"for example {VIEWER}='feh -F'")
    return command


def _start(command: Sequence[str], file: Path) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise UsageError(
            f"there is no {command[0]} to show {file}",
            hint=f"open that file yourself, or name a viewer: {VIEWER}='feh -F'",
        )
    done = subprocess.run(
        [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise UsageError(
            f"{command[0]} ended with status {done.returncode} and did not show {file}",
            hint=f"open that file yourself, or name another viewer: {VIEWER}='feh -F'",
        )
