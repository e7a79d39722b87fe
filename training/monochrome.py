"""Train the model of `filters.monochrome`, with a model card of what it was trained on.

    python -m training.monochrome INDEX… --table FOLDER

An index is a `index.csv` of originals. The samples are made of them by code, with fixed seeds; what
is not plainly in colour by nature is listed in `training/monochrome_labels.csv`. First every origin
is judged by a model that has seen none of it (in turn; origins in `--folds` parts), which gives the
error table of the card; then the shipped model is trained on all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any, TypeAlias

import lightgbm
import numpy as np
import onnx
from onnxmltools import convert_lightgbm  # type: ignore[import-untyped]
from onnxmltools.convert.common.data_types import (  # type: ignore[import-untyped]
    FloatTensorType,
)

from filters.monochrome import MIN_SCORE
from filters.monochrome.classification import COLOUR, TONED, is_grey, toned
from training.monochrome_table import AS_PUBLISHED, SEED, Table, measured, originals

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

LABELS = (COLOUR, "grey", "paper", TONED, "gradient_map", "spot_colour")
"""What the model tells apart; sepia and other tints differ by their hue alone."""
HUES = ("mean_a", "mean_b", "point_a", "point_b")
"""Numbers that the model is not shown: no hue is more colourful than another."""
PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(LABELS),
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_data_in_leaf": 15,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
ROUNDS = 80


def inputs(table: Table) -> tuple[str, ...]:
    return tuple(name for name in table.names if name not in HUES)


def targets(table: Table) -> Array:
    """The label's place of each sample; -1 where it is disputed."""
    place = {label: i for i, label in enumerate(LABELS)} | {"sepia": 3, "tint": 3}
    return np.array([place.get(kind, -1) for kind in table.column("kind")])


def fit(table: Table) -> lightgbm.Booster:
    """Colour and monochrome weigh the same; what a picture really is weighs more than variants."""
    target = targets(table)
    chosen = target >= 0
    colour = target == 0
    weight = np.ones(len(target))
    weight[np.isin(table.column("variant"), AS_PUBLISHED)] = 3
    weight[colour] *= weight[chosen & ~colour].sum() / weight[colour].sum()
    columns = [table.names.index(name) for name in inputs(table)]
    data = lightgbm.Dataset(table.values[chosen][:, columns], target[chosen], weight=weight[chosen])
    return lightgbm.train(PARAMETERS, data, ROUNDS)


def shares(model: lightgbm.Booster, table: Table) -> Array:
    """samples x LABELS; plain grey by its rule."""
    columns = [table.names.index(name) for name in inputs(table)]
    out = np.asarray(model.predict(table.values[:, columns]))
    for row, values in enumerate(table.values):
        if is_grey(dict(zip(table.names, values.tolist(), strict=True))):
            out[row] = np.eye(len(LABELS))[1]
    return out


def scored(training: Table, table: Table) -> Array:
    """The shares of samples by a model of others."""
    return shares(fit(training), table)


def kinds_of(shares: Array, table: Table) -> Array:
    """The likeliest kind of monochrome of each sample."""
    out = []
    for share, values in zip(shares, table.values.tolist(), strict=True):
        kind = LABELS[1 + int(np.argmax(share[1:]))]
        out.append(toned(dict(zip(table.names, values, strict=True))) if kind == TONED else kind)
    return np.array(out)


def parts_of(table: Table, count: int) -> dict[str, int]:
    """Origin -> its part. The parts are near in samples, and no origin is in two of them."""
    names, sizes = np.unique(table.column("origin"), return_counts=True)
    filled = [0] * count
    out: dict[str, int] = {}
    for place in np.argsort(-sizes, kind="stable"):
        part = filled.index(min(filled))
        out[str(names[place])] = part
        filled[part] += int(sizes[place])
    return out


def crossed(table: Table, count: int) -> Array:
    """The shares of every sample, by a model that saw no sample of its origin."""
    part = parts_of(table, count)
    own = np.array([part[origin] for origin in table.column("origin")])
    out = np.zeros((len(own), len(LABELS)))
    for number in range(count):
        held = own == number
        if held.any():
            out[held] = scored(table.where(~held), table.where(held))
    return out


def exported(model: lightgbm.Booster, width: int) -> bytes:
    """ONNX: ``input`` float32 [N, numbers] -> ``probabilities`` float32 [N, LABELS]."""
    graph = convert_lightgbm(
        model, initial_types=[("input", FloatTensorType([None, width]))], zipmap=False,
        target_opset=15,
    )  # fmt: skip
    # The label it would choose is of no use, and is chosen by another rule than ours.
    labels = [output for output in graph.graph.output if output.name != "probabilities"]
    for output in labels:
        graph.graph.output.remove(output)
    data: bytes = graph.SerializeToString()
    onnx.checker.check_model(onnx.load_from_string(data))
    return data


def card(table: Table, data: bytes, scores: Array, count: int) -> dict[str, Any]:
    """Where the model is from and what it is worth."""
    variants, kinds = table.column("variant"), table.column("kind")
    origins = table.column("origin")
    published = np.isin(variants, AS_PUBLISHED)
    monochrome = 1 - scores[:, 0]
    negative = published & (kinds == COLOUR)
    limit = float(np.quantile(monochrome[negative], 0.99))
    pictures = {tuple(row) for row in table.rows[:, 3:5]}
    return {
        "name": "monochrome",
        "does": "Tells pictures in one colour from pictures in colours, and what kind they are.",
        "input": "input",
        "output": "probabilities",
        "numbers": list(inputs(table)),
        "labels": list(LABELS),
        "sha256": hashlib.sha256(data).hexdigest(),
        "algorithm": "gradient-boosted trees (LightGBM)",
        "parameters": {**PARAMETERS, "rounds": ROUNDS},
        "trained_on": {
            "pictures": len(pictures),
            "samples": len(variants),
            "origins": {
                str(o): len({p for p in pictures if p[0] == o}) for o in np.unique(origins)
            },
            "made_by": "training/monochrome_variants.py",
            "licences": "of each picture, in its index; no picture is in the model",
        },
        "errors": {
            "how": f"each origin judged by a model trained on the others ({count} parts)",
            "min_score": MIN_SCORE,
            "false_positives": _share(monochrome[negative] >= MIN_SCORE),
            "threshold_at_1_percent": round(limit, 4),
            "found_at_1_percent": {
                str(name): _share(monochrome[variants == name] > limit)
                for name in np.unique(variants[(kinds != COLOUR) & (kinds != "") & ~published])
            },
            "found": {
                str(name): _share(monochrome[variants == name] >= MIN_SCORE)
                for name in np.unique(variants[(kinds != COLOUR) & (kinds != "") & ~published])
            },
            "wrongly_rejected": {
                str(name): _share(monochrome[(variants == name) & (kinds == COLOUR)] >= MIN_SCORE)
                for name in np.unique(variants[kinds == COLOUR])
            },
        },
    }


def _share(hits: Array) -> float:
    return round(float(np.mean(hits)), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", type=Path, nargs="+", help="index.csv of originals")
    parser.add_argument("--table", type=Path, required=True, help="folder that keeps the numbers")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("filters/models/monochrome.onnx"))
    given = parser.parse_args()
    table = measured(originals(given.index), SEED, given.table, given.processes)
    scores = crossed(table, given.folds)
    data = exported(fit(table), len(inputs(table)))
    told = card(table, data, scores, given.folds)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_bytes(data)
    given.out.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(told["errors"], indent=2))
    print(f"{len(data)} bytes")


if __name__ == "__main__":
    main()
