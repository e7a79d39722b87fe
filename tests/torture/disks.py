"""Small disks: memory file systems of a given size, which later grow."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PAGE = 4096
WAYS = (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount"))
"""Commands that give a process mounts of its own, which go with it: as root, and as anybody."""


def way_to_mount() -> tuple[str, ...] | None:
    """What to put before a command that mounts disks; None where this system forbids it."""
    try_it = ("sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt")
    for way in WAYS:
        if shutil.which(way[0]) is None:
            return None
        if subprocess.run([*way, *try_it], capture_output=True).returncode == 0:
            return way
    return None


@dataclass
class Disk:
    """A disk of ``size`` bytes at ``path``, while the block lasts."""

    path: Path
    size: int

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.path], check=True
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)

    def grow(self, size: int) -> None:
        """Make it larger, with all that is on it."""
        subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)
        self.size = size

    @property
    def free(self) -> int:
        """Bytes that are left."""
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def fill(self, leave: int = 0) -> Path:
        """Somebody else's file takes all that is left, but for ``leave`` bytes."""
        foreign = self.path / "foreign"
        with foreign.open("wb", buffering=0) as file:
            while self.free > leave:
                try:
                    file.write(bytes(min(1 << 20, self.free - leave)))
                except OSError:
                    break
        return foreign
