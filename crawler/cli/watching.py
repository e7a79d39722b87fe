"""``trawl status --watch``: the same again whenever something has changed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

from crawler.cli.output import write
from storage.reader import Reader

Show: TypeAlias = Callable[[str], None]

UNTOLD = 2.0
"""Seconds after which what no catalog tells (locks, waits of hosts) is looked at again."""


def watch(
    reader: Reader,
    told: Callable[[], str],
    seconds: float,
    *,
    live: bool,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Show what ``told`` says every ``seconds``, until the person ends it by Ctrl-C.

    A terminal is drawn anew (``live``); elsewhere it is printed again where it has changed.
    """
    with contextlib.suppress(KeyboardInterrupt), _shown(live) as show:
        last, version, looked = "", -1, float("-inf")
        while True:
            now, changed = time.monotonic(), _data_version(reader)
            if changed != version or now - looked >= UNTOLD:
                version, looked = changed, now
                if (text := told()) != last:
                    last = text
                    show(text)
            pause(seconds)


def _data_version(reader: Reader) -> int:
    """A number that changes when another process has written: asking costs next to nothing."""
    return int(reader.db.execute("PRAGMA data_version").fetchone()[0])


@contextlib.contextmanager
def _shown(live: bool) -> Iterator[Show]:
    if not live or not sys.stdout.isatty():
        yield write
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False, vertical_overflow="ellipsis") as screen:

        def draw(text: str) -> None:
            text += "\n\nit is looked at again and again; Ctrl-C leaves"
            screen.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)

        yield draw
