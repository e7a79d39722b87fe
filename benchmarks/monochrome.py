"""How well `filters.monochrome` tells pictures in one colour, and what it costs.

    python -m benchmarks.monochrome [--folder DIR]… [--crossed PARTS] [--save]

A folder holds pictures with known truth and their `index.csv`, as the corpus does (TRAWL_CORPUS,
else ../shared/corpus). Every variant is made of them by code, with another seed than training's.
The shipped model has seen the origins that its card names; with --crossed every origin is judged by
a model that was trained, here and now, without it.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from benchmarks.accuracy import Rate, recall_at, share
from benchmarks.corpus import add_folders, indexes, least_cpu, typed
from benchmarks.report import Report
from filters.monochrome import MIN_SCORE, Monochrome
from filters.monochrome.classification import Classifier
from filters.onnx_model import shipped
from filters.picture import SHARED_SIDE, Picture
from training.monochrome_samples import BORDERLINE, SINGLE_HUE
from training.monochrome_table import AS_PUBLISHED, Table, measured, originals
from training.monochrome_table import SEED as TRAINING

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

SEED = 2
ALLOWED = 0.01
GREYS = ("grey", "grey jpeg50", "grey jpeg75", "grey jpeg95", "manga page", "grey line art")
CHOSEN = """\
The threshold
and how trees are grown were chosen by looking at such tables of these origins, and most borderline
pictures were named when their scores were known: other pictures may fare a little worse."""
FEW = 10
"""Pictures that an origin needs for a line of its own."""
LINES = ("colour line art", "thin colour lines")


class Judged:
    """A table of samples, each with its score and kind."""

    def __init__(self, table: Table, scores: Array, kinds: Array) -> None:
        self.table, self.scores, self.kinds = table, scores, kinds
        self.variants, self.truth = table.column("variant"), table.column("kind")
        self.sources = np.array([f"{row[3]} {row[4]}" for row in table.rows])
        self.published = np.isin(self.variants, AS_PUBLISHED)
        self.colour = self.published & (self.truth == "colour")
        self.made = ~self.published & (self.truth != "colour") & (self.truth != "")

    def where(self, chosen: Array) -> Judged:
        return Judged(self.table.where(chosen), self.scores[chosen], self.kinds[chosen])

    def groups(self) -> Iterator[tuple[str, Judged]]:
        for kind in ("photo", "illustration"):
            yield kind, self.where(self.table.column("source_kind") == kind)

    def number(self, name: str) -> Array:
        return self.table.values[:, self.table.names.index(name)]

    def recall(self, chosen: Array, scores: Array | None = None) -> Rate:
        """At the threshold that rejects 1 % of the published colour pictures of this table."""
        scores = self.scores if scores is None else scores
        # Ties: what is grey beyond doubt has the same score of 1 wherever it is.
        return recall_at(
            scores[self.colour], self.sources[self.colour],
            scores[chosen], self.sources[chosen], ALLOWED,
        )  # fmt: skip

    def rejected(self, chosen: Array) -> Rate:
        """At the shipped threshold."""
        return share(self.scores[chosen] >= MIN_SCORE, self.sources[chosen])


def judged(table: Table) -> Judged:
    """By the shipped filter."""
    classifier = Classifier()
    found = [
        classifier.judge(dict(zip(table.names, values, strict=True)))
        for values in table.values.tolist()
    ]
    return Judged(table, np.array([score for _, score in found]), np.array([k for k, _ in found]))


def crossed(table: Table, parts: int) -> Judged:
    """By models that were trained on the samples of other origins."""
    from training import monochrome

    shares = monochrome.crossed(table, parts)
    return Judged(table, 1 - shares[:, 0], monochrome.kinds_of(shares, table))


def cues(found: Judged) -> Mapping[str, Array]:
    """Single numbers that other tools judge by; the higher, the more monochrome."""
    ratio = found.number("mean_off_95") / (found.number("mean_chroma_90") + 0.01)
    return {
        "C99: chroma alone": -found.number("mean_all_chroma_99"),
        "R95: distance from the curve alone": -found.number("mean_off_95"),
        "R95 / (C90 + 0.01)": -ratio,
    }


def recalls(report: Report, found: Judged) -> None:
    report.say("Recall where 1 % of the published colour pictures of the column are rejected")
    report.say(f"(1 %), and at the shipped threshold of {MIN_SCORE:g}:\n")
    groups = list(found.groups())
    names = sorted(
        set(found.variants[found.made]), key=lambda n: (found.truth[found.variants == n][0], n)
    )
    rows = []
    for name in [*names, "**all kinds**"]:
        row = [name]
        for _, group in groups:
            chosen = group.made if name.startswith("*") else group.made & (group.variants == name)
            row += [str(group.recall(chosen)), str(group.rejected(chosen))]
        rows.append(row)
    headings = [f"{kind}, {what}" for kind, _ in groups for what in ("1 %", f"{MIN_SCORE:g}")]
    report.table(["made of a colour picture", *headings], rows)


def single_cues(report: Report, found: Judged) -> None:
    report.say("Single cues in the same run, recall at 1 % over all kinds:\n")
    groups = list(found.groups())
    rows = [
        [name, *(str(group.recall(group.made, cues(group)[name])) for _, group in groups)]
        for name in cues(found)
    ]
    rows.append(["**the filter**", *(str(group.recall(group.made)) for _, group in groups)])
    report.table(["cue", *(kind for kind, _ in groups)], rows)


def wrongly(report: Report, found: Judged) -> None:
    report.say(f"Rejected at the shipped threshold of {MIN_SCORE:g}, though in colour:\n")
    label = found.table.column("label")
    rows = []
    groups = list(found.groups())

    def row(title: str, choose: Callable[[Judged], Array]) -> None:
        rates = [group.rejected(choose(group)) for _, group in groups]
        rows.append([title, *(f"{rate}, n = {rate.sources}" for rate in rates)])

    def of(name: str) -> Callable[[Judged], Array]:
        return lambda group: group.variants == name

    def labelled(*names: str) -> Callable[[Judged], Array]:
        return lambda group: group.published & np.isin(group.table.column("label"), names)

    row("**as published**", lambda group: group.colour)
    row("the same, borderline pictures counted in", labelled("", SINGLE_HUE, BORDERLINE))
    row("without those of a single hue", labelled(""))
    row("those of a single hue alone", labelled(SINGLE_HUE))
    made = ~found.published & (found.truth == "colour")
    for name in sorted(set(found.variants[made])):
        row(name, of(name))
    row("**line art of both sorts**", lambda group: np.isin(group.variants, LINES))
    row("disputed: 15 % of the colour", of("15 % of the colour"))
    report.table(["", *(kind for kind, _ in groups)], rows)
    natural = found.published & ~np.isin(label, ["", SINGLE_HUE, BORDERLINE])
    rate = found.rejected(natural)
    report.say(f"Monochrome by nature, found: {rate}, n = {rate.sources}.")
    published = found.variants == AS_PUBLISHED[0]
    aside = published & (label == BORDERLINE)
    report.say(f"Set apart as borderline: {aside.sum()} of {published.sum()} pictures.\n")


def kinds(report: Report, found: Judged) -> None:
    report.say("What the found ones were called, in per cent of what they are:\n")
    known = ("grey", "paper", "sepia", "tint", "gradient_map", "spot_colour")
    sure = found.made & (found.scores >= MIN_SCORE)
    rows = []
    for truth in known:
        chosen = sure & (found.truth == truth)
        rows.append([truth, *(f"{np.mean(found.kinds[chosen] == kind):.0%}" for kind in known)])
    report.table(["", *known], rows)


def origins(report: Report, found: Judged) -> None:
    report.say(
        f"By origin, at the shipped threshold; those of fewer than {FEW} pictures together:\n"
    )
    trained = shipped("monochrome").card["trained_on"]["origins"]
    names = found.table.column("origin")
    counts = {name: len(set(found.sources[names == name])) for name in sorted(set(names))}
    parts = {name: [name] for name, count in counts.items() if count >= FEW}
    parts["the others"] = [name for name, count in counts.items() if count < FEW]
    rows = []
    for title, own_names in parts.items():
        if own_names:
            own = found.where(np.isin(names, own_names))
            seen = sum(name in trained for name in own_names)
            rows.append(
                [
                    title, f"{seen} of {len(own_names)}", len(set(own.sources)),
                    own.rejected(own.colour), own.rejected(own.made),
                ]
            )  # fmt: skip
    report.table(["origin", "in the shipped model", "pictures", "colour rejected", "found"], rows)


def targets(report: Report, found: Judged) -> None:
    rows = []
    for kind, group in found.groups():
        every = group.recall(group.made)
        grey = group.rejected(np.isin(group.variants, GREYS) & group.made)
        lines = group.rejected(np.isin(group.variants, LINES))
        rows += [
            [f"{kind}: all kinds at 1 %", ">= 98 %", every, every.against(0.98)],
            [f"{kind}: plain grey", "100 %", grey, "met" if grey.value == 1 else "missed"],
            [f"{kind}: line art rejected", "<= 2 %", lines, lines.against(0.02, most=True)],
        ]
    report.table(["target", "", "measured", ""], rows)


def cost(report: Report, found: Judged, photograph: Image.Image) -> None:
    """CPU time of one core, least of several rounds, beside the decode in the same run."""
    report.say("CPU time beyond the decode, one core, least of several rounds:\n")
    rows = []
    filter = Monochrome()
    for size in ((1632, 1224), (4000, 3000)):
        out = io.BytesIO()
        photograph.resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        data = out.getvalue()
        decode = least_cpu(partial(_decoded, data), 8)
        with Picture.open(data) as picture:
            small = least_cpu(partial(picture.rgb.reduce, -(-max(size) // SHARED_SIDE)), 8)
            picture.reduced(SHARED_SIDE)
            own = least_cpu(partial(filter.measure, picture), 30)
        rows.append(
            [
                f"{size[0] * size[1] / 1e6:.0f} MP JPEG", f"{decode:.1f} ms",
                f"{own:.1f} ms", f"{own / decode:.2f}", f"{small:.1f} ms",
            ]
        )  # fmt: skip
    report.table(
        ["picture", "decode", "monochrome", "of the decode", "the small copy that filters share"],
        rows,
    )


def _decoded(data: bytes) -> Image.Image:
    with Picture.open(data) as picture:
        return picture.rgb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_folders(parser)
    parser.add_argument("--crossed", type=int, default=0, metavar="PARTS")
    parser.add_argument("--table", type=Path, help="keep the samples' small copies in this folder")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    found_indexes = indexes(given.folder)
    with (
        Report("monochrome", "Monochrome", typed(given), save=given.save) as report,
        tempfile.TemporaryDirectory() as temporary,
    ):
        kept = given.table or Path(temporary)
        sources = originals(found_indexes)
        # Who has seen no picture of an origin has seen no sample of it: training's will do.
        seed = TRAINING if given.crossed else SEED
        table = measured(sources, seed, kept, given.processes)
        pictures = len(set(map(tuple, table.rows[:, 3:5])))
        report.say(
            f"{len(table.rows)} samples of {pictures} pictures, "
            f"{len(set(table.column('origin')))} origins. Intervals are 95 %, drawn by source.\n"
        )
        if given.crossed:
            report.say(
                f"Every origin is judged by a model that has not seen it ({given.crossed} parts)."
                f" {CHOSEN}\n"
            )
            found = crossed(table, given.crossed)
        else:
            report.say("Judged by the shipped model.\n")
            found = judged(table)
        targets(report, found)
        recalls(report, found)
        single_cues(report, found)
        wrongly(report, found)
        kinds(report, found)
        origins(report, found)
        photographs = [source for source in sources if source.kind == "photo"]
        cost(report, found, photographs[0].open())


if __name__ == "__main__":
    main()
