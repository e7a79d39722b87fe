"""Filters that do to their process what a broken decoder does, when they see certain pictures.

A picture asks for its treatment by its width.
"""

from __future__ import annotations

import os
import signal
import time
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

from filters.base import BaseFilter, Measures
from filters.picture import Picture


class Width(IntEnum):
    """Of pictures: what each asks for."""

    CRASHES = 61
    EXITS = 62
    HANGS = 63
    HOARDS = 64
    RAISES = 65
    PRINTS = 66
    STARVES = 67
    CRASHES_ONCE = 68
    SLOW = 69


ONCE = "CRASH_ONCE_WHILE_THERE"
"""Names, in the environment, the file that a single crash removes."""


class Poison(BaseFilter):
    """Does what the width of the picture asks for."""

    name: ClassVar[str] = "poison"
    order: ClassVar[int] = 90

    def measure(self, picture: Picture) -> Measures:
        match picture.width:
            case Width.CRASHES:
                os.kill(os.getpid(), signal.SIGSEGV)
                time.sleep(60)
            case Width.EXITS:
                os._exit(3)
            case Width.HANGS:
                time.sleep(600)
            case Width.HOARDS:
                held = [bytes(100_000_000)]
                while True:
                    held.append(bytes(100_000_000))
            case Width.RAISES:
                raise ZeroDivisionError("broken by intention")
            case Width.PRINTS:
                os.write(1, b'{"look": "mine"}\n')
                print("and from Python", flush=True)
            case Width.STARVES:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
            case Width.CRASHES_ONCE:
                mark = Path(os.environ[ONCE])
                if mark.exists():
                    mark.unlink()
                    os._exit(3)
            case Width.SLOW:
                time.sleep(1)
        return {}


class Whereabouts(BaseFilter):
    """Which process it ran in, and what that process knows."""

    name: ClassVar[str] = "whereabouts"

    def measure(self, picture: Picture) -> Measures:
        known = sorted(name for name in os.environ if name.startswith("TRAWL_"))
        return {"pid": os.getpid(), "settings": ",".join(known)}


class Unloadable(BaseFilter):
    """Cannot be made without an argument."""

    name: ClassVar[str] = "unloadable"

    def __init__(self, argument: str) -> None:
        self.argument = argument
