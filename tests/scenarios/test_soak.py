"""A long crawl holds nothing that it needs no longer. A sample of ``make torture``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.promises import Promises
from tests.torture.soak import soak


@pytest.mark.timeout(300)
def test_six_hundred_files_leave_no_descriptor_thread_or_task_behind(tmp_path: Path) -> None:
    promises = Promises("soak")
    soak(promises, tmp_path, count=600, every=0.3)
    promises.end()
    assert promises.broken == []
    told = {promise.what for promise in promises.made}
    assert {"descriptors", "threads", "tasks", "the log when all is over"} <= told
