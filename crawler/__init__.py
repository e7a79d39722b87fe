"""The crawl: the world outside and the run that gathers from it.

``crawler.open(folder)`` is the way in; nothing heavy is imported before it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crawler.settings import Settings
    from crawler.workspace import Workspace


def open(path: str | Path | None = None, *, settings: Settings | None = None) -> Workspace:
    """Open a workspace (made where missing): ``async with crawler.open("sets/reimu") as ws:``.

    Without ``path`` it is found as the command line does: ``TRAWL_WORKSPACE``, the nearest parent
    with a catalog, else ``./trawl-data``. Raises ConfigError and NewerCatalog.
    """
    from crawler.workspace import Workspace

    return Workspace(path, settings)
