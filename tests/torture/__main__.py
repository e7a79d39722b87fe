"""``python -m tests.torture``: every part in order, and one table of all promises."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.scenarios.driver import ROOT
from tests.torture.promises import Promise, print_table

PARTS = ("kills", "consumers", "disk_full", "signals", "soak")


def main() -> int:
    """Run the parts; 1 where one of them broke a promise or did not come to its end."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all instants and sizes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    parts: dict[str, list[Promise]] = {}
    for part in given.only:
        print(f"\n== {part} (seed {given.seed})", flush=True)
        parts[part] = _run(part, given.seed)
    print("\n== all promises")
    for part, promises in parts.items():
        print(part)
        print_table(promises)
    broken = sum(not promise.kept for promises in parts.values() for promise in promises)
    print(f"\n{broken or 'no'} promise{'' if broken == 1 else 's'} broken (seed {given.seed})")
    return 1 if broken else 0


def _run(part: str, seed: int) -> list[Promise]:
    with tempfile.TemporaryDirectory(prefix="trawl-torture-") as folder:
        result = Path(folder) / "promises.json"
        words = [sys.executable, "-u", "-m", f"tests.torture.{part}", "--result", str(result)]
        # Every file of the soak is the same in every run: there is nothing to draw.
        seeded = [] if part == "soak" else ["--seed", str(seed)]
        code = subprocess.run([*words, *seeded], cwd=ROOT).returncode
        if result.exists():
            told = json.loads(result.read_text("utf-8"))["promises"]
            return [Promise(**promise) for promise in told]
        why = "left out here" if code == 0 else f"exit {code} before its end"
        return [Promise("comes to its end", "exit 0", why, code == 0)]


if __name__ == "__main__":
    sys.exit(main())
