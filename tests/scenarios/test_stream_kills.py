"""Three consumers and the engine they follow are killed: nothing is lost, nothing is done twice.

A sample of ``python -m tests.torture.consumers``, which does it with 10,000 pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.torture.consumers import kill_consumers
from tests.torture.promises import Promises


@pytest.mark.skipif(sys.platform == "win32", reason="kills whole sessions of processes")
def test_no_kill_loses_or_repeats_what_a_consumer_does(tmp_path: Path) -> None:
    promises = Promises("consumers")
    kill_consumers(promises, tmp_path, works=300, kills=8, seed=7)
    assert [(p.what, p.found) for p in promises.broken] == []
    assert len(promises.made) >= 15
