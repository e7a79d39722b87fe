"""What tells whether the larger of two copies holds more than the smaller: some forty numbers.

A small copy holds no frequencies above its own Nyquist limit. What the large copy has up there
(the extra band) was either there first, or was made: by interpolation, which leaves next to
nothing or a linear image of the small copy; by sharpening, which is linear, too; by a network,
which draws crisp edges where the small copy has soft ones and leaves the rest smooth; by noise,
which is the same everywhere. On the other side, a small copy made from the large one is what the
large one becomes when it is made small, but for its codec's rounding; a true small copy is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from filters.true_copy.blocks import blockiness, off_grid, quantised_step, step_errors

if TYPE_CHECKING:
    from filters.picture import Picture
    from filters.true_copy.pairs import Places

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]
Complexes: TypeAlias = np.ndarray[Any, np.dtype[np.complex64]]

NAMES = (
    "factor", "small_step", "large_step", "detail", "flat_share",
    "extra", "extra_most", "extra_least", "extra_lanczos", "extra_bilinear",
    "extra_across", "extra_down", "extra_diagonal", "extra_far", "extra_density",
    "below_nyquist", "across_nyquist", "slope",
    "enlarged", "enlarged_share", "enlarged_gap", "enlarged_nearest",
    "linear_left", "linear_left_far", "crisp_gain", "linear_left_density",
    "inner_left", "inner_left_share", "left_white", "left_peaked", "left_on_edges", "left_flat",
    "left_tiles", "left_sparse", "left_follows", "upper_left_share",
    "floor", "small_floor", "edges", "edges_over_small",
    "small_webp", "large_webp",
    "reduced", "reduced_share", "reduced_gap", "reduced_box",
    "unreduced", "unreduced_share", "unreduced_steps", "unreduced_beyond", "unreduced_on_edges",
    "small_top", "small_blocks", "reduced_blocks", "off_grid",
)  # fmt: skip
"""The names of :func:`numbers`'s numbers, in their order. Energies and ratios are log10."""

LEAST = 0.02
"""Squared grey levels that are added to energies: rounding's own are 0.08."""


def numbers(small: Picture, large: Picture, found: Places) -> Floats:
    """One number for each of :data:`NAMES`, all finite."""
    bands = _Bands(found.factor, found.large.shape[1])
    spectrum = _Spectra(found, bands)
    told = {
        "factor": np.log2(found.factor),
        "small_step": quantised_step(small.quantization),
        "large_step": quantised_step(large.quantization),
        "small_webp": float(small.format == "webp"),
        "large_webp": float(large.format == "webp"),
        **_of_extra_band(spectrum, bands),
        **_of_enlarging(found),
        **_of_what_is_left(found, spectrum, bands),
        **_of_reducing(small, found),
        **_of_each(found),
    }
    return np.array([told[name] for name in NAMES], np.float32)


class _Bands:
    """Which frequencies of squares of the large copy lie where, by the small copy's Nyquist."""

    def __init__(self, factor: float, side: int) -> None:
        down = np.abs(np.fft.fftfreq(side))[:, None]
        across = np.fft.rfftfreq(side)[None, :]
        nyquist = 0.5 / factor
        highest = np.maximum(down, across)
        beyond = min(1.1 * nyquist, 0.47)
        self.extra = highest > beyond
        self.near = self.extra & (highest <= max(1.6 * nyquist, 0.49))
        self.far = highest > min(1.6 * nyquist, 0.45)
        self.across = (across > beyond) & (down < nyquist)
        self.down = (down > beyond) & (across < nyquist)
        self.diagonal = (down > beyond) & (across > beyond)
        self.inner = (highest > 0.4 * nyquist) & (highest < 0.9 * nyquist)
        self.upper = (highest > 0.7 * nyquist) & (highest < 0.95 * nyquist)
        self.lower = (highest > 0.45 * nyquist) & (highest <= 0.7 * nyquist)


