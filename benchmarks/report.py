"""What every benchmark prints: its machine, its load, its command and its tables."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

RESULTS = Path(__file__).parent / "results"


class Report:
    """Prints a result line by line, and with ``save`` keeps it as ``results/NAME.md``.

    ``name`` and ``arguments`` are what a reader types to get it again; ``result`` is the name of
    the file where it is another. Entering prints the head, leaving the load; a benchmark that fails
    keeps nothing.
    """

    def __init__(
        self,
        name: str,
        title: str,
        arguments: Sequence[str],
        *,
        save: bool,
        result: str | None = None,
    ) -> None:
        self._path = RESULTS / f"{result or name}.md"
        self._save = save
        self._lines: list[str] = []
        shown = shlex.join([arg for arg in arguments if arg != "--save"])
        self._head = (
            f"# {title}\n\n`python -m benchmarks.{name}{' ' + shown if shown else ''}`,"
            f" {datetime.now(UTC):%Y-%m-%d}\n{machine()}\n"
        )

    def __enter__(self) -> Self:
        self._before = load()
        self.say(self._head)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.say(f"\n1-minute load: {self._before:.2f} before, {load():.2f} after.")
        if self._save and error is None:
            self._path.parent.mkdir(exist_ok=True)
            self._path.write_text("\n".join(self._lines) + "\n", encoding="utf-8")

    def say(self, line: str = "") -> None:
        """One line of Markdown."""
        print(line, flush=True)
        self._lines.append(line)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table, and an empty line after it."""
        self.say("| " + " | ".join(headings) + " |")
        self.say("|---|" + "---:|" * (len(headings) - 1))
        for row in rows:
            self.say("| " + " | ".join(str(cell) for cell in row) + " |")
        self.say()


def machine() -> str:
    """What it ran on: architecture, cores, memory and the interpreter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB,"
        f" Python {platform.python_version()}"
    )


def load() -> float:
    """Load average of the last minute."""
    return os.getloadavg()[0]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, with least and most where they differ."""
    middle, low, high = statistics.median(values), min(values), max(values)
    if f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} - {high:.{digits}f})"


def note(line: str) -> None:
    """Tell whoever waits what goes on; no part of the result."""
    print(f"... {line}", file=sys.stderr, flush=True)
