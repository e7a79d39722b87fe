"""What the pixels show of colour, in numbers: of two small copies of a picture, in OKLab.

A picture in one colour has one curve: its pixels' colour follows from their lightness, whatever
ink, paper, toning or gradient map made it. What departs from that curve is colour. Two copies see
two things. In the one of *means* noise has cancelled out. In the one of *points* every pixel is one
of the picture's own: thin coloured lines on white keep their colour there, and the dots of a
screentone lie on the curve, where their means would lie beside it.

Most numbers are of the ink alone, that is of what is not blank paper, however little that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from filters.monochrome.oklab import Floats, oklab
from filters.picture import SHARED_SIDE

if TYPE_CHECKING:
    from filters.picture import Picture

SIDE = 96
"""Longer side of the two copies that are looked at."""
BINS = 32
"""Steps of lightness in which the curve is followed."""
LEVELS = 1024
"""Steps of lightness in which it is looked up."""
TRUSTED = 0.85
"""Share of the pixels that the curve is drawn through: the rest may be a highlight in colour."""
BLACK, DARK = 0.1, 0.3
"""Lightness up to which no colour is seen, and from which all of it is."""
PAPER, THIN_PAPER = 0.05, 0.025
"""What is nearer than this to the paper is paper: of points, and of means, in which a thin line is
mostly paper but noise is less."""
LEAST_INK = 16
"""Pixels; where less is drawn, all pixels are looked at."""
OFF = 0.03
"""Distance from the curve at which a pixel is of another colour than the rest."""


def numbers(picture: Picture) -> dict[str, float]:
    """The numbers of a picture, by name, in the order in which the model takes them."""
    return numbers_of(*copies(picture))


def copies(picture: Picture) -> tuple[Image.Image, Image.Image]:
    """The small copy of means and the one of points, both 8-bit RGB."""
    return _means(picture), _points(picture)


def numbers_of(means: Image.Image, points: Image.Image) -> dict[str, float]:
    """The numbers of a picture that is seen in these two copies."""
    out: dict[str, float] = {}
    seen = {"mean": (_seen(means), THIN_PAPER), "point": (_seen(points), PAPER)}
    for prefix, (lab, tolerance) in seen.items():
        out |= {f"{prefix}_{name}": value for name, value in _of_copy(lab, tolerance).items()}
    out |= _of_cells(seen["mean"][0])
    out |= _of_mixtures(means)
    return {name: round(float(value), 5) for name, value in out.items()}


def _means(picture: Picture) -> Image.Image:
    small = picture.reduced(SHARED_SIDE)
    factor = -(-max(small.size) // SIDE)
    return (
        small
        if factor == 1
        else small.reduce((min(factor, small.width), min(factor, small.height)))
    )


def _points(picture: Picture) -> Image.Image:
    rgb = picture.rgb
    scale = SIDE / max(rgb.size)
    if scale >= 1:
        return rgb
    size = (max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale)))
    return rgb.resize(size, Image.Resampling.NEAREST)


def _seen(image: Image.Image) -> Floats:
    """OKLab, with the colour of what is nearly black faded: there it is noise and rounding."""
    lab = oklab(image)
    lab[..., 1:] *= np.clip((lab[..., :1] - BLACK) / (DARK - BLACK), 0, 1)
    return lab


def _of_copy(lab: Floats, tolerance: float) -> Mapping[str, float]:
    pixels = lab.reshape(-1, 3)
    paper, ink = _ink(pixels, tolerance)
    light, colour = ink[:, 0], ink[:, 1:]
    chroma = _length(colour)
    curve = Curve(light, colour)
    off = colour - curve.at(light)
    distance = _length(off)
    out = {
        "ink": len(ink) / len(pixels),
        "light_std": light.std(),
        "light_steps": _entropy(light),
        "a": colour[:, 0].mean(),
        "b": colour[:, 1].mean(),
        "chroma_mean": chroma.mean(),
        **_percentiles("chroma", chroma, (25, 50, 75, 90, 99)),
        **_percentiles("off", distance, (50, 75, 90, 95, 99)),
        "chroma_over_4": np.mean(chroma > 0.04),
        "chroma_over_8": np.mean(chroma > 0.08),
        "off_over_3": np.mean(distance > OFF),
        "off_over_6": np.mean(distance > 2 * OFF),
        "one_hue": _concentration(colour),
        "colours": _colours(colour),
        "off_one_hue": _concentration(off[distance > OFF]),
        **curve.numbers(),
    }
    everywhere = _length(pixels[:, 1:])
    out |= {
        "all_chroma_99": _ranked(everywhere, 99),
        "all_chroma_over_4": np.mean(everywhere > 0.04),
    }
    # How much colour there is for how much ink: a line a pixel wide is mostly paper in a copy, and
    # its colour and its darkness are thinned alike.
    depth = np.maximum(np.abs(light - paper[0]), PAPER)[:, None]
    tone = (colour - paper[1:]) / depth
    middle = np.array([_ranked(values, 50) for values in tone.T], np.float32)
    spread = _length(tone - middle)
    return out | {"tone": _length(middle), **_percentiles("tone_spread", spread, (50, 90, 98))}


def _ink(pixels: Floats, tolerance: float) -> tuple[Floats, Floats]:
    """The paper's colour (or the lightest there is), and the pixels that are not paper."""
    light = pixels[:, 0]
    lightest = _ranked(light, 98)
    near = np.abs(light - lightest) < tolerance
    paper = np.array([_ranked(values, 50) for values in pixels[near].T], np.float32)
    away = np.abs(light - paper[0]) >= tolerance
    away |= _length(pixels[:, 1:] - paper[1:]) >= tolerance
    if lightest < 0.7 or np.mean(~away) < 0.1:
        return paper, pixels
    ink = pixels[away]
    return paper, ink if len(ink) >= LEAST_INK else pixels


