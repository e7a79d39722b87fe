"""The work behind ``trawl inspect``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crawler import plugins
from crawler.cli.output import printable
from filters.picture import Limits, Picture, PictureError
from filters.policy import FAILED, Judge, Policy
from storage.records import Candidate, Rung

_PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif"))


def looks(paths: Iterable[Path], policy: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One object per file, in the fields of ``--ndjson``: accepted, rejected or failed.

    Nothing is claimed of a local file, so only what is measured is judged.
    """
    judge = plugins.judge()
    checked = judge.policy(policy)
    for path in _files(paths):
        yield _look(path, judge, checked)


def headline(look: Mapping[str, Any]) -> str:
    """One look for a person."""
    size = f" {look['width']}x{look['height']}" if look["width"] else ""
    line = f"{look['path']}:{size} {look['type']}"
    if look["reason"]:
        line += f", {look['reason']}"
    if look["threshold"] is not None:
        line += f" ({look['value']}, asked {look['threshold']})"
    return printable(line)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.suffix.lower() in _PICTURES and p.is_file())
            yield from sorted(found)
        else:
            yield path


def _look(path: Path, judge: Judge, policy: Policy) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    look: dict[str, Any] = {
        "v": 1,
        "type": "accepted",
        "site": None,
        "site_id": None,
        "url": None,
        "path": str(path),
        "sha256": sha256,
        "width": None,
        "height": None,
        "reason": None,
        "measured": {},
        "value": None,
        "threshold": None,
    }
    try:
        with Picture.open(path, Limits(max_pixels=policy["resolution"].max_pixels)) as picture:
            look["width"], look["height"] = picture.width, picture.height
            look["measured"] = judge.measure(picture)
    except PictureError as problem:
        return {**look, "type": "failed", "reason": problem.reason}
    work = Candidate("file", str(path.parent), path.name, (Rung(str(path), "file"),))
    rejection = judge.verdict(work, look["measured"], policy)
    if rejection is not None:
        look |= {
            "type": "failed" if rejection.reason == FAILED else "rejected",
            "reason": rejection.reason,
            "value": rejection.measured,
            "threshold": rejection.threshold,
        }
    return look
