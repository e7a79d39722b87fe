"""The demo site in a process of its own, so that its work is not counted as ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crawler.demo.ledger import Entry, Ledger


@dataclass(frozen=True)
class Running:
    """A demo site that answers. ``folder`` is a scratch folder that goes with it."""

    base_url: str
    allow_hosts: str
    posts: int
    folder: Path
    ledger_file: Path
    process: int
    """Its process id."""

    def entries(self) -> list[Entry]:
        """Every request so far."""
        return Ledger.read(self.ledger_file).entries

    def environment(self) -> Mapping[str, str]:
        """What makes ``trawl`` take this site for Danbooru, with no rate to wait for."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("TRAWL_")},
            "TRAWL_SITES__DANBOORU__BASE_URL": self.base_url,
            "TRAWL_SITES__DANBOORU__RATE": "10000",
            "TRAWL_SITES__DANBOORU__CONNECTIONS": "16",
            "TRAWL_NET__ALLOW_HOSTS": self.allow_hosts,
            "TRAWL_NET__CONTACT": "benchmarks@example.org",
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }


@contextmanager
def demo_site(*arguments: str) -> Iterator[Running]:
    """``python -m crawler.demo`` with these arguments, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="trawl-benchmark-") as name:
        folder = Path(name)
        ledger = folder / "ledger.ndjson"
        ledger.touch()
        command = [sys.executable, "-m", "crawler.demo", "--ledger", str(ledger), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    raise SystemExit("the demo site did not start")
                ready = json.loads(line)
                yield Running(
                    ready["base_url"],
                    ready["allow_hosts"],
                    ready["posts"],
                    folder,
                    ledger,
                    process.pid,
                )
            finally:
                process.terminate()
