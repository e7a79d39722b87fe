"""Exporting so that what must be forgotten later is found, also where the export was killed."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.errors import StorageError
from storage.export_index import forget_unmade, plan_export, record_export
from storage.records import AcceptedImage, ExportReport

PURGED = "pictures were found to be blocked meanwhile, and taken out again"


def check(layout: Any, out: Path) -> None:
    """Raise what :func:`export` would for a folder that is somebody else's; touches nothing."""
    if (plan := getattr(layout, "planned", None)) is not None:
        tuple(plan((), out))


def export(catalog: Path, layout: Any, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
    """Have a layout write ``out``, and remember what shows which picture. Raises what it raises.

    A layout of somebody else's may lack ``planned``: what it has made is remembered at its end.
    """
    plan = getattr(layout, "planned", None)
    planned = () if plan is None else tuple(plan(images, out))
    held = plan_export(catalog, images, planned)
    try:
        report: ExportReport = layout.write(images, out)
    except Exception:
        # Rows of files that are not there do no harm: the trouble of the export is what counts.
        with contextlib.suppress(StorageError):
            forget_unmade(catalog, planned)
        raise
    purged = record_export(catalog, report.files, planned, images, held)
    if not purged:
        return report
    return dataclasses.replace(
        report,
        files=tuple(shown for shown in report.files if shown[0] not in purged),
        notes={**report.notes, PURGED: len(purged)},
    )
