"""What SIGINT and SIGTERM do while a crawl runs, and while a folder is written."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from crawler.errors import Interrupted

if TYPE_CHECKING:
    from crawler.cli.progress import Say
    from crawler.run import Run

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stopping(run: Run, say: Say) -> Iterator[list[int]]:
    """Within, a signal stops the run; yields the signals caught so far."""
    loop = asyncio.get_running_loop()
    caught: list[int] = []

    def act(number: int) -> None:
        caught.append(number)
        if len(caught) == 1:
            say("stopping: files on their way may finish (10 s); once more to stop at once")
        run.stop()

    with _restored():
        for number in _NUMBERS:
            if sys.platform == "win32":
                signal.signal(number, lambda n, _frame: loop.call_soon_threadsafe(act, n))
            else:
                loop.add_signal_handler(number, act, number)
        try:
            yield caught
        finally:
            if sys.platform != "win32":
                for number in _NUMBERS:
                    loop.remove_signal_handler(number)


@contextlib.contextmanager
def interruptible(what: str, hint: str) -> Iterator[None]:
    """Within, code that never awaits is ended by a signal. Raises Interrupted then.

    An event loop would only hear of the signal when that code is done.
    """
    caught: list[int] = []

    def act(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    with _restored():
        for number in _NUMBERS:
            signal.signal(number, act)
        try:
            yield
        except KeyboardInterrupt:
            raise by_signal(what, hint, caught) from None


def by_signal(what: str, hint: str, caught: list[int]) -> Interrupted:
    """The error of a command that the first of these signals ended."""
    error = Interrupted(what, hint=hint)
    error.exit_code = 128 + caught[0] if caught else error.exit_code
    return error


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None]
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
