"""The heads: trees that judge by what the network and the hand-made numbers say together.

One for interpolation, one for AI upscalers, each against native pictures, and one for the factor.
They are trained on the origins of one fold, their thresholds are read off another, and the tables
are made on the third.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TypeAlias

import lightgbm
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from benchmarks.accuracy import limit_at, recall_at
from filters.upscale import evidence
from training import cache
from training.sources import held_out
from training.upscale_cnn import TileNet, export, outputs

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

TREES = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 20,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbosity": -1,
    "num_threads": 2,
    "deterministic": True,
    "seed": 1,
}
ALLOWED = {"interpolated": 0.01, "ai": 0.02}
"""Share of native pictures a head may be wrong about."""


CALLED = 0.99
"""The raw score from which on a picture is called interpolated: nearly all are above it, and native
pictures drawn by code, which are few in training, come up to it."""
BLANK = 0.5
"""Detail (log10 of the mean squared step) under which nothing at all is said."""
MOST_NATIVE = 0.4
"""The score from which on a picture is not called native."""


def numbers(samples: cache.Samples, net: TileNet) -> Floats:
    """n x numbers, as the detector makes them."""
    answers = outputs(net, samples.tiles)
    rows = [
        evidence.evidence(one, tiles) for one, tiles in zip(answers, samples.tiles, strict=True)
    ]
    assert samples.numbers is not None
    return np.concatenate([np.stack(rows), samples.numbers], axis=1).astype(np.float32)


def fitted(x: Floats, y: Any, weights: Any, trees: int, **over: Any) -> lightgbm.Booster:
    data = lightgbm.Dataset(x, y, weight=weights)
    return lightgbm.train({**TREES, **over}, data, num_boost_round=trees)


def weights(samples: cache.Samples, chosen: Any, labels: Any) -> Any:
    """Both answers alike, photographs 0.4 and drawings 0.6, every source alike within them."""
    out = np.zeros(len(labels))
    photos, sources = samples.column("kind") == "photo", samples.column("source")
    for answer in (False, True):
        for photo in (False, True):
            rows = chosen & (labels == answer) & (photos == photo)
            if rows.any():
                _, inverse, counts = np.unique(
                    sources[rows], return_inverse=True, return_counts=True
                )
                each = 1 / np.sqrt(counts[inverse])
                out[rows] = (0.4 if photo else 0.6) * each / each.sum()
    return out * chosen.sum() / out.sum()


def knots(head: str, raw: Any) -> dict[str, list[float]]:
    """Raw scores and what they become, by shares of native pictures: 0.5 is called upscaled."""
    allowed = ALLOWED[head]
    points = [(0.0, 0.0), (1.0, 1.0)]
    if head == "interpolated":
        points += [(limit_at(raw, 4 * allowed), 0.15), (limit_at(raw, allowed), 0.3), (CALLED, 0.5)]
    else:
        for score, share in ((0.25, 4 * allowed), (0.5, allowed), (0.75, allowed / 5)):
            points.append((limit_at(raw, share), score))
    # Few natives may put two shares at one score: then the lower stands for both.
    raws: list[float] = []
    scores: list[float] = []
    for value, score in sorted(points):
        if not raws or value > raws[-1] + 1e-6:
            raws.append(round(value, 6))
            scores.append(score)
    return {"raw": raws, "score": scores}


class Heads:
    """The three boosters, trained on one set of rows."""

    def __init__(self, x: Floats, samples: cache.Samples, rows: Any) -> None:
        labels, y = samples.column("label"), {}
        self.boosters = {}
        for head, label in (("interpolated", "interpolated"), ("ai", "ai")):
            own = rows & np.isin(labels, ["native", label])
            y[head] = (labels == label)[own]
            self.boosters[head] = fitted(
                x[own], y[head], weights(samples, own, labels == label)[own], 400
            )
        up = rows & (labels != "native")
        target = np.log2(samples.column("factor").astype(float))
        self.boosters["log2_factor"] = fitted(
            x[up], target[up], None, 300, objective="regression_l1"
        )
        made = rows & (labels == "ai")
        sources, kinds = samples.column("source"), samples.column("kind")
        self.told = {
            "originals": {
                str(kind): len(set(sources[rows & (kinds == kind)])) for kind in np.unique(kinds)
            },
            "samples": int(rows.sum()),
            "of_ai_upscales": int(made.sum()),
            "families": sorted(map(str, set(samples.column("family")[made]))),
        }

    def scores(self, x: Floats) -> dict[str, Any]:
        return {name: booster.predict(x) for name, booster in self.boosters.items()}

    def export(self, path: Path, count: int) -> None:
        """One ONNX graph: ``numbers`` float32 n x count to an output per head."""
        graphs = {name: _graph(booster, count, name) for name, booster in self.boosters.items()}
        nodes = [node for graph in graphs.values() for node in graph]
        model = helper.make_model(
            helper.make_graph(
                nodes, "upscale_heads",
                [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, count])],
                [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, None]) for n in graphs],
            ),
            opset_imports=[helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)],
            ir_version=9,
        )  # fmt: skip
        onnx.save(model, str(path))


def _graph(booster: lightgbm.Booster, count: int, name: str) -> list[Any]:
    """A booster's trees as one regressor node, and the sigmoid where it is a classifier."""
    types = [("numbers", FloatTensorType([None, count]))]
    kind = booster.params["objective"]
    booster.params["objective"] = "regression"
    text = booster.model_to_string().replace("objective=binary sigmoid:1", "objective=regression")
    plain = lightgbm.Booster(model_str=text)
    model = convert_lightgbm(plain, initial_types=types, target_opset=15, zipmap=False)
    trees = next(node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    trees.input[0], trees.output[0], trees.name = "numbers", f"{name}_raw", f"{name}_trees"
    last = "Sigmoid" if kind == "binary" else "Identity"
    return [trees, helper.make_node(last, [f"{name}_raw"], [name], name=name)]


def told(name: str, raw: dict[str, Any], samples: cache.Samples, rows: Any) -> list[str]:
    """Recall on some rows, at thresholds of these very rows."""
    labels, kinds = samples.column("label"), samples.column("kind")
    factors, sources = samples.column("factor"), samples.column("source")
    seen = ~np.isin(samples.column("family"), list(held_out()))
    groups = (
        ("interpolated 2x-4x", "interpolated", (labels == "interpolated") & (factors >= 2)),
        ("interpolated 1.25x-1.5x", "interpolated", (labels == "interpolated") & (factors < 2)),
        ("AI, seen", "ai", (labels == "ai") & seen),
        ("AI, held out", "ai", (labels == "ai") & ~seen),
    )
    lines = []
    for kind in ("photo", "illustration"):
        natives = rows & (labels == "native") & (kinds == kind)
        for what, head, chosen_rows in groups:
            own = rows & chosen_rows & (kinds == kind)
            rate = recall_at(
                raw[head][natives], sources[natives], raw[head][own], sources[own], ALLOWED[head]
            )
            lines.append(f"{name}, {kind}, {what}: {rate}, n {rate.sources}/{rate.samples}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, help="what training.upscale_cnn wrote")
    parser.add_argument("--drawn", type=Path, required=True, help="cache of drawn samples")
    parser.add_argument("--grid", type=Path, required=True, help="cache of the grid of the tables")
    parser.add_argument("--out", type=Path, help="folder for upscale_tiles and upscale_heads")
    given = parser.parse_args()
    net = TileNet()
    net.load_state_dict(torch.load(given.network, weights_only=True))
    net.eval()
    drawn = cache.load([given.drawn], numbers=True)
    heads = Heads(numbers(drawn, net), drawn, drawn.of_fold("train"))
    grid = cache.load([given.grid], numbers=True)
    x = numbers(grid, net)
    raw = heads.scores(x)
    detail = x[:, evidence.NAMES.index("detail")]
    labels = grid.column("label")
    for fold in ("tune", "test"):
        print("\n".join(told(fold, raw, grid, grid.of_fold(fold, unseen=True))))
    natives = grid.of_fold("tune") & (labels == "native")
    least = float(np.round(np.percentile(detail[natives], 4), 2))
    sure = natives & (detail >= least)
    card = {
        "trained_on": heads.told,
        "blank": BLANK,
        "least_detail": least,
        "most_native": MOST_NATIVE,
        "calibration": {head: knots(head, raw[head][sure]) for head in ALLOWED},
    }
    print(json.dumps(card))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        export(net, given.out / "upscale_tiles.onnx", evidence.TILE)
        heads.export(given.out / "upscale_heads.onnx", x.shape[1])
        path = given.out / "upscale_heads.json"
        # What is told in words there is kept.
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(before | card, indent=1) + "\n")


if __name__ == "__main__":
    main()
