"""Whole rows and columns of a picture, and what an enlargement leaves in them.

An enlargement by any factor is periodic over the whole picture: what is lost in one place is found
again in the next. So these are lines from edge to edge, a fixed amount of pixels however large the
picture is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Levels: TypeAlias = np.ndarray[Any, np.dtype[np.int16]]

PIXELS = 128 * 1024
"""About how many are read in either direction."""
FEWEST, MOST = 48, 256
"""Lines: more tell nothing new."""
ROUGHEST = 17
"""The largest prime factor of how many there are: a transform of 107 takes thrice one of 105."""
REACH = 12
"""Pairs of coefficients that are compared about every centre."""
TYPICAL = 17
"""Coefficients over which their usual size is taken."""
CLIP = 2.0
"""Times their usual size: what is larger counts no more."""
FARTHEST, NEAREST = 4.6, 1.17
"""The factors that are looked for."""
FACTORS = (1.25, 4 / 3, 1.5, 1.6, 2.0, 2.5, 3.0, 4.0)
BINS = 384
"""Places, evenly spaced, at which rows and columns are compared."""
BLOCK = 8
"""A JPEG's blocks: they too are periodic."""
CAP = 32
"""Grey levels above which a bend of the luma counts no more."""
SPACINGS = (8, 10, 12, 16, 20, 24, 32)
"""Pixels between the edges of blocks, as coded or as enlarged since."""


@dataclass(frozen=True)
class _Direction:
    """What one direction shows, over its own frequencies."""

    length: int
    opposed: Floats
    """By centre: how far what lies about it is mirrored with the sign turned, -1 to 1."""
    bends: Floats
    """By frequency, 0 to half a cycle per pixel: log10 of strength over what is usual nearby."""


def rows(rgb: Image.Image) -> Levels:
    """Evenly spaced rows of luma, lines x width."""
    return np.asarray(_picked(rgb, (rgb.width, _lines(*rgb.size)))).astype(np.int16)


def columns(rgb: Image.Image) -> Levels:
    """Evenly spaced columns of luma, lines x height."""
    picked = _picked(rgb, (_lines(rgb.height, rgb.width), rgb.height))
    return np.ascontiguousarray(np.asarray(picked).T).astype(np.int16)


def _picked(rgb: Image.Image, size: tuple[int, int]) -> Image.Image:
    return rgb.resize(size, Image.Resampling.NEAREST).convert("L")