class _Spectra:
    """Spectra of the places, of both copies, on one grid; the mean is taken off."""

    def __init__(self, found: Places, bands: _Bands) -> None:
        side = found.large.shape[1]
        line = np.hanning(side + 2)[1:-1].astype(np.float32)
        self.window = line[:, None] * line[None, :]
        self.norm = float((self.window**2).sum())
        self.large = self.of(found.large)
        self.enlarged = np.stack([self.of(stack) for stack in found.enlarged])
        self.bands = bands

    def of(self, luma: Floats) -> Complexes:
        centred = luma - luma.mean(axis=(1, 2), keepdims=True)
        spectrum: Complexes = np.fft.rfft2(centred * self.window).astype(np.complex64)
        return spectrum

    def energy(self, spectrum: Complexes, band: Any) -> Floats:
        """Mean squared grey levels per frequency of a band, of each place."""
        within = spectrum[..., band]
        power = within.real**2 + within.imag**2
        density: Floats = power.mean(axis=-1) / self.norm
        return density


def _log(energy: Any) -> Any:
    return np.log10(energy + LEAST)


def _of_extra_band(spectra: _Spectra, bands: _Bands) -> dict[str, float]:
    bilinear, bicubic, lanczos = spectra.enlarged[1:]
    extra = spectra.energy(spectra.large, bands.extra)
    ratio = _log(extra) - _log(spectra.energy(bicubic, bands.extra))
    out = {
        "extra": float(_log(extra.mean()) - _log(spectra.energy(bicubic, bands.extra).mean())),
        "extra_most": float(np.percentile(ratio, 80)),
        "extra_least": float(np.percentile(ratio, 20)),
        "extra_density": float(_log(extra.mean())),
    }
    for name, other in (("bilinear", bilinear), ("lanczos", lanczos)):
        made = spectra.energy(other, bands.extra).mean()
        out[f"extra_{name}"] = float(_log(extra.mean()) - _log(made))
    for name in ("across", "down", "diagonal", "far"):
        band = getattr(bands, name)
        there = spectra.energy(spectra.large, band).mean()
        out[f"extra_{name}"] = float(_log(there) - _log(spectra.energy(bicubic, band).mean()))
    upper = spectra.energy(spectra.large, bands.upper).mean()
    out["below_nyquist"] = float(_log(upper) - _log(spectra.energy(lanczos, bands.upper).mean()))
    near = spectra.energy(spectra.large, bands.near).mean()
    lower = spectra.energy(spectra.large, bands.lower).mean()
    out["across_nyquist"] = float(_log(near) - _log(upper))
    out["slope"] = float(_log(upper) - _log(lower))
    return out


def _of_enlarging(found: Places) -> dict[str, float]:
    """How far the large copy is from the small one, enlarged by the kernel that fits best."""
    large = found.large - found.large.mean(axis=(1, 2), keepdims=True)
    errors = [
        float(np.mean((stack - stack.mean(axis=(1, 2), keepdims=True) - large) ** 2))
        for stack in found.enlarged
    ]
    ranked = sorted(errors)
    fine = float(np.mean(_bends(large) ** 2))
    return {
        "enlarged": float(_log(ranked[0])),
        "enlarged_share": float(_log(ranked[0]) - _log(fine)),
        "enlarged_gap": float(_log(ranked[1]) - _log(ranked[0])),
        "enlarged_nearest": float(_log(errors[0]) - _log(ranked[0])),
    }


def _bends(luma: Floats) -> Floats:
    """Second differences, in both directions."""
    across = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    down = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    found: Floats = (across + down) / 4 - luma[:, 1:-1, 1:-1]
    return found


