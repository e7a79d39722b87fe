"""Lines on standard output, written beside the event loop: who reads slowly holds up nothing."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from crawler.cli.output import OutputClosed


async def print_lines(lines: Sequence[str], written: Callable[[int], None]) -> None:
    """Write lines, calling ``written`` in the loop with the number of each that has left.

    Raises OutputClosed where the reader is gone. A wait for a full pipe can be cancelled.
    """
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    output, encoding, errors = sys.stdout.fileno(), sys.stdout.encoding, sys.stdout.errors
    tell = teller()

    def end(error: BaseException | None) -> None:
        if ended.done():  # cancelled
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    def work() -> None:
        try:
            for number, line in enumerate(lines):
                # Not by its buffer: a thread that waits in that is in the way when the process
                # ends.
                _write_all(output, f"{line}\n".encode(encoding, errors or "strict"))
                tell(written, number)
        except BrokenPipeError:
            tell(end, OutputClosed())
        except BaseException as error:
            tell(end, error)
        else:
            tell(end, None)

    # A daemon of its own, for the loop waits at its end for the threads of its pool.
    threading.Thread(target=work, daemon=True, name="lines").start()
    await ended


def teller() -> Callable[..., None]:
    """A function that has the running loop call something, for threads that may outlive it."""
    loop = asyncio.get_running_loop()

    def tell(call: Callable[..., Any], *arguments: Any) -> None:
        try:
            loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            if not loop.is_closed():  # else the command has ended: nobody is left to hear it
                raise

    return tell


def _write_all(output: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(output, rest) :]
