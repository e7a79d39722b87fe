"""How well `filters.upscale` tells upscales from native pictures.

    python -m benchmarks.upscale [--folder FOLDER …] [--fold test] [--processes 2] [--save]

A folder holds pictures of known truth and an `index.csv` like the corpus's (the default), with AI
upscales among them if there are any. Of each original a grid of samples is made: native ones, and
five factors by five kernels, in five codecs, some sharpened or noised. `--fold`
takes the origins of one fold of training/folds.csv; without it every origin is taken, which is
right for pictures of your own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from benchmarks.accuracy import Rate, limit_at, recall_at, share
from benchmarks.corpus import arguments, indexes, of_fold, typed, without_doubtful
from benchmarks.report import Report
from filters.base import Measures
from filters.picture import Picture
from filters.upscale import Upscale
from filters.upscale.features import NAMES, features
from training import codecs, kernels
from training.samples import FACTORS, Recipe, grid
from training.sources import held_out, read

KINDS = ("photo", "illustration")
SHOWN_CUES = 6


@dataclass(frozen=True)
class Sample:
    """One sample, what the filter measured of it, and the hand-made numbers one by one."""

    recipe: Recipe
    measures: Measures
    cues: Any

    @property
    def decided(self) -> bool:
        return self.measures["answer"] != "undecided"


Scored = Callable[[Sample], float]
Samples = Sequence[Sample]


def measured(recipes: Sequence[Recipe]) -> list[Sample]:
    """The samples of one source."""
    filter = Upscale()
    image = recipes[0].source.open()
    out = []
    for recipe in recipes:
        with Picture.open(recipe.make(image)) as picture:
            out.append(Sample(recipe, filter.measure(picture), features(picture)))
    return out


def main() -> None:
    given = arguments(__doc__).parse_args()
    found = of_fold(read(indexes(given.folder)), given.fold)
    sources = [source for source in found if source.kind in KINDS]
    jobs = [list(g) for _, g in groupby(grid(sources, given.seed), lambda r: r.source)]
    with ProcessPoolExecutor(given.processes) as pool:
        samples = [s for found in pool.map(measured, jobs, chunksize=4) for s in found]
    with Report(
        "upscale", "Upscales told from native pictures", typed(given), save=given.save
    ) as report:
        report.say(
            f"{len(sources)} pictures, {len(samples)} samples. Intervals are 95 %, by source.\n"
        )
        tell(report, samples)
        kept = without_doubtful(samples, lambda sample: sample.recipe.source)
        if len(kept) < len(samples):
            report.say("\n# Without the pictures that are set apart\n")
            headline(report, kept)


def tell(report: Report, samples: Samples) -> None:
    """All tables."""
    headline(report, samples)
    shipped(report, samples)
    for kind in KINDS:
        own = _of(samples, kind)
        report.say(f"## Interpolation, {kind}s: recall at 1 % of native ones, of the decided\n")
        crossed(report, own, kernels.STUDIED, lambda s: s.recipe.kernel, "kernel")
        crossed(report, own, codecs.STUDIED, lambda s: s.recipe.codec, "codec")
        crossed(report, own, ("", "sharpen", "noise"), lambda s: s.recipe.post, "after it")
    families(report, samples)
    origins(report, samples)
    cues(report, samples)


def headline(report: Report, samples: Samples) -> None:
    """The targets, one line each."""
    unseen = held_out()
    rows = []
    for kind in KINDS:
        own = _of(samples, kind)
        interpolated, ai = _labelled(own, "interpolated"), _labelled(own, "ai")
        large = [s for s in interpolated if s.recipe.factor >= 2]
        small = [s for s in interpolated if s.recipe.factor < 2]
        seen = [s for s in ai if s.recipe.source.family not in unseen]
        new = [s for s in ai if s.recipe.source.family in unseen]
        photo = kind == "photo"
        natives = _labelled(own, "native")
        rows += [
            _row(f"{kind}: interpolated 2x and more, at 1 %",
                 recall(natives, large, _interpolated, 0.01), 0.995 if photo else 0.98),
            _row(f"{kind}: interpolated 1.25 to 1.5x, at 1 %",
                 recall(natives, small, _interpolated, 0.01), 0.97 if photo else 0.90),
            _row(f"{kind}: AI, families seen, at 2 %",
                 recall(natives, seen, _ai, 0.02), 0.95 if photo else 0.80),
            _row(f"{kind}: AI, families held out, at 2 %", recall(natives, new, _ai, 0.02), 0.60),
            _row(f"{kind}: undecided native",
                 share([not s.decided for s in natives], _sources(natives)), 0.10, most=True),
            _row(f"{kind}: undecided interpolated 2x and more",
                 share([not s.decided for s in large], _sources(large)), 0.10, most=True),
        ]  # fmt: skip
    report.say("## Recall among the decided, at a share of native pictures that are told wrongly\n")
    report.table(["", "found", "pictures", "samples", "target", ""], rows)


def shipped(report: Report, samples: Samples) -> None:
    """What a crawl does by default: no threshold is chosen here."""
    rows = []
    for kind in KINDS:
        own = _of(samples, kind)
        for label in ("native", "interpolated", "ai"):
            chosen = _labelled(own, label)
            called = [s.measures["answer"] == "upscaled" for s in chosen]
            rejected = [
                s.measures["answer"] == "upscaled" and float(s.measures["factor"] or 1) > 1.2
                for s in chosen
            ]
            exact = [
                abs(np.log2(float(s.measures["factor"] or 1) / s.recipe.factor)) < np.log2(1.15)
                for s in chosen
                if s.measures["answer"] == "upscaled"
            ]
            rows.append([
                f"{kind}, {label}", share(called, _sources(chosen)),
                share(rejected, _sources(chosen)), f"{np.mean(exact):.0%}" if exact else "-",
            ])  # fmt: skip
    report.say("## With the thresholds as shipped\n")
    report.table(["", "called upscaled", "rejected (over 1.2x)", "factor within 15 %"], rows)


def crossed(
    report: Report, samples: Samples, columns: Sequence[str], of: Callable[[Sample], str], name: str
) -> None:
    """Recall per factor and another thing; one threshold for all cells."""
    natives, positives = _labelled(samples, "native"), _labelled(samples, "interpolated")
    rows = []
    for factor in FACTORS:
        own = [s for s in positives if s.recipe.factor == factor]
        cells = [[s for s in own if of(s) == column] for column in columns]
        rows.append([f"{factor:g}x", *(recall(natives, c, _interpolated, 0.01) for c in cells)])
    report.table([f"factor x {name}", *(column or "nothing" for column in columns)], rows)


def families(report: Report, samples: Samples) -> None:
    """AI upscales, family by family."""
    unseen = held_out()
    names = sorted({s.recipe.source.family for s in samples if s.recipe.label == "ai"})
    rows = []
    for name in names:
        row: list[object] = [f"{name}{' (held out)' if name in unseen else ''}"]
        for kind in KINDS:
            own = _of(samples, kind)
            chosen = [s for s in own if s.recipe.label == "ai" and s.recipe.source.family == name]
            row += [recall(_labelled(own, "native"), chosen, _ai, 0.02), len(chosen)]
        rows.append(row)
    report.say("## AI upscales by family: recall at 2 % of native ones, of the decided\n")
    report.table(["family", "photo", "samples", "illustration", "samples"], rows)


def origins(report: Report, samples: Samples) -> None:
    """Each origin with the threshold of all the others."""
    natives = [s for s in _labelled(samples, "native") if s.decided]
    names = sorted({s.recipe.source.origin for s in natives})
    rows = []
    for name in names:
        own = [s for s in natives if s.recipe.source.origin == name]
        others = [s for s in natives if s.recipe.source.origin != name]
        row: list[object] = [name, len({s.recipe.source.source for s in own}), len(own)]
        for score, allowed in ((_interpolated, 0.01), (_ai, 0.02)):
            if not others:
                continue
            limit = limit_at(_scores(others, score), allowed)
            row.append(share(_scores(own, score) > limit, _sources(own)))
        rows.append(row)
    report.say("## Leave one origin out: native ones told wrongly, by the others' threshold\n")
    report.table(["origin", "pictures", "samples", "interpolated at 1 %", "AI at 2 %"], rows)


def cues(report: Report, samples: Samples) -> None:
    """The hand-made numbers by themselves: the best of all of them, on these very samples."""
    report.say("## The best single numbers, either way round: recall of 1.25x to 4x at 1 %\n")
    rows = []
    for kind in KINDS:
        own = [s for s in _of(samples, kind) if s.cues is not None]
        natives, positives = _labelled(own, "native"), _labelled(own, "interpolated")
        if not natives or not positives:
            continue
        low = np.stack([s.cues for s in natives])
        high = np.stack([s.cues for s in positives])
        found = sorted(
            (
                (float((sign * high[:, i] > limit_at(sign * low[:, i], 0.01)).mean()), name)
                for i, name in enumerate(NAMES)
                for sign in (1, -1)
            ),
            reverse=True,
        )[:SHOWN_CUES]
        ours = recall(natives, positives, _interpolated, 0.01, everything=True)
        rows += [[f"{kind}: all together", ours]]
        rows += [[f"{kind}: {name}", f"{value:.1%}"] for value, name in found]
    report.table(["", "found, of all"], rows)


def recall(
    natives: Samples, positives: Samples, score: Scored, allowed: float, *, everything: bool = False
) -> Rate:
    """Of the decided ones, unless ``everything`` is asked for."""
    natives = [s for s in natives if s.decided or everything]
    positives = [s for s in positives if s.decided or everything]
    return recall_at(
        _scores(natives, score), _sources(natives), _scores(positives, score), _sources(positives),
        allowed,
    )  # fmt: skip


def _row(name: str, rate: Rate, target: float, *, most: bool = False) -> list[object]:
    asked = f"{'<=' if most else '>='} {target:.1%}"
    met = rate.against(target, most=most)
    return [name, rate, rate.sources, rate.samples, asked, met]


def _interpolated(sample: Sample) -> float:
    return float(sample.measures["interpolated"] or 0)


def _ai(sample: Sample) -> float:
    return float(sample.measures["ai"] or 0)


def _of(samples: Samples, kind: str) -> list[Sample]:
    return [s for s in samples if s.recipe.source.kind == kind]


def _labelled(samples: Samples, label: str) -> list[Sample]:
    return [s for s in samples if s.recipe.label == label]


def _sources(samples: Iterable[Sample]) -> Any:
    return np.array([s.recipe.source.source for s in samples])


def _scores(samples: Samples, score: Scored) -> Any:
    return np.array([score(s) for s in samples], float)


if __name__ == "__main__":
    sys.exit(main())