def _of_what_is_left(found: Places, spectra: _Spectra, bands: _Bands) -> dict[str, float]:
    """What of the large copy no linear enlargement of the small one explains, and its shape."""
    bicubic = found.enlarged[2]
    crisp, soft = _toggled(bicubic, found.factor)
    basis = np.concatenate([spectra.enlarged, spectra.of(soft)[None], spectra.of(crisp)[None]])
    linear = basis[:-1]
    weights, share = _weights(spectra.large, linear, bands.extra)
    inner, inner_share = _weights(spectra.large, linear, bands.inner)
    left = spectra.large - np.tensordot(weights.astype(np.float32), linear, 1)
    inner_left = spectra.large - np.tensordot(inner.astype(np.float32), linear, 1)
    density = spectra.energy(left, bands.extra)
    out = {
        "linear_left": share,
        "linear_left_far": _weights(spectra.large, linear, bands.far)[1],
        "crisp_gain": share - _weights(spectra.large, basis, bands.extra)[1],
        "linear_left_density": float(_log(density.mean())),
        "inner_left": float(_log(spectra.energy(inner_left, bands.inner).mean())),
        "inner_left_share": inner_share,
        "upper_left_share": _weights(spectra.large, linear, bands.upper)[1],
    }
    near = spectra.energy(left, bands.near).mean()
    far = spectra.energy(left, bands.far).mean()
    out["left_white"] = float(_log(far) - _log(near))
    out["left_tiles"] = float(np.percentile(_log(density), 80) - np.percentile(_log(density), 20))
    pixels = np.fft.irfft2(left * bands.extra, s=found.large.shape[1:]).astype(np.float32)
    edge_of_places = found.large.shape[1] // 8
    middle = slice(edge_of_places, -edge_of_places)
    pixels, ground = pixels[:, middle, middle], bicubic[:, middle, middle]
    power = pixels**2
    out["left_peaked"] = float(np.log10((power**2).mean() / (power.mean() + 1e-3) ** 2 + 1e-3))
    slope = np.abs(np.gradient(ground, axis=1)) + np.abs(np.gradient(ground, axis=2))
    limits = np.percentile(slope, [30, 80])
    flat, edge = power[slope <= limits[0]].mean(), power[slope >= limits[1]].mean()
    out["left_flat"] = float(np.log10(flat + LEAST / 10))
    out["left_on_edges"] = float(np.log10(edge + LEAST / 10)) - out["left_flat"]
    out["flat_share"] = float((slope < 2).mean())
    here, there = (np.log10(_cells(values) + LEAST) for values in (power, slope**2))
    spread = np.percentile(here, [10, 50, 90])
    out["left_sparse"] = float(spread[2] - 2 * spread[1] + spread[0])
    here, there = here - here.mean(), there - there.mean()
    shared = np.sqrt(np.mean(here**2) * np.mean(there**2)) + 1e-9
    out["left_follows"] = float(np.mean(here * there) / shared)
    return out


CELL = 8
"""Pixels a side of the cells whose energies are compared."""


def _cells(values: Floats) -> Floats:
    """Means of whole cells of squares."""
    count = values.shape[1] // CELL
    cut = values[:, : count * CELL, : count * CELL]
    means: Floats = cut.reshape(-1, count, CELL, count, CELL).mean(axis=(2, 4))
    return means


def _of_each(found: Places) -> dict[str, float]:
    """The noise where each copy is flattest, and how steep its edges are.

    Making a picture small takes noise out and steepens edges; a network takes noise out of the
    large copy and draws edges steeper than any lens does.
    """
    small, large = (_floor_and_edges(luma) for luma in (found.small, found.large))
    return {
        "floor": large[0] - small[0],
        "small_floor": small[0],
        "edges": large[1],
        "edges_over_small": large[1] - small[1],
    }


def _floor_and_edges(luma: Floats) -> tuple[float, float]:
    """log10 of the squared second differences in the flattest cells; log10 of the share of an
    edge's contrast that one pixel takes."""
    bends = _cells(_bends(luma) ** 2)
    floor = float(np.log10(np.percentile(bends, 10) + LEAST))
    steps = np.abs(np.diff(luma, axis=2))
    # Over seven pixels, in one direction or the other.
    spans = np.abs(luma[:, :, 7:] - luma[:, :, :-7])
    middle = np.maximum(np.maximum(steps[:, :, 2:-4], steps[:, :, 3:-3]), steps[:, :, 4:-2])
    middle = middle[:, :, : spans.shape[2]]
    counts = spans[:, :, : middle.shape[2]] >= 24
    if np.count_nonzero(counts) < CELL * CELL:
        return floor, float(np.log10(0.5))
    shares = middle[counts] / spans[:, :, : middle.shape[2]][counts]
    return floor, float(np.log10(np.percentile(shares, 50) + 1e-2))


def _toggled(luma: Floats, factor: float) -> tuple[Floats, Floats]:
    """Edges made as crisp as a network draws them, by taking the nearer of the highest and the
    lowest level around; and the same picture blurred, with which sharpening is linear."""
    reach = max(1, round(factor / 1.5))
    high, low, total = luma, luma, luma
    for axis in (1, 2):
        rows = np.moveaxis(np.stack([high, low, total]), axis + 1, 1)
        beyond = np.pad(rows, [(0, 0), (reach, reach), (0, 0), (0, 0)], mode="edge")
        shifts = [beyond[:, at : at + rows.shape[1]] for at in range(2 * reach + 1)]
        high, low, total = shifts[0]
        for one in shifts[1:]:
            high, low, total = np.maximum(high, one[0]), np.minimum(low, one[1]), total + one[2]
        high, low, total = np.moveaxis(np.stack([high, low, total]), 1, axis + 1)
    soft: Floats = total / (2 * reach + 1) ** 2
    return np.where(high - luma < luma - low, high, low), soft


