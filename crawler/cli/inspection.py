"""The work behind ``trawl inspect``."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crawler import plugins
from crawler.cli.output import printable, table
from crawler.cli.showing import measures
from crawler.errors import UsageError
from crawler.measured import asked_of
from filters.base import Measures
from filters.explanation import Explainable, Explanation, Summarising
from filters.picture import Limits, Picture, PictureError
from filters.policy import FAILED, Judge, Policy, PolicyError
from storage.records import Candidate, Rung

log = logging.getLogger(__name__)

_PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif"))


@dataclass(frozen=True)
class _Asks:
    """What the command asks, in the place of a crawl."""

    policy: Mapping[str, Any]
    id: str = ""


def looks(
    paths: Iterable[Path], policy: Mapping[str, Any], explain: Path | None = None
) -> Iterator[dict[str, Any]]:
    """One object per file, in the fields of ``--ndjson``: accepted, rejected or failed.

    Nothing is claimed of a local file, so only what is measured is judged. With ``explain``, the
    folder for pictures of what was looked at, ``explained`` is the path of one, None where there is
    nothing to show, ``looked_at`` is the same in words and ``thresholds`` what is asked of each
    measure. Raises UsageError.
    """
    judge = plugins.judge()
    checked = judge.policy(policy)
    try:
        judge = judge.configured(checked)
    except PolicyError as problem:
        raise UsageError(str(problem)) from problem
    for path in _files(paths, explain):
        yield _look(path, judge, checked, explain)


def headline(look: Mapping[str, Any]) -> str:
    """One look for a person."""
    told = (f"{name}: {summary}" for name, summary in look["summaries"].items())
    said = "; ".join((_said(look), *told))
    return printable(f"{look['path']}: {said}")


def summaries(judge: Judge, measures: Mapping[str, Measures]) -> dict[str, str]:
    """What filters say in a few words of what they measured, by filter."""
    return {
        filter.name: filter.summary(measured)
        for filter in judge.filters
        if isinstance(filter, Summarising)
        and (measured := measures.get(filter.name))
        and "failed" not in measured
    }


def in_words(look: Mapping[str, Any]) -> str:
    """What was measured beside what is asked, and what was looked at, for a person."""
    lines = measures(look["thresholds"]).split("\n")
    for name, told in look["looked_at"].items():
        lines += ["", f"{name} looked at:", *told["notes"]]
        rows = [
            (number, " ".join(map(str, tile["box"])), _number(tile["score"]), tile["label"])
            for number, tile in enumerate(told["tiles"], 1)
        ]
        if rows:
            headings = ("tile", "left top right bottom", "score", "showed")
            lines += table(headings, rows).split("\n")
        if told["content"]:
            lines.append(f"content: {' '.join(map(str, told['content']))}")
    if look["explained"]:
        lines += ["", f"drawn: {look['explained']}"]
    return "\n".join(f"  {printable(line)}".rstrip() for line in lines)


def explanations(judge: Judge, picture: Picture) -> Iterator[tuple[str, Explanation]]:
    """What each filter that can explain itself says; one that breaks says that."""
    for filter in judge.filters:
        if not isinstance(filter, Explainable):
            continue
        try:
            found = filter.explain(picture)
        except (PictureError, MemoryError):
            raise
        except Exception as error:  # whatever a plug-in does
            log.error("the filter %s cannot explain itself", filter.name, exc_info=error)
            found = Explanation(notes=(f"failed: {type(error).__name__}: {error}",))
        if found is not None:
            yield filter.name, found


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:.3g}"


def _said(look: Mapping[str, Any]) -> str:
    line = f"{look['width']}x{look['height']} " if look["width"] else ""
    line += str(look["type"])
    if look["reason"]:
        line += f", {look['reason']}"
    if look["threshold"] is not None:
        line += f" ({look['value']}, asked {look['threshold']})"
    elif look["reason"] == FAILED:
        line += f" ({look['value']})"
    return line


def _files(paths: Iterable[Path], explain: Path | None) -> Iterator[Path]:
    # What was drawn by an earlier run is not looked at.
    drawn = explain.resolve() if explain else None
    for path in paths:
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.suffix.lower() in _PICTURES and p.is_file())
            yield from sorted(p for p in found if p.parent.resolve() != drawn)
        else:
            yield path


def _look(path: Path, judge: Judge, policy: Policy, explain: Path | None) -> dict[str, Any]:
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
        "summaries": {},
    }
    if explain is not None:
        look |= {"explained": None, "looked_at": {}, "thresholds": []}
    try:
        with Picture.open(path, Limits(max_pixels=policy["resolution"].max_pixels)) as picture:
            look["width"], look["height"] = picture.width, picture.height
            look["measured"] = judge.measure(picture)
            look["summaries"] = summaries(judge, look["measured"])
            look |= _verdict(path, look["measured"], judge, policy)
            if explain is not None:
                look |= _explained(picture, look, judge, explain)
                look["thresholds"] = asked_of(
                    {"measures": look["measured"]}, {}, [_Asks(policy.to_json())]
                )
    except PictureError as problem:
        return {**look, "type": "failed", "reason": problem.reason}
    return look


def _verdict(
    path: Path, measures: Mapping[str, Measures], judge: Judge, policy: Policy
) -> dict[str, Any]:
    work = Candidate("file", str(path.parent), path.name, (Rung(str(path), "file"),))
    rejection = judge.verdict(work, measures, policy)
    if rejection is None:
        return {}
    return {
        "type": "failed" if rejection.reason == FAILED else "rejected",
        "reason": rejection.reason,
        "value": rejection.measured,
        "threshold": rejection.threshold,
    }


def _explained(
    picture: Picture, look: Mapping[str, Any], judge: Judge, folder: Path
) -> dict[str, Any]:
    """The picture of what was looked at, drawn into ``folder``, and the words beside it."""
    from crawler.cli.explained_picture import draw, write

    found = dict(explanations(judge, picture))
    if not found:
        return {}
    out = folder / f"{look['sha256'][:16]}.png"  # never by a name that somebody else chose
    write(draw(picture.rgb, _said(look), found), out)
    told = {name: asdict(explanation) for name, explanation in found.items()}
    return {"explained": str(out), "looked_at": told}
