"""How well `filters.true_copy` tells the true one of two copies.

    python -m benchmarks.true_copy [--folder FOLDER …] [--fold test] [--processes 2] [--save]

A folder holds pictures of known truth and an `index.csv` like the corpus's (the default). Of each
original pairs are made: a small copy, and a larger one that is the original or was made of the
small one; and pairs of one size. AI upscales in the index are paired with what they were made of.
`--fold` takes the origins of one fold of training/folds.csv; without it every origin is taken,
which is right for pictures of your own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.accuracy import recall_at, share
from benchmarks.corpus import arguments, indexes, of_fold, typed, without_doubtful
from benchmarks.report import Report
from filters.picture import Picture
from filters.true_copy import TrueCopies, TrueCopy
from training import same_size_pairs
from training.same_size_pairs import HISTORIES, SameSizePair
from training.sources import held_out, read
from training.true_copy_pairs import FACTORS, Pair, drawn, enlarged_by_networks

KINDS = ("photo", "illustration")
MADE = ("original", "interpolated", "sharpened", "noised", "ai")
TARGETS = {"photo": 0.97, "illustration": 0.95}
COPIES = TrueCopies()
AnyPair: TypeAlias = Pair | SameSizePair


@dataclass(frozen=True)
class Answer:
    """One pair and what is said of it."""

    pair: AnyPair
    found: TrueCopy
    ratio: float
    """The single number to beat: energy above the small copy's Nyquist over that of bicubic."""
    spent: float
    """CPU milliseconds, and those of decoding both files."""
    decoding: float

    @property
    def source(self) -> Any:
        pair = self.pair
        return pair.source if isinstance(pair, SameSizePair) else pair.original or pair.source

    @property
    def made(self) -> str:
        return self.pair.history if isinstance(self.pair, SameSizePair) else self.pair.made

    @property
    def large(self) -> float:
        """How sure it is that the second copy, which is the large one, is true."""
        return 1 - self.found.score

    @property
    def decided(self) -> bool:
        return self.found.better in ("first", "second")

    @property
    def right(self) -> bool:
        """By the score alone, decided or not."""
        if isinstance(self.pair, SameSizePair):
            return self.found.score > 0.5
        return (self.large > 0.5) == self.pair.true


Answers: TypeAlias = Sequence[Answer]


def answered(pairs: Sequence[AnyPair]) -> list[Answer]:
    """The pairs of one original."""
    out = []
    first = pairs[0]
    source = first.source if isinstance(first, SameSizePair) else first.original or first.source
    with source.open() as image:
        for pair in pairs:
            small, large = pair.make(image)
            start = time.process_time()
            with Picture.open(small) as one, Picture.open(large) as other:
                # Making them upright RGB is a part of decoding.
                _ = one.rgb, other.rgb
                decoded = time.process_time()
                found = COPIES.compare(one, other)
            spent = 1000 * (time.process_time() - decoded)
            ratio = found.numbers.get("extra", 0.0)
            out.append(Answer(pair, found, ratio, spent, 1000 * (decoded - start)))
    return out


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=4, help="pairs of either truth per original")
    given = parser.parse_args()
    pairs = _pairs(indexes(given.folder), given.times, given.seed)
    wanted = {source.origin for source in of_fold(map(_source, pairs), given.fold)}
    pairs = [pair for pair in pairs if _source(pair).origin in wanted]
    jobs = [list(group) for _, group in groupby(sorted(pairs, key=_key), _key)]
    with ProcessPoolExecutor(given.processes) as pool:
        answers = [one for found in pool.map(answered, jobs, chunksize=2) for one in found]
    with Report(
        "true_copy", "Which of two copies is the true one", typed(given), save=given.save
    ) as out:
        out.say(
            f"{len(jobs)} sets of pairs, {len(answers)} pairs. Intervals are 95 %, by source.\n"
        )
        tell(out, answers)
        kept = without_doubtful(answers, lambda answer: answer.source)
        if len(kept) < len(answers):
            out.say("## Without the pictures that are set apart\n")
            headline(out, [a for a in kept if isinstance(a.pair, Pair)])


def _pairs(paths: Sequence[Path], times: int, seed: int) -> list[AnyPair]:
    sources = read(paths)
    return [
        *drawn(sources, times, seed),
        *enlarged_by_networks(paths, seed),
        *same_size_pairs.drawn(sources, 2, seed),
    ]


def _source(pair: AnyPair) -> Any:
    return pair.source if isinstance(pair, SameSizePair) else pair.original or pair.source


def _key(pair: AnyPair) -> tuple[str, str]:
    return _source(pair).origin, _source(pair).source


def tell(out: Report, answers: Answers) -> None:
    """All tables."""
    two = [a for a in answers if isinstance(a.pair, Pair)]
    headline(out, two)
    recalls(out, two)
    by_factor(out, two)
    families(out, two)
    origins(out, two)
    one_size(out, [a for a in answers if isinstance(a.pair, SameSizePair)])
    cost(out, answers)


def headline(out: Report, answers: Answers) -> None:
    """Accuracy at the natural threshold, where either truth is as likely."""
    rows = []
    for kind in KINDS:
        own = _of(answers, kind)
        chosen = {"all pairs": own, "all but AI": [a for a in own if not _is_ai_set(a)]}
        chosen |= {name: [a for a in own if a.made == name] for name in MADE}
        for name, some in chosen.items():
            decided = [a for a in some if a.decided]
            rate = share(_right(decided), _sources(decided))
            target = TARGETS[kind] if name == "all pairs" else None
            rows.append([
                f"{kind}: {name}", rate, len(decided),
                share(_undecided(some), _sources(some)),
                share(_right(some), _sources(some)),
                f">= {target:.0%} {rate.against(target)}" if target else "",
            ])  # fmt: skip
    out.say("## Right at the natural threshold\n")
    out.say("`original` are pairs whose large copy is true; the other large copies are made.\n")
    out.table(["", "right, of the decided", "pairs", "undecided", "right, of all", "target"], rows)


