"""A full disk ends a crawl with one line, harms nothing, and room again lets it go on.

A sample of ``make torture``, in a process that may mount small disks of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.driver import ROOT
from tests.torture.disks import way_to_mount


@pytest.mark.timeout(300)
def test_disks_of_six_sizes_fill_up_and_lose_nothing(tmp_path: Path) -> None:
    if way_to_mount() is None:
        pytest.skip("this system lets nobody mount a small disk")
    result = tmp_path / "promises.json"
    words = ("--points", "6", "--seed", "8", "--result", str(result))
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.disk_full", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    told = json.loads(result.read_text("utf-8"))["promises"] if result.exists() else []
    assert told, done.stdout + done.stderr
    assert [promise for promise in told if not promise["kept"]] == [], done.stdout
    assert done.returncode == 0