class Curve:
    """The colour that goes with each lightness, drawn through most of the pixels."""

    def __init__(self, light: Floats, colour: Floats) -> None:
        self._bins = _steps(light, BINS)
        self._draw(light, colour, np.ones(len(light), bool))
        if len(light) > BINS:
            off = _length(colour - self.at(light))
            self._draw(light, colour, off <= _ranked(off, 100 * TRUSTED))

    def _draw(self, light: Floats, colour: Floats, kept: np.ndarray) -> None:
        bins = self._bins[kept]
        count = np.bincount(bins, minlength=BINS)
        self._used = count > 0
        self._weight = count[self._used] / count.sum()
        self._light, self._a, self._b = (
            np.bincount(bins, values[kept], BINS)[self._used] / count[self._used]
            for values in (light, colour[:, 0], colour[:, 1])
        )

    def at(self, light: Floats) -> Floats:
        """a and b: pixels x 2."""
        levels = np.linspace(0, 1, LEVELS)
        table = np.stack([np.interp(levels, self._light, v) for v in (self._a, self._b)], axis=1)
        found: Floats = table.astype(np.float32)[_steps(light, LEVELS)]
        return found

    def numbers(self) -> dict[str, float]:
        """How colourful the curve is, how much its hue turns, and how smooth it is."""
        points = np.stack([self._a, self._b], axis=1)
        chroma = np.hypot(self._a, self._b)
        steps = np.hypot(*np.diff(points, axis=0).T) if len(points) > 1 else np.zeros(1)
        return {
            "curve_chroma": float(self._weight @ chroma),
            "curve_most": chroma.max(),
            "curve_one_hue": _concentration(points * self._weight[:, None]),
            "curve_length": steps.sum(),
            "curve_step": steps.max(),
            "curve_rough": self._rough(points),
        }

    def _rough(self, points: np.ndarray) -> float:
        """Root mean square distance of the curve from a parabola through it."""
        if len(points) < 4:
            return 0.0
        weight = np.sqrt(self._weight)[:, None]
        basis = np.stack([np.ones_like(self._light), self._light, self._light**2], axis=1)
        solved, *_ = np.linalg.lstsq(basis * weight, points * weight, rcond=None)
        return float(np.sqrt((((basis @ solved - points) * weight) ** 2).sum()))


