"""Promises: what was to hold, what was found, and the table and exit code that come of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Promise:
    """One line of the result."""

    what: str
    promised: str
    found: str
    kept: bool


@dataclass
class Promises:
    """Collects the promises of one part; ``part`` is its name in the table of all parts."""

    part: str
    made: list[Promise] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def hold(self, what: str, promised: str, found: object, kept: bool) -> None:
        """Note one promise."""
        self.made.append(Promise(what, promised, str(found), kept))

    def none(self, what: str, broken: list[str]) -> None:
        """Note a promise that nothing of a kind happens; the first cases are printed."""
        for case in broken[:10]:
            print(f"  BROKEN {what}: {case}", flush=True)
        self.hold(what, "0", len(broken), not broken)

    @contextmanager
    def asserted(self, what: str) -> Iterator[None]:
        """A promise that holds when no assertion in the block fails."""
        try:
            yield
        except AssertionError as error:
            told = " ".join(str(error).split())
            print(f"  BROKEN {what}: {told[:2000]}", flush=True)
            self.hold(what, "holds", "broken", False)
        else:
            self.hold(what, "holds", "holds", True)

    @property
    def broken(self) -> list[Promise]:
        """The promises that did not hold."""
        return [promise for promise in self.made if not promise.kept]

    def end(self, result: Path | None = None) -> int:
        """Print the table, keep it as JSON where asked, and return the exit code."""
        seconds = time.monotonic() - self.began
        print(f"\n{self.part}: {seconds:.0f} s, {machine()}")
        print_table(self.made)
        if result is not None:
            rows = [asdict(promise) for promise in self.made]
            result.write_text(json.dumps({"part": self.part, "promises": rows}), encoding="utf-8")
        return 1 if self.broken else 0


def print_table(promises: list[Promise]) -> None:
    """One line a promise, in columns."""
    width = max((len(promise.what) for promise in promises), default=0)
    told = max((len(promise.promised) for promise in promises), default=0)
    for promise in promises:
        mark = "kept  " if promise.kept else "BROKEN"
        line = f"  {mark}  {promise.what:{width}}  {promise.promised:>{told}}  {promise.found}"
        print(line, flush=True)


def machine() -> str:
    """Cores and load, which explain times."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
