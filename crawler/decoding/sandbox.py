"""What a decoding process may use and how it ends: the calls that differ between systems.

Tested on Linux. macOS does not enforce the limit of memory and Windows has no limits of this kind:
there the deadline alone bounds a decode, and a process notices that its parent died by the end of
its input.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def ignore_stops() -> None:
    """Leave Ctrl-C and SIGTERM, which reach a whole process group, to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def die_with(parent: int) -> None:
    """End this process by SIGKILL when the thread that started it is gone, however it ended."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before it could be asked
        os._exit(0)


def confine(memory: int) -> None:
    """Allow so many bytes of memory beyond those in use; no core dump, and no file is written."""
    if sys.platform == "win32":
        return
    import resource

    for limit, value in (
        (resource.RLIMIT_AS, _in_use() + memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(limit, (value, value))


def give_back_memory() -> None:
    """Return what freed pictures have left in the heaps of threads to the system (glibc)."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _in_use() -> int:
    """Bytes of address space in use; a generous guess where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 4 << 30
    return pages * os.sysconf("SC_PAGE_SIZE")
