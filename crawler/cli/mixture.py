"""What a run of a recipe ends with, in words and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crawler.cli.output import plain, printable, table
from crawler.cli.report import dry_run_text
from crawler.dry_run import DryRun
from crawler.recipe.gathering import Gathered, SourceResult, Turn
from crawler.recipe.plan import Label, Quotas, Recipe, Source
from crawler.recipe.steps import at_most, first_want

MOST_VALUES = 12
"""Values of a quota that are told one by one, those that kept most pictures out first."""


def text(gathered: Gathered) -> str:
    """Per source and per quota what is in the set, and why it is short where it is."""
    sources = [
        [
            result.source.name,
            result.crawl.id if result.crawl else None,
            _wanted(result.source, gathered.recipe.target),
            result.accepted,
            result.selected,
            _note(result, gathered.recipe.spare),
        ]
        for result in gathered.sources
    ]
    headings = ["source", "crawl", "wanted", "accepted", "in the set", ""]
    lines = [table(headings, sources, right="wanted accepted"), *_quotas(gathered)]
    return "\n".join([*lines, "", _total(gathered)])


def document(path: Path, gathered: Gathered) -> dict[str, Any]:
    """The same as JSON, with the set itself. Fields are only ever added."""
    recipe, names = gathered.recipe, [source.name for source in gathered.recipe.sources]
    error = gathered.error
    return {
        "v": 1,
        "type": "recipe",
        "recipe": str(path),
        "state": gathered.state,
        "target": recipe.target,
        "selected": len(gathered.images),
        "sources": [
            {
                "name": result.source.name,
                "from": result.source.source,
                "query": list(result.source.words),
                "crawl": result.crawl.id if result.crawl else None,
                "least": result.source.least,
                "most": result.source.most,
                "accepted": result.accepted,
                "selected": result.selected,
                "ended": result.ended,
                "spent": result.spent,
            }
            for result in gathered.sources
        ],
        "quotas": [
            {
                "quota": label[0],
                "value": label[1],
                "selected": gathered.selection.counts.get(label, 0),
                "most": recipe.most(label),
                "turned_away": gathered.selection.turned_away.get(label, 0),
            }
            for label in _labels(gathered)
        ],
        "images": [
            {
                "source": names[picture.source],
                "site": image.site,
                "site_id": image.site_id,
                "sha256": image.sha256,
                "path": plain(image.path),
            }
            for picture, image in zip(gathered.selection.chosen, gathered.images, strict=False)
        ],
        "file_requests": sum(s.stats.file_requests for s in gathered.summaries),
        "api_requests": sum(s.stats.api_requests for s in gathered.summaries),
        "bytes_fetched": sum(s.stats.bytes_fetched for s in gathered.summaries),
        "error": None if error is None else error.code,
        "message": None if error is None else str(error),
    }


def why_again(turn: Turn, want: int) -> str:
    """Why a source that has given pictures is asked for more, in a few words."""
    kept_out = [
        f"{count} left out by quota.{kind}"
        for kind, count in sorted(turn.kept_out.items())
        if kind != "source"
    ]
    return ": ".join(filter(None, (", ".join(kept_out), f"{want - turn.has} more wanted")))


def dry_run_texts(recipe: Recipe, dry: Sequence[tuple[Source, DryRun]]) -> str:
    """What each source would fetch and how large the set can become, for a person."""
    parts = [f"{source.name}:\n{dry_run_text(one)}" for source, one in dry]
    gives = _gives(recipe, dry)
    short = [
        f"{source.name} has {give} of the {first_want(recipe, number)} it is to give"
        for number, (source, give) in enumerate(zip(recipe.sources, gives, strict=True))
        if give is not None
    ]
    line = f"at most {at_most(recipe, gives)} of {recipe.target}"
    line += f": {'; '.join(short)}" if short else ""
    if recipe.quotas != Quotas():
        line += "; quotas are not reckoned here"
    return "\n\n".join([*parts, printable(line)])


def dry_run_document(
    path: Path, recipe: Recipe, dry: Sequence[tuple[Source, DryRun]]
) -> dict[str, Any]:
    """The same as JSON; ``at_most`` does not reckon quotas."""
    sources = [
        {"name": source.name, "wanted": first_want(recipe, number), **plain(one)}
        for number, (source, one) in enumerate(dry)
    ]
    return {
        "v": 1,
        "type": "dry_run",
        "recipe": str(path),
        "target": recipe.target,
        "at_most": at_most(recipe, _gives(recipe, dry)),
        "sources": sources,
    }


def _gives(recipe: Recipe, dry: Sequence[tuple[Source, DryRun]]) -> list[int | None]:
    """What sources have that have less than they are asked for; None for the others."""
    return [
        one.fetch if one.complete and one.fetch < first_want(recipe, number) else None
        for number, (_, one) in enumerate(dry)
    ]


def _wanted(source: Source, target: int) -> str:
    if source.least == source.most:
        return str(source.least)
    most = "" if source.most >= target else f"at most {source.most}"
    least = f"at least {source.least}" if source.least else ""
    return ", ".join(filter(None, (least, most))) or "the rest"


def _note(result: SourceResult, spare: int) -> str | None:
    if result.ended:
        return "the source has no more"
    if result.spent:
        without = result.accepted - result.selected
        return f"{without} of it found no place, so no more was asked for (spare = {spare})"
    return None


def _labels(gathered: Gathered) -> list[Label]:
    """Every value that a quota limits, the one that kept most pictures out first."""
    found = {("rating", group): None for group in gathered.recipe.quotas.ratings}
    selection = gathered.selection
    found |= dict.fromkeys([*selection.counts, *selection.turned_away])
    limited = [label for label in found if label[0] != "source"]
    kept_out, counts = selection.turned_away, selection.counts
    return sorted(
        limited, key=lambda at: (at[0] != "rating", -kept_out.get(at, 0), -counts.get(at, 0), at)
    )


def _quotas(gathered: Gathered) -> list[str]:
    labels, selection = _labels(gathered), gathered.selection
    if not labels:
        return []
    rows = [
        [
            *label,
            selection.counts.get(label, 0),
            gathered.recipe.most(label),
            selection.turned_away.get(label, 0) or None,
        ]
        for label in labels[:MOST_VALUES]
    ]
    headings = ["quota", "value", "chosen", "most", "left out for it"]
    lines = ["", table(headings, rows, right="chosen most")]
    if more := len(labels) - MOST_VALUES:
        lines += [f"and {more} more values"] if more > 0 else []
    return lines


def _total(gathered: Gathered) -> str:
    target, have = gathered.recipe.target, len(gathered.images)
    line = f"{have} of {target} pictures are the set"
    if have == target:
        return line
    if gathered.error is not None:
        return f"{line} so far"
    full = [
        f"{label[0]} {printable(label[1])} is full ({gathered.selection.counts.get(label, 0)} of"
        f" {gathered.recipe.most(label)}; {count} left out)"
        for label, count in gathered.selection.turned_away.items()
        if label[0] != "source"
    ]
    why = [f"{r.source.name} has no more" for r in gathered.sources if r.ended] + full[:5]
    return f"{line}: {'; '.join(why)}" if why else line
