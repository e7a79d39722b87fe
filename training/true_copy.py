"""Train the models that tell which of two copies is the true one.

    python -m training.true_copy measure INDEX... --out FOLDER [--processes N]
    python -m training.true_copy train FOLDER

The first makes pairs of every original and AI upscale that the indexes name and keeps their
numbers, the second fits the models on these and writes `filters/models/true_copy.onnx`,
`true_copy_same_size.onnx` and their cards. Nothing of an origin of the fold ``test``, and no AI
upscale of a family that is held out, is trained on; the cards' tables are of what is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import lightgbm
import numpy as np
import onnx
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from benchmarks.accuracy import share
from filters.picture import Picture
from filters.true_copy import same_size
from filters.true_copy.numbers import NAMES, numbers
from filters.true_copy.pairs import places
from training import same_size_pairs
from training.same_size_pairs import SameSizePair
from training.sources import folds, held_out, read
from training.true_copy_pairs import Pair, drawn, enlarged_by_networks

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Rows: TypeAlias = list[dict[str, Any]]

MODELS = Path(__file__).parents[1] / "filters" / "models"
TREES: Mapping[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
}
ROUNDS, ROUNDS_SAME_SIZE = 92, 40
SHARES = {"original": 1.0, "interpolated": 0.35, "sharpened": 0.15, "noised": 0.1, "ai": 0.4}
"""How much each kind of large copy weighs, whatever their numbers."""


def measured(pair: Pair | SameSizePair, first: bytes, second: bytes) -> dict[str, Any]:
    """What is known of a pair, and its numbers."""
    with Picture.open(first) as one, Picture.open(second) as other:
        if isinstance(pair, SameSizePair):
            found, difference, _ = same_size.numbers(one, other)
            told: dict[str, Any] = {"history": pair.history, "difference": difference}
            original = pair.source
        else:
            found = numbers(one, other, places(one, other))
            original = pair.original or pair.source
            told = {
                "true": pair.true,
                "made": pair.made,
                "factor": pair.factor,
                "kernel": pair.kernel,
                "family": pair.source.family,
            }
        formats = (one.format, other.format)
    return {
        "numbers": [round(float(number), 5) for number in found],
        **told,
        "kind": original.kind,
        "style": original.style,
        "source": original.source,
        "origin": original.origin,
        "path": original.path,
        "codecs": formats,
    }


def measure(pairs: Sequence[Pair | SameSizePair], out: Path) -> None:
    """Measure some pairs of one original, unless that was done."""
    if out.exists():
        return
    with _original(pairs[0]).open() as image:
        rows = [measured(pair, *pair.make(image)) for pair in pairs]
    part = out.with_suffix(".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    part.replace(out)


def _original(pair: Pair | SameSizePair) -> Any:
    return pair.source if isinstance(pair, SameSizePair) else pair.original or pair.source


def _shard(pair: Pair | SameSizePair) -> str:
    """The name of the file that a pair's numbers are kept in."""
    original = _original(pair)
    if isinstance(pair, SameSizePair):
        kind, told = "same", ""
    else:
        kind, told = ("ai", pair.source.file.stem) if pair.original else ("two", "")
    key = hashlib.sha256(f"{original.origin} {original.source} {told}".encode()).hexdigest()
    return f"{kind}-{key[:16]}.jsonl"


