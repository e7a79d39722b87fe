"""Where results are to be written: looked at before hours are spent on them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from crawler.errors import UsageError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a disk, or of a user's share of it, that is full."""


def require_writable(out: Path) -> None:
    """Raises UsageError where ``out`` is not, and cannot become, a folder that we may fill."""
    there = out.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise UsageError(f"cannot write to {out}: {there} is not a folder")
    try:
        # Tried, for the permissions say nothing of read-only disks and the kernel's own folders.
        probe = there / f".trawl-{os.urandom(8).hex()}"
        probe.mkdir()
        probe.rmdir()
    except OSError as problem:
        if problem.errno in FULL:
            raise
        raise UsageError(
            f"cannot write to {out}: {there}: {problem.strerror}", hint="choose another folder"
        ) from problem
