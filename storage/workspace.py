"""Where a workspace is and what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from storage.errors import NoWorkspace

CATALOG = "catalog.db"
DEFAULT = "trawl-data"


def find(explicit: str | Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The workspace a command means.

    ``explicit`` (``-w``), else ``TRAWL_WORKSPACE``, else the nearest parent of ``cwd`` that holds a
    catalog, else ``./trawl-data``. The folder need not exist yet.
    """
    if explicit:
        return Path(explicit).absolute()
    if named := environ.get("TRAWL_WORKSPACE"):
        return Path(named).absolute()
    for folder in (cwd, *cwd.parents):
        if (folder / CATALOG).is_file():
            return folder
    return cwd / DEFAULT


def require_catalog(workspace: Path) -> Path:
    """The path of an existing catalog. Raises NoWorkspace."""
    path = workspace / CATALOG
    if not path.is_file():
        raise NoWorkspace(f"there is no catalog in {workspace}")
    return path
