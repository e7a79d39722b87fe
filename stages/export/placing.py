"""Files appear whole or not at all: a temporary dot name, fsync, rename."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from stages.export import disk

_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
)


class Placing:
    """Puts files into ``out``. ``dirty`` holds the folders whose renames are not synced yet."""

    def __init__(self, out: Path, *, copy: bool) -> None:
        self.out = out
        self.copy = copy
        self.dirty: set[Path] = set()

    def text(self, file: str, text: str) -> bool:
        """Write a text unless the file already holds just this; whether it was written."""
        return self.bytes(file, disk.encoded(text))

    def bytes(self, file: str, data: bytes) -> bool:
        """Write a file unless it already holds just this; whether it was written."""
        path = self.out / file
        if disk.is_file(path) and path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
        temp = disk.temp_beside(path)
        with open(temp, "xb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        self._rename(temp, path)
        return True

    def original(self, source: Path, file: str) -> None:
        """A hard link to the stored file, or a copy where links are not wanted or cannot be."""
        path = self.out / file
        temp = disk.temp_beside(path)
        if not self.copy:
            if disk.is_file(path) and path.samefile(source):
                return
            try:
                os.link(source, temp)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
            else:
                self._rename(temp, path)
                return
        with open(source, "rb") as original, open(temp, "xb") as target:
            shutil.copyfileobj(original, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        self._rename(temp, path)

    def _rename(self, temp: Path, path: Path) -> None:
        temp.replace(path)
        self.dirty.add(path.parent)


def sweep(folder: Path) -> None:
    """Remove what a killed process was writing in a folder."""
    for name in disk.names(folder):
        if disk.is_temp(name):
            (folder / name).unlink()
