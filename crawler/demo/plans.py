"""Named plans of faults, for people who want to see a crawl in trouble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crawler.demo.faults import (
    Action,
    Bomb,
    CloseDelimited,
    Corrupt,
    Delay,
    Fault,
    Faults,
    Headers,
    Hops,
    Html,
    Redirect,
    Reset,
    Status,
    Truncate,
)

_PASSING: Final[tuple[Action, ...]] = (
    *(Status(500), Status(503, html=True), Status(429, retry_after=1.0), Delay(1.0)),
    *(Reset(0.5), Truncate(0.5), CloseDelimited(0.5, reset=True), Corrupt(64), Html()),
)
_HARM: Final[tuple[Action, ...]] = (
    *(Redirect("http://127.0.0.1/"), Redirect("file:///etc/passwd"), Hops(), Bomb("gzip")),
    *(Headers({"X-Robots-Tag": "noai"}), Truncate(0.5, honest=True), Corrupt(64), Status(404)),
)

PLANS: Final[Mapping[str, Faults]] = {
    "flaky": Faults(
        [
            *(Fault(do, "/original/*", nth=1, chance=0.05) for do in _PASSING),
            *(Fault(do, "/posts.json", nth=1, chance=0.05) for do in _PASSING[:6]),
        ],
        latency=(0.0, 0.1),
    ),
    "hostile": Faults([Fault(do, "/original/*", chance=0.05) for do in _HARM]),
}
"""flaky: a third of the files fails once, each in some way. hostile: a third is never served."""