def _of_cells(lab: Floats) -> dict[str, float]:
    """What is off the curve in means over squares of pixels: noise is not, colour is."""
    light = lab[..., 0].ravel()
    colour = lab[..., 1:].reshape(-1, 2)
    off = (colour - Curve(light, colour).at(light)).reshape(*lab.shape[:2], 2)
    out: dict[str, float] = {}
    for side in (4, 12):
        cells, chroma = (
            np.hypot(*np.moveaxis(_pooled(values, side), -1, 0)).ravel()
            for values in (off, lab[..., 1:])
        )
        out |= _percentiles(f"cell{side}_off", cells, (50, 90, 98, 100))
        out |= _percentiles(f"cell{side}_chroma", chroma, (2, 50, 90, 100))
        out[f"cell{side}_off_over_3"] = float(np.mean(cells > OFF / 2))
    return out


def _of_mixtures(means: Image.Image) -> dict[str, float]:
    """How far from one straight line in RGB the means lie.

    Of a drawing in two colours, whatever its dots and hatching, all means are mixtures of the two.
    """
    pixels = np.asarray(means).reshape(-1, 3).astype(np.float32) / 255
    pixels -= pixels.mean(axis=0)
    spread, axes = np.linalg.eigh(pixels.T @ pixels / len(pixels))
    along = pixels @ axes[:, 2:]
    off = np.sqrt(np.maximum((pixels**2).sum(axis=1) - along[:, 0] ** 2, 0))
    return {
        "line_length": np.sqrt(max(float(spread[2]), 0)),
        "line_share": float(spread[2]) / max(float(spread.sum()), 1e-6),
        **_percentiles("line_off", off, (50, 75, 90, 95, 99)),
    }


def _pooled(values: Floats, side: int) -> Floats:
    down, across = (range(0, length, side) for length in values.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1)
    rows = np.diff([*down, values.shape[0]])
    columns = np.diff([*across, values.shape[1]])
    means: Floats = sums / np.outer(rows, columns)[..., None]
    return means


def _percentiles(name: str, values: Floats, wanted: tuple[int, ...]) -> dict[str, float]:
    ordered = np.sort(values)
    ranks = [(len(ordered) - 1) * share // 100 for share in wanted]
    return {
        f"{name}_{share}": float(ordered[rank]) for share, rank in zip(wanted, ranks, strict=True)
    }


def _concentration(colour: Floats) -> float:
    """1 where all colour is of one hue, 0 where hues cancel out or nothing has colour."""
    total = _length(colour).sum()
    return float(np.hypot(*colour.sum(axis=0)) / total) if total > 1e-3 else 0.0


def _colours(colour: Floats) -> int:
    """How many patches of the plane of a and b, 0.05 wide, hold a hundredth of the pixels."""
    patch = np.rint(colour * 20).astype(np.int32) @ np.array((64, 1))
    counts = np.bincount(patch - patch.min())
    return int(np.count_nonzero(counts > len(colour) / 100))


def _entropy(light: Floats) -> float:
    """How many steps of lightness are in use, of 32: 5 bits where all are alike, 0 for one."""
    share = np.bincount(_steps(light, 32)) / len(light)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def _steps(light: Floats, count: int) -> np.ndarray:
    return np.clip((light * count).astype(np.int32), 0, count - 1)


def _ranked(values: Floats, share: float) -> float:
    """A percentile that is one of the values."""
    rank = int((len(values) - 1) * share / 100)
    return float(np.partition(values, rank)[rank])


def _length(colour: Floats) -> Floats:
    """Of (a, b) in the last axis."""
    length: Floats = np.sqrt(colour[..., 0] ** 2 + colour[..., 1] ** 2)
    return length
