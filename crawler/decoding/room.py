"""How much is decoded at once in this process, so that its memory stays bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Room for so many pixels under decode, shared by worker threads.

    Who finds no room waits for it, or for the other process to have nothing to do.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._used = 0
        self._beside = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, pixels: int) -> Iterator[bool]:
        """Hold room for a picture; False where the other process has the sooner turn for it."""
        here = self._wait(pixels)
        try:
            yield here
        finally:
            if here:
                with self._changed:
                    self._used -= pixels
                    self._changed.notify_all()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Say that the other process is busy."""
        with self._changed:
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    def _wait(self, pixels: int) -> bool:
        with self._changed:
            while self._used and self._used + pixels > self._pixels:
                if not self._beside:
                    return False
                self._changed.wait()
            self._used += pixels
            return True
