"""Plug-ins as a user has them: distributions of their own, found beside trawl's."""

from __future__ import annotations

import os
from pathlib import Path


def install(folder: Path, module: str, code: str, entry_points: str) -> dict[str, str]:
    """Make a distribution with one module; returns the environment in which it is installed."""
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": str(folder) + (os.pathsep + before if before else "")}
