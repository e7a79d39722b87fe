"""How much is tried: a sample in every run of the suite, everything at night."""

from __future__ import annotations

import os

NIGHT = "TRAWL_NIGHTLY" in os.environ


def amount(sample: int, night: int) -> int:
    """The count for this run."""
    return night if NIGHT else sample
