"""``python -m tests.fuzz [--seconds N] [--jobs N] [--out DIR] [TARGET…]``.

Every target gets its share of the seconds. Inputs that break a promise are kept in DIR; then the
exit status is 1. A kept input is tried again with ``--try FILE TARGET``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.seeds import write_corpus
from tests.fuzz.targets import TARGETS

LIMITS = ("-timeout=20", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What became of one target."""

    target: str
    executions: int
    findings: tuple[Path, ...]
    said: str
    """The end of what the process wrote, where it failed."""

    @property
    def failed(self) -> bool:
        return bool(self.findings or self.said)


def fuzz(target: str, seconds: float, out: Path, seed: int = 0) -> Ended:
    """Fuzz one target in a child process for so long."""
    found = out / target
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    with tempfile.TemporaryDirectory(prefix="trawl-fuzz-") as corpus:
        write_corpus(target, Path(corpus))
        command = [sys.executable, "-m", "tests.fuzz.child", target, *LIMITS, f"-seed={seed}"]
        command += [
            f"-max_total_time={max(1, round(seconds))}",
            f"-artifact_prefix={found}/",
            corpus,
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    count = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    findings = tuple(sorted(set(found.iterdir()) - before))
    said = _trouble(done.stdout + done.stderr) if done.returncode or count is None else ""
    return Ended(target, int(count[1]) if count else 0, findings, said)


def _trouble(output: str) -> str:
    """The exception that ended a process, or the end of what it wrote."""
    _, mark, told = output.partition("=== Uncaught Python exception: ===")
    return told[:3000] if mark else output[-3000:]


def main(words: Sequence[str] | None = None) -> int:
    """Run the targets, tell of each, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of all targets together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at once")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="for inputs found")
    parser.add_argument("--seed", type=int, default=0, help="0: another one every time")
    parser.add_argument("--try", type=Path, dest="attempt", help="run one input, without fuzzing")
    asked = parser.parse_args(words)
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"no target called {', '.join(sorted(unknown))}")
    targets = asked.targets or list(TARGETS)
    if asked.attempt is not None:
        for target in targets:
            TARGETS[target](asked.attempt.read_bytes())
        return 0
    share, out = asked.seconds / len(targets), asked.out.absolute()
    with ThreadPoolExecutor(max(1, asked.jobs)) as pool:
        ends = list(pool.map(lambda target: fuzz(target, share, out, asked.seed), targets))
    for end in ends:
        print(f"{end.target:16}{end.executions:>10} executions, {len(end.findings)} findings")
    for end in ends:
        if end.failed:
            print(f"\n{end.target}: {', '.join(map(str, end.findings)) or 'it did not run'}")
            print(end.said)
    return int(any(end.failed for end in ends))


if __name__ == "__main__":
    sys.exit(main())