def measure_all(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    sources = read(args.index)
    pairs: list[Pair | SameSizePair] = [
        *drawn(sources, args.times, args.seed),
        *enlarged_by_networks(args.index, args.seed),
        *same_size_pairs.drawn(sources, 1, args.seed),
    ]
    shards = [
        (list(group), args.out / name)
        for name, group in groupby(sorted(pairs, key=_shard), key=_shard)
    ]
    # Mixed, so that a part of them is a fair sample already.
    shards.sort(key=lambda shard: shard[1].stem.partition("-")[2])
    jobs = [job for job in shards if not job[1].exists()]
    print(f"{len(pairs)} pairs; {len(jobs)} of {len(shards)} files to make", flush=True)
    with ProcessPoolExecutor(args.processes) as pool:
        for done, _ in enumerate(pool.map(measure, *zip(*jobs, strict=True)), 1):
            if done % 50 == 0:
                print(f"{done} of {len(jobs)}", flush=True)


def load(folder: Path, kinds: Iterable[str]) -> tuple[Array, Rows]:
    """The numbers of measured pairs, and what else is known of each."""
    paths = sorted(path for kind in kinds for path in folder.glob(f"{kind}-*.jsonl"))
    rows = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    return np.array([row.pop("numbers") for row in rows], np.float32), rows


def column(rows: Rows, name: str) -> Array:
    return np.array([row[name] for row in rows])


def weights(rows: Rows) -> Array:
    """Photographs and drawings alike, and each kind of large copy by its share."""
    kind, made = column(rows, "kind"), column(rows, "made")
    out = np.zeros(len(rows))
    for one in np.unique(kind):
        for of in np.unique(made):
            chosen = (kind == one) & (made == of)
            out[chosen] = SHARES[of] / max(chosen.sum(), 1)
    return np.asarray(out * len(rows) / out.sum())


def fitted(x: Array, y: Array, weight: Array | None, rounds: int) -> lightgbm.Booster:
    return lightgbm.train(dict(TREES), lightgbm.Dataset(x, y, weight=weight), rounds)


def train(args: argparse.Namespace) -> None:
    """Fit, tell how well that does on what was left out, and write."""
    split, out = folds(), held_out()
    x, rows = load(args.folder, ("two", "ai"))
    test = np.array([split.get(row["origin"]) == "test" for row in rows])
    shown = ~test & ~np.isin(column(rows, "family"), list(out))
    y = column(rows, "true")
    learnt = [row for row, one in zip(rows, shown, strict=True) if one]
    booster = fitted(x[shown], y[shown], weights(learnt), ROUNDS)
    scores = np.asarray(booster.predict(x))
    table = accuracy(rows, scores > 0.5, test, "made")
    _write("true_copy", booster, NAMES, learnt, table, "the larger copy is the true one")

    x, rows = load(args.folder, ("same",))
    test = np.array([split.get(row["origin"]) == "test" for row in rows])
    # The first is always the true one: shown in either order.
    both, answers = np.concatenate([x[~test], -x[~test]]), np.repeat([1, 0], (~test).sum())
    booster = fitted(both, answers, None, ROUNDS_SAME_SIZE)
    scores = np.asarray(booster.predict(x)) - np.asarray(booster.predict(-x))
    learnt = [row for row, one in zip(rows, ~test, strict=True) if one]
    table = accuracy([{**row, "true": True} for row in rows], scores > 0, test, "history")
    _write(
        "true_copy_same_size", booster, same_size.NAMES, learnt, table, "the first is the true one"
    )


def accuracy(rows: Rows, larger: Array, chosen: Array, by: str) -> dict[str, dict[str, str]]:
    """Shares of right answers on chosen rows, with their intervals, by kind and ``by``."""
    right = larger == column(rows, "true")
    kind, of, sources = (column(rows, name) for name in ("kind", by, "source"))
    table = {}
    for one in np.unique(kind[chosen]):
        cells = {
            str(name): str(share(right[at], sources[at]))
            for name in np.unique(of[chosen & (kind == one)])
            if (at := chosen & (kind == one) & (of == name)).any()
        }
        table[str(one)] = cells
        print(one, cells, flush=True)
    return table


def _write(
    name: str,
    booster: lightgbm.Booster,
    names: Sequence[str],
    rows: Rows,
    table: Mapping[str, Any],
    answer: str,
) -> None:
    model = convert_lightgbm(
        booster,
        initial_types=[("numbers", FloatTensorType([None, len(names)]))],
        target_opset=15,
        zipmap=False,
    )
    del model.graph.output[0]  # the label: the probability says it, too
    path = MODELS / f"{name}.onnx"
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, str(path))
    origins = {row["origin"]: 0 for row in sorted(rows, key=lambda row: str(row["origin"]))}
    for row in rows:
        origins[row["origin"]] += 1
    card = {
        "name": name,
        "does": "Tells which of two copies of one picture is the true one.",
        "input": "numbers",
        "numbers": list(names),
        "output": "probabilities",
        "labels": ["no", answer],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trained_by": "python -m training.true_copy",
        "trees": booster.num_trees(),
        "pairs": len(rows),
        "pairs_by_origin": origins,
        "held_out_families": sorted(held_out()),
        "right_on_test_origins": table,
        "licences": "numbers and trees alone; of every picture see training/origins.csv",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    print(path.name, path.stat().st_size, "bytes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = parser.add_subparsers(required=True)
    task = tasks.add_parser("measure")
    task.add_argument("index", type=Path, nargs="+", help="index.csv of originals and upscales")
    task.add_argument("--out", type=Path, required=True)
    task.add_argument("--times", type=int, default=4, help="pairs of either truth per original")
    task.add_argument("--seed", type=int, default=1)
    task.add_argument("--processes", type=int, default=1)
    task.set_defaults(do=measure_all)
    task = tasks.add_parser("train")
    task.add_argument("folder", type=Path, help="what `measure` made")
    task.set_defaults(do=train)
    given = parser.parse_args()
    given.do(given)


if __name__ == "__main__":
    main()
