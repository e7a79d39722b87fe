"""The network that looks at single tiles: native, interpolated or made up, and by how much."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training import cache
from training.samples import LABELS

SHARES = (0.42, 0.25, 0.33)
"""How often each of ``LABELS`` is shown."""
PHOTOS = 0.35
"""The share of photographs among them; drawings are harder to tell."""


class TileNet(nn.Module):
    """Luma tiles (n x 1 x S x S, 0 to 255) to n x 4: a logit per label, and log2 of the factor.

    Pixels are folded two by two into channels first: nothing is lost, and the convolutions, which
    are all the cost, run at half the size. What is pooled are means and deviations: how much of a
    tile looks like something, and how evenly.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        middle, deep = width * 5 // 4, width * 2
        self.first = nn.Sequential(_conv(4, width), _conv(width, middle, stride=2))
        self.second = nn.Sequential(_conv(middle, deep, stride=2))
        self.third = _conv(deep, deep)
        self.head = nn.Sequential(
            nn.Linear(2 * (middle + deep), 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4)
        )

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        centred = (tiles - tiles.mean((2, 3), keepdim=True)) / 32.0
        middle = self.first(functional.pixel_unshuffle(centred, 2))
        deep = self.second(middle)
        deep = deep[:, :, 1:-1, 1:-1] + self.third(deep)
        pooled = torch.cat([_mean_and_deviation(middle), _mean_and_deviation(deep)], dim=1)
        return self.head(pooled)  # type: ignore[no-any-return]


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


def _mean_and_deviation(maps: torch.Tensor) -> torch.Tensor:
    mean = maps.mean((2, 3))
    square = (maps * maps).mean((2, 3))
    return torch.cat([mean, torch.sqrt(torch.relu(square - mean * mean) + 1e-4)], dim=1)


def train(
    folders: list[Path], minutes: float, *, seed: int = 1, batch: int = 256, threads: int = 1
) -> TileNet:
    """Train for a while on the tiles of the folders; the seed fixes the order, not the stop."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    net = TileNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    labels, factors, weights, tiles_of = _read(folders)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    began, step, seen, shown = time.monotonic(), 0, 0.0, 0
    net.train()
    while (spent := (time.monotonic() - began) / 60) < minutes:
        share = spent / minutes
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1, step / 100) * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-5
        rows = rng.choice(len(labels), batch, p=weights)
        places = rng.integers(0, tiles_of.shape[1], batch)
        tiles = torch.from_numpy(_turned(tiles_of[rows, places], rng)).float()[:, None]
        out = net(tiles)
        truth = torch.from_numpy(labels[rows])
        loss = functional.cross_entropy(out[:, :3], truth, label_smoothing=0.02)
        off = functional.smooth_l1_loss(out[:, 3], torch.from_numpy(factors[rows]), beta=0.2)
        (loss + off).backward()
        optimiser.step()
        optimiser.zero_grad()
        step, seen, shown = step + 1, seen + float(loss.detach()), shown + 1
        if step % 100 == 0:
            print(f"{spent:.1f} min, step {step}: loss {seen / shown:.3f}", flush=True)
            seen, shown = 0.0, 0
    return net.eval()


def _read(folders: list[Path]) -> tuple[Any, Any, Any, Any]:
    """Labels, log2 factors, weights and tiles of all samples that may be learned from."""
    samples = cache.load(folders)
    own = samples.of_fold("train")
    labels = np.array([LABELS.index(name) for name in samples.column("label")])[own]
    factors = np.log2(samples.column("factor").astype(np.float32))[own]
    photos = (samples.column("kind") == "photo")[own]
    weights = _weights(labels, photos, samples.column("source")[own])
    print(f"{len(labels)} samples: {np.bincount(labels)}", flush=True)
    return labels, factors, weights, samples.tiles[own]


def _weights(labels: Any, photos: Any, sources: Any) -> Any:
    """Each label its share, photographs and drawings alike, each source alike within them."""
    weights = np.zeros(len(labels))
    for label, share in enumerate(SHARES):
        for photo, part in ((True, PHOTOS), (False, 1 - PHOTOS)):
            chosen = (labels == label) & (photos == photo)
            if not chosen.any():
                continue
            _, inverse, counts = np.unique(sources[chosen], return_inverse=True, return_counts=True)
            each = 1 / counts[inverse]
            weights[chosen] = share * part * each / each.sum()
    return weights / weights.sum()


def _turned(tiles: Any, rng: np.random.Generator) -> Any:
    turn = int(rng.integers(0, 8))
    tiles = np.rot90(tiles, turn % 4, (1, 2))
    tiles = tiles[:, :, ::-1] if turn >= 4 else tiles
    return np.ascontiguousarray(tiles)


@torch.no_grad()
def outputs(net: TileNet, tiles: Any) -> Any:
    """n x tiles x 4 of n x tiles x S x S."""
    flat = tiles.reshape(-1, 1, *tiles.shape[2:])
    parts = [
        net(torch.from_numpy(flat[start : start + 512]).float()).numpy()
        for start in range(0, len(flat), 512)
    ]
    return np.concatenate(parts).reshape(*tiles.shape[:2], 4)


def export(net: TileNet, path: Path, side: int) -> None:
    """Write the network as ONNX: ``tiles`` uint8 n x S x S to ``answers`` float32 n x 4."""

    class _Face(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, tiles: torch.Tensor) -> torch.Tensor:
            return self.net(tiles.float()[:, None])  # type: ignore[no-any-return]

    example = torch.zeros(4, side, side, dtype=torch.uint8)
    torch.onnx.export(
        _Face().eval(), (example,), str(path), input_names=["tiles"], output_names=["answers"],
        dynamic_axes={"tiles": {0: "n"}, "answers": {0: "n"}}, dynamo=False,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    net = train(given.cache, given.minutes, seed=given.seed, threads=given.threads)
    torch.save(net.state_dict(), given.out)


if __name__ == "__main__":
    main()