def _lines(length: int, across: int) -> int:
    """How many lines of this length are read, of as many as there are."""
    count = max(min(FEWEST, across), min(MOST, across, PIXELS // length))
    while _largest_factor(count) > ROUGHEST:
        count -= 1
    return count


def _largest_factor(number: int) -> int:
    factor = 2
    while factor * factor <= number:
        if number % factor:
            factor += 1
        else:
            number //= factor
    return number


def cosines(lines: Floats) -> Floats:
    """The DCT-II of every line, not scaled.

    By one real FFT of half the usual length: Makhoul, "A fast cosine transform in one and two
    dimensions", IEEE TASSP 28 (1980).
    """
    length = lines.shape[1]
    shuffled = np.concatenate([lines[:, ::2], lines[:, 1::2][:, ::-1]], axis=1)
    half = np.fft.rfft(shuffled) * _turns(length)
    found = np.empty(lines.shape, np.float32)
    found[:, : half.shape[1]] = half.real
    found[:, half.shape[1] :] = -half.imag[:, 1 : length - half.shape[1] + 1][:, ::-1]
    return found


@cache
def _turns(length: int) -> np.ndarray[Any, np.dtype[np.complex64]]:
    quarter = np.arange(length // 2 + 1) / (2 * length)
    found: np.ndarray[Any, np.dtype[np.complex64]] = np.exp(-1j * np.pi * quarter)
    return found.astype(np.complex64)


def opposition(lines: Levels) -> Floats:
    """By centre, over the coefficients: how far they are mirrored with the sign turned, -1 to 1.

    What an enlargement makes up beyond the old picture's highest frequency mirrors what lies
    below, with the sign turned: the idea of resdet (github.com/0x09/resdet), which counts signs.
    The lines are turned into cosines of lines first, so that each of them says something new.
    Zero where no centre can be.
    """
    length = lines.shape[1]
    found = np.zeros(length, np.float32)
    first = max(REACH + 1, int(length / FARTHEST))
    last = min(length - REACH, int(length / NEAREST) + 1)
    if first >= last:
        return found
    wide = cosines(lines.astype(np.float32))[:, first - REACH : last + REACH]
    plane = cosines(np.ascontiguousarray(wide.T))
    size = np.sqrt(np.einsum("kl,kl->k", plane, plane) / plane.shape[1])
    size = _smooth(size, TYPICAL) + 1e-3
    plane *= (1 / size)[:, None]
    np.clip(plane, -CLIP, CLIP, out=plane)
    count = last - first
    for reach in range(1, REACH + 1):
        beyond, below = plane[REACH + reach :][:count], plane[REACH - reach :][:count]
        found[first:last] -= np.einsum("kl,kl->k", beyond, below)
    found /= REACH * plane.shape[1]
    return found


def bends(lines: Levels) -> Floats:
    """The spectrum of how much the luma bends at each place along the lines.

    Where a pixel of an enlargement lies between two of the old ones it bends less than where it
    lies on one: Gallagher, "Detection of linear and cubic interpolation in JPEG compressed
    images", CRV 2005. Relative to the median of frequencies nearby, half a cycle at the end.
    """
    found = np.zeros(lines.shape[1], np.float32)
    bend = np.abs(2 * lines[:, 1:-1] - lines[:, :-2] - lines[:, 2:])
    found[1:-1] = np.minimum(bend, CAP, out=bend).sum(axis=0, dtype=np.int32) / len(lines)
    found[0], found[-1] = found[1], found[-2]
    power = np.abs(np.fft.rfft(found / (_smooth(found, 33) + 0.05)))
    strength: Floats = np.log10(power / (_usual(power) + 1e-6) + 1e-2)
    return strength


def _smooth(values: Floats, width: int) -> Floats:
    padded = np.pad(values, width // 2, mode="edge")
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    found: Floats = ((sums[width:] - sums[:-width]) / width).astype(np.float32)
    return found


def _usual(power: Floats) -> Floats:
    """The median of every 16th of the frequencies, joined by lines."""
    parts = np.array_split(power, 16)
    middles = np.cumsum([part.size for part in parts]) - [part.size / 2 for part in parts]
    # Sixteen calls of numpy's own median would take longer than the transform.
    ordered = [np.sort(part) for part in parts]
    medians = [(part[part.size // 2] + part[(part.size - 1) // 2]) / 2 for part in ordered]
    found: Floats = np.interp(np.arange(power.size), middles, medians).astype(np.float32)
    return found


MIRROR, BEND, BOTH = "mirror", "bend", "both"
NAMES = (
    *(f"{kind}_{what}" for kind in (MIRROR, BEND, BOTH) for what in ("best", "where", "second")),
    *(f"{kind}_{what}" for kind in (MIRROR, BEND, BOTH) for what in ("clear", "any", "any_where")),
    *(f"{kind}_{side}" for kind in (MIRROR, BEND) for side in ("weaker", "stronger")),
    *(f"{kind}_at_{round(100 * factor)}" for kind in (MIRROR, BEND) for factor in FACTORS),
    "mirror_spread",
    "bend_half",
    *(f"blocks_{spacing}" for spacing in SPACINGS),
)


def measure(rgb: Image.Image) -> list[float]:
    """The numbers of ``NAMES``, of a picture with no side under 64 pixels."""
    found = [_Direction(line.shape[1], opposition(line), bends(line)) for line in _both(rgb)]
    shares = np.linspace(1 / FARTHEST, 1 / NEAREST, BINS).astype(np.float32)
    # A period of so many pixels shows at its frequency, folded back at half a cycle per pixel.
    folded = np.minimum(shares, 1 - shares)
    opposed = [s.opposed for s in found]
    spread = float(np.mean([o[o != 0].std() if o.any() else 0 for o in opposed])) + 1e-3
    curves = []
    for clean in (True, False):
        mirror = [_nearby(_clean(s.opposed, s.length, 3, clean), shares, s.length) for s in found]
        bend = [_nearby(_clean(s.bends, s.length, 2, clean), folded, s.length) for s in found]
        mean = np.mean(mirror, axis=0), np.mean(bend, axis=0)
        curves.append((*mean, mean[0] / spread / 4 + mean[1]))
        if clean:
            alone = [float(c.max()) for pair in (mirror, bend) for c in pair]
    peaks = [_peak(curve, shares) for curve in curves[0]]
    anywhere = [_peak(curve, shares) for curve in curves[1]]
    common = np.asarray([1 / factor for factor in FACTORS], np.float32)
    near = [[_at(s.opposed, common, s.length) for s in found]]
    near += [[_at(s.bends, np.minimum(common, 1 - common), s.length) for s in found]]
    numbers = [number for best, where, second, _ in peaks for number in (best, where, second)]
    for (*_, clear), (best, where, *_) in zip(peaks, anywhere, strict=True):
        numbers += [clear, best, where]
    numbers += [*sorted(alone[:2]), *sorted(alone[2:])]
    numbers += [float(value) for values in near for value in np.mean(values, axis=0)]
    numbers += [spread, float(np.mean([s.bends[-1] for s in found]))]
    for spacing in SPACINGS:
        harmonics = np.asarray([k / spacing for k in (1, 2, 3)], np.float32)
        numbers.append(float(np.mean([_at(s.bends, harmonics, s.length) for s in found])))
    return numbers


def _both(rgb: Image.Image) -> tuple[Levels, Levels]:
    return rows(rgb), columns(rgb)


def _clean(values: Floats, length: int, reach: int, clean: bool) -> Floats:
    """With what whole JPEG blocks could have made put to nothing, where that is wanted."""
    if not clean:
        return values
    found = values.copy()
    for eighth in range(1, BLOCK):
        middle = round(eighth * length / BLOCK)
        found[max(0, middle - reach) : middle + reach + 1] = 0
    return found


def _peak(curve: Floats, shares: Floats) -> tuple[float, float, float, float]:
    """The highest value, where it is, the next one elsewhere, and how far it stands out."""
    best = int(np.argmax(curve))
    rest = curve.copy()
    rest[max(0, best - 4) : best + 5] = curve.min()
    ordered = np.sort(curve)
    usual, high, low = ordered[BINS // 2], ordered[BINS * 9 // 10], ordered[BINS // 10]
    clear = (curve[best] - usual) / (high - low + 1e-3)
    return float(curve[best]), float(shares[best]), float(rest.max()), float(clear)


def _at(values: Floats, places: Floats, length: int) -> Floats:
    """The largest of the three values about every place, given as a share of ``length``."""
    middle = np.rint(places * length).astype(int)
    found: Floats = values[_within(middle[:, None] + (-1, 0, 1), values.size)].max(axis=1)
    return found


def _nearby(values: Floats, shares: Floats, length: int) -> Floats:
    """The largest value about every share: as wide as shares lie apart, and one more."""
    width = 1 + int(abs(shares[1] - shares[0]) * length / 2)
    middle = np.rint(shares * length).astype(int)
    near = middle[:, None] + np.arange(-width, width + 1)
    found: Floats = values[_within(near, values.size)].max(axis=1)
    return found


def _within(places: Any, size: int) -> Any:
    return np.clip(places, 0, size - 1)