def _weights(wanted: Complexes, basis: Complexes, band: Any) -> tuple[Floats, float]:
    """Least squares of a spectrum on others within a band, over all places at once; log10 of the
    share of the band's energy that is left.

    One kernel, one sharpening made the whole picture: the weights are the same everywhere.
    """
    within = basis[..., band].reshape(len(basis), -1)
    target = wanted[..., band].ravel()
    gram = (within.conj() @ within.T).real.astype(np.float64)
    product = (within.conj() @ target).real.astype(np.float64)
    ridge = 1e-4 * np.trace(gram) / len(basis) + 1e-6
    weights = np.linalg.solve(gram + ridge * np.eye(len(basis)), product)
    whole = float(np.mean(target.real**2 + target.imag**2))
    rest = whole - float(2 * weights @ product - weights @ gram @ weights) / len(target)
    return weights, float(np.log10((max(rest, 0.0) + 1e-3) / (whole + 1e-3)))


def _of_reducing(small: Picture, found: Places) -> dict[str, float]:
    """How far the small copy is from the large one, reduced by the kernel that fits best."""
    there = found.small - found.small.mean(axis=(1, 2), keepdims=True)
    errors = [
        float(np.mean((stack - stack.mean(axis=(1, 2), keepdims=True) - there) ** 2))
        for stack in found.reduced
    ]
    ranked = sorted(errors)
    best = found.reduced[errors.index(ranked[0])]
    fine = float(np.mean(_bends(there) ** 2))
    steps = float(np.mean(np.diff(there, axis=1) ** 2) + np.mean(np.diff(there, axis=2) ** 2))
    tables = small.quantization if small.orientation == 1 else ()
    left = _unreduced(found)
    rest = float(np.mean(left**2))
    in_steps, beyond = step_errors(left, tables)
    bends = np.abs(_bends(there))
    crisp = bends >= np.percentile(bends, 80)
    inner = left[:, 1:-1, 1:-1] ** 2
    # A flat place has all of one kind and none of the other.
    within, outside = (float(np.sum(inner * at) / max(at.sum(), 1)) for at in (crisp, ~crisp))
    on_edges = _log(within) - _log(outside)
    return {
        "unreduced": float(_log(rest)),
        "unreduced_share": float(_log(rest) - _log(fine)),
        "unreduced_steps": in_steps,
        "unreduced_beyond": beyond,
        "unreduced_on_edges": float(on_edges),
        "detail": float(_log(steps)),
        "reduced": float(_log(ranked[0])),
        "reduced_share": float(_log(ranked[0]) - _log(fine)),
        "reduced_gap": float(_log(ranked[1]) - _log(ranked[0])),
        "reduced_box": float(_log(errors[0]) - _log(ranked[0])),
        "small_top": float(_log(fine) - _log(steps)),
        "small_blocks": blockiness(found.small),
        "reduced_blocks": blockiness(best),
        "off_grid": off_grid(best, tables),
    }


def _unreduced(found: Places) -> Floats:
    """What of the small copy no linear reduction of the large one explains, sharpened or not."""
    box, bicubic = found.reduced[0], found.reduced[2]
    around = np.pad(box, [(0, 0), (1, 1), (1, 1)], mode="edge")
    soft = sum(
        around[:, down : down + box.shape[1], across : across + box.shape[2]]
        for down in range(3)
        for across in range(3)
    )
    basis = [found.reduced[1], bicubic, found.reduced[3], box, soft / 9]
    stack = np.stack([one - one.mean(axis=(1, 2), keepdims=True) for one in basis])
    flat = stack.reshape(len(basis), -1).astype(np.float64)
    there = found.small - found.small.mean(axis=(1, 2), keepdims=True)
    gram = flat @ flat.T
    gram += np.eye(len(basis)) * (1e-6 * np.trace(gram) / len(basis) + 1e-6)
    weights = np.linalg.solve(gram, flat @ there.ravel())
    left: Floats = there - np.tensordot(weights.astype(np.float32), stack, 1)
    return left