def recalls(out: Report, answers: Answers) -> None:
    """Fakes found where 1 and 2 % of the true large copies are called fakes."""
    rows = []
    for kind in KINDS:
        own = _of(answers, kind)
        true = [a for a in own if a.made == "original"]
        for name in MADE[1:]:
            fakes = [a for a in own if a.made == name]
            for title, score in (("all numbers", _fake), ("single ratio", _ratio)):
                rows.append([
                    f"{kind}: {name}, {title}",
                    *(
                        recall_at(
                            _scores(true, score), _sources(true),
                            _scores(fakes, score), _sources(fakes), allowed,
                        )
                        for allowed in (0.01, 0.02)
                    ),
                    len(fakes),
                ])  # fmt: skip
        best = _best_accuracy(true, [a for a in own if a.made != "original"], _ratio)
        rows.append([f"{kind}: single ratio, right at its best threshold", f"{best:.1%}", "", ""])
    out.say("## Fakes found, of all pairs, at a share of originals called fakes\n")
    out.table(["", "at 1 %", "at 2 %", "pairs"], rows)


def by_factor(out: Report, answers: Answers) -> None:
    """Right by the score, decided or not."""
    rows = []
    for kind in KINDS:
        for true in (True, False):
            own = [a for a in _of(answers, kind) if (a.made == "original") is true]
            cells = [
                [a for a in own if isinstance(a.pair, Pair) and abs(a.pair.factor - f) < 0.01]
                for f in FACTORS
            ]
            title = f"{kind}: {'originals' if true else 'made'}"
            rows.append([title, *(share(_right(cell), _sources(cell)) for cell in cells)])
    out.say("## Right by the score, by factor\n")
    out.table(["", *(f"{factor:g}x" for factor in FACTORS)], rows)


def families(out: Report, answers: Answers) -> None:
    """AI upscales, family by family."""
    unseen, ai = held_out(), [a for a in answers if a.made == "ai"]
    rows = []
    for name in sorted({a.pair.source.family for a in ai}):
        row: list[object] = [f"{name}{' (held out)' if name in unseen else ''}"]
        for kind in KINDS:
            own = [a for a in _of(ai, kind) if a.pair.source.family == name]
            row += [share(_right(own), _sources(own)), len(own)]
        rows.append(row)
    if rows:
        out.say("## AI upscales by family: right by the score\n")
        out.table(["family", "photo", "pairs", "illustration", "pairs"], rows)


def origins(out: Report, answers: Answers) -> None:
    """Originals of each origin that are called fakes."""
    true = [a for a in answers if a.made == "original"]
    rows = []
    for name in sorted({a.source.origin for a in true}):
        own = [a for a in true if a.source.origin == name]
        wrong = share(np.array([a.found.better == "first" for a in own]), _sources(own))
        rows.append([name, wrong.sources, wrong.samples, wrong])
    out.say("## Originals called fakes, by origin\n")
    out.table(["origin", "pictures", "pairs", "called fakes"], rows)


def one_size(out: Report, answers: Answers) -> None:
    """Copies of one size."""
    rows = []
    for kind in KINDS:
        for history in HISTORIES:
            some = [a for a in _of(answers, kind) if a.made == history]
            decided = [a for a in some if a.decided]
            same = [a.found.better == "same" for a in some]
            rows.append([
                f"{kind}: {history}", share(_right(decided), _sources(decided)), len(decided),
                share(_undecided(some), _sources(some)), f"{np.mean(same):.1%}" if same else "-",
            ])  # fmt: skip
    out.say("## Copies of one size\n")
    out.table(["", "right, of the decided", "pairs", "undecided or same", "same"], rows)


def cost(out: Report, answers: Answers) -> None:
    spent, decoding = ([getattr(a, name) for a in answers] for name in ("spent", "decoding"))
    out.say("## Cost\n")
    out.say(
        f"A pair takes {np.median(spent):.1f} ms of CPU (90 % under"
        f" {np.percentile(spent, 90):.1f}), decoding both {np.median(decoding):.1f} ms."
    )


def _is_ai_set(answer: Answer) -> bool:
    return isinstance(answer.pair, Pair) and answer.pair.original is not None


def _best_accuracy(true: Answers, fakes: Answers, score: Callable[[Answer], float]) -> float:
    """The mean of both shares of right answers, at the threshold that is best for these pairs."""
    low, high = np.sort(_scores(true, score)), np.sort(_scores(fakes, score))
    limits = np.concatenate([low, high])
    fine = np.searchsorted(low, limits, "right") / max(len(low), 1)
    found = 1 - np.searchsorted(high, limits, "right") / max(len(high), 1)
    return float(np.max((fine + found) / 2)) if len(limits) else 0.0


def _fake(answer: Answer) -> float:
    return 1 - answer.large


def _ratio(answer: Answer) -> float:
    return -answer.ratio


def _of(answers: Answers, kind: str) -> list[Answer]:
    return [a for a in answers if a.source.kind == kind]


def _right(answers: Answers) -> Any:
    return np.array([a.right for a in answers], float)


def _undecided(answers: Answers) -> Any:
    return np.array([not a.decided for a in answers], float)


def _sources(answers: Answers) -> Any:
    return np.array([a.source.source for a in answers])


def _scores(answers: Answers, score: Callable[[Answer], float]) -> Any:
    return np.array([score(a) for a in answers], float)


if __name__ == "__main__":
    main()
