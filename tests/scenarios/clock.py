"""A wall clock of one's own for a process: libfaketime, where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest


def library() -> str:
    """The library to preload. Skips the test where there is none."""
    faketime = pytest.importorskip("libfaketime", reason="libfaketime is not installed")
    folder = Path(faketime.__file__).parent
    found = next(iter(sorted(folder.rglob("libfaketime.so*"))), None)
    if found is None:
        pytest.skip("libfaketime was not built for this system")
    return str(found)


def wrong_by(offset: str) -> dict[str, str]:
    """The environment of a process whose wall clock is wrong by ``offset`` (``+10y``, ``-1h``)."""
    return {"LD_PRELOAD": library(), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def set_by(file: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is wrong by what a file says at the moment."""
    plain = {"LD_PRELOAD": library(), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {**plain, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}
