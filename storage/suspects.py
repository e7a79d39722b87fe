"""Files whose decoding may have killed the process: known by what a run leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = re.compile(r".+\.([0-9a-f]{64})\.decoding")


class Suspects:
    """``<sha256>``, an empty file for each suspect, in a folder made when there is one.

    A mark lies beside an arriving file while it is decoded, so a killed run leaves the marks of
    what it was decoding then. Most of these are innocent. Marks are not synced: what matters is
    that they outlive the process, not the machine.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def decoding(self, temp: Path, sha256: str) -> Iterator[None]:
        """Mark an arriving file while it is decoded."""
        mark = temp.with_name(f"{temp.name}.{sha256}.decoding")
        mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def take(self, path: Path) -> bool:
        """Turn a mark that was left behind into a suspect; False where this is none."""
        if (left := _MARK.fullmatch(path.name)) is None:
            return False
        self._folder.mkdir(exist_ok=True)
        path.replace(self._folder / left[1])
        return True

    def __contains__(self, sha256: str) -> bool:
        return (self._folder / sha256).exists()

    def clear(self, sha256: str) -> None:
        """Forget a suspicion: the file was decoded where it could do no harm."""
        (self._folder / sha256).unlink(missing_ok=True)
