"""What training and the benchmark judge: a colour picture made monochrome, or colourful otherwise.

Each variant is a function of a picture (RGB, 0 to 1) and a seeded generator; None where this
picture cannot give it. Danbooru's definitions of its tags say what is what.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from PIL import Image

from training.monochrome_colours import (
    Floats,
    from_lab,
    hue_mass,
    luma,
    of_hue,
    smooth_noise,
    to_image,
    to_lab,
    vivid,
)
from training.monochrome_drawings import (
    colour_line_art,
    line_drawing,
    manga,
    pale_drawing,
    thin_colour_lines,
)

Variant: TypeAlias = Callable[[Floats, random.Random], Floats | None]


def _drawn(image: Floats, rng: random.Random) -> Floats:
    """The black and white picture that is toned: mostly a grey one, else lines or a manga page."""
    grey, draw = luma(image, rng), rng.random()
    if draw < 0.6:
        return grey
    return manga(grey, rng) if draw < 0.82 else line_drawing(grey, rng)


def _rgb(grey: Floats) -> Floats:
    return np.repeat(grey[..., None], 3, axis=2)


def grey(image: Floats, rng: random.Random) -> Floats:
    return _rgb(luma(image, rng))


def manga_page(image: Floats, rng: random.Random) -> Floats:
    return _rgb(manga(luma(image, rng), rng))


def grey_lines(image: Floats, rng: random.Random) -> Floats:
    return _rgb(line_drawing(luma(image, rng), rng))


def chroma_noise(image: Floats, rng: random.Random) -> Floats:
    """Grey, with grain in each channel of 2 to 8 levels."""
    base = _rgb(_drawn(image, rng))
    seeded = np.random.default_rng(rng.getrandbits(32))
    noise = seeded.normal(0, rng.uniform(2, 8) / 255, base.shape)
    return np.clip(base + noise, 0, 1).astype(np.float32)


def paper(image: Floats, rng: random.Random) -> Floats:
    """A scan: warm or cool paper, lifted ink, fibres, stains and darker corners."""
    base = _drawn(image, rng)
    white = of_hue(rng.uniform(0.88, 0.97), rng.uniform(0.012, 0.05), rng.uniform(60, 110))
    if rng.random() < 0.12:
        white = of_hue(rng.uniform(0.88, 0.96), rng.uniform(0.012, 0.03), rng.uniform(0, 360))
    ink = of_hue(rng.uniform(0.1, 0.35), rng.uniform(0, 0.02), rng.uniform(30, 100))
    sheet = ink + (white - ink) * base[..., None]
    size = base.shape
    fibres = smooth_noise(size, max(8, size[0] // 6), rng.getrandbits(32)) * rng.uniform(0, 0.02)
    stains = smooth_noise(size, 4, rng.getrandbits(32))[..., None]
    stain = np.array((0.3, 0.6, 1), np.float32) * rng.uniform(0, 0.03)
    rows, columns = (np.linspace(-1, 1, side, dtype=np.float32) for side in size)
    corners = 1 - rng.uniform(0, 0.25) * (rows[:, None] ** 2 + columns**2)[..., None] / 2
    scanned: Floats = (sheet + fibres[..., None] + stains * stain) * corners
    return np.clip(scanned, 0, 1).astype(np.float32)


def sepia(image: Floats, rng: random.Random) -> Floats:
    """By the common matrix, or toned between a brown and a cream."""
    if rng.random() < 0.35:
        matrix = np.array(
            [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32
        )
        strength = rng.uniform(0.6, 1)
        base = _rgb(luma(image, rng))
        return np.clip(base * (1 - strength) + np.clip(image @ matrix.T, 0, 1) * strength, 0, 1)
    base = _drawn(image, rng)
    hue = rng.uniform(50, 85)
    stops = [
        of_hue(rng.uniform(0.1, 0.3), rng.uniform(0.015, 0.05), hue),
        of_hue(rng.uniform(0.5, 0.65), rng.uniform(0.05, 0.1), hue + rng.uniform(-8, 8)),
        of_hue(rng.uniform(0.88, 0.98), rng.uniform(0.015, 0.06), hue + rng.uniform(0, 25)),
    ]
    return _mapped(base, stops)


def _mapped(base: Floats, stops: list[Floats]) -> Floats:
    """A gradient map: lightness 0 to 1 -> colours, evenly spaced."""
    at = np.linspace(0, 1, len(stops))
    channels = [np.interp(base, at, [float(stop[c]) for stop in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def tint(image: Floats, rng: random.Random, hue: float | None = None) -> Floats:
    """One hue over a black and white picture: multiplied, screened, in soft light, or as ink."""
    base = _drawn(image, rng)
    if hue is None:
        hue = rng.uniform(0, 360)
        while 45 <= hue <= 95:  # that would be sepia
            hue = rng.uniform(0, 360)
    colour = of_hue(rng.uniform(0.45, 0.75), rng.uniform(0.09, 0.2), hue)
    grey = base[..., None]
    way = rng.choice(("multiply", "screen", "soft", "ink", "colour"))
    if way == "multiply":
        toned = grey * colour
    elif way == "screen":
        toned = 1 - (1 - grey) * (1 - colour)
    elif way == "soft":
        toned = (1 - 2 * colour) * grey**2 + 2 * colour * grey
    elif way == "ink":
        paper = np.float32(rng.uniform(0.94, 1)) * np.ones(3, np.float32)
        toned = colour * rng.uniform(0.4, 1) * (1 - grey) + paper * grey
    else:
        angle, chroma = np.deg2rad(hue), rng.uniform(0.05, 0.13)
        lab = np.stack(
            [base * 0.9 + 0.05, *(np.full_like(base, chroma * f(angle)) for f in (np.cos, np.sin))],
            -1,
        )
        toned = from_lab(lab)
    strength = 1.0 if way in ("multiply", "screen", "ink") else rng.uniform(0.75, 1)
    return np.clip(toned * strength + grey * (1 - strength), 0, 1).astype(np.float32)


def blue_tint(image: Floats, rng: random.Random) -> Floats:
    return tint(image, rng, rng.uniform(230, 275))


def red_tint(image: Floats, rng: random.Random) -> Floats:
    return tint(image, rng, rng.uniform(10, 35))


def duotone(image: Floats, rng: random.Random) -> Floats:
    """Two colours of different hues, from dark to light."""
    first = rng.uniform(0, 360)
    second = first + rng.choice((-1, 1)) * rng.uniform(50, 180)
    stops = [
        of_hue(rng.uniform(0.15, 0.45), rng.uniform(0.06, 0.18), first),
        of_hue(rng.uniform(0.75, 0.95), rng.uniform(0.05, 0.16), second),
    ]
    return _mapped(_drawn(image, rng), stops)


def gradient_map(image: Floats, rng: random.Random) -> Floats:
    """Three colours."""
    first = rng.uniform(0, 360)
    hues = [first, first + rng.uniform(-110, 110)]
    hues.append(hues[1] + rng.uniform(-110, 110))
    lights = [rng.uniform(0.1, 0.35), rng.uniform(0.45, 0.65), rng.uniform(0.8, 0.97)]
    chromas = [rng.uniform(0.05, 0.15), rng.uniform(0.08, 0.18), rng.uniform(0.03, 0.12)]
    return _mapped(
        _drawn(image, rng), [of_hue(*t) for t in zip(lights, chromas, hues, strict=True)]
    )


def _coloured_part(image: Floats, rng: random.Random, share: float, base: Floats) -> Floats | None:
    """The picture's most colourful places around a few points kept in colour, the rest grey."""
    lab = to_lab(vivid(image, 0.06))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    height, width = chroma.shape
    rows, columns = np.arange(height)[:, None] / height, np.arange(width) / width
    order = np.argsort(-chroma, axis=None)
    near = np.zeros_like(chroma)
    for _ in range(rng.choice((1, 1, 2, 4))):
        top, left = np.unravel_index(
            order[int(rng.random() ** 2 * 0.3 * chroma.size)], chroma.shape
        )
        off = (rows - top / height) ** 2 + (columns - left / width) ** 2
        near = np.maximum(near, np.exp(-off / (2 * max(0.04, share) * rng.uniform(0.3, 1))))
    value = np.minimum(chroma, 0.12) * near
    cut = np.partition(value, -max(1, int(share * value.size)), axis=None)[
        -max(1, int(share * value.size))
    ]
    mask = np.clip((value - cut) / 0.005 + 0.5, 0, 1)[..., None]
    inside = mask[..., 0] > 0.5
    if not inside.any() or float(np.median(chroma[inside])) < 0.02:
        return None
    strength = max(1.0, 0.11 / float(np.median(chroma[inside])))
    lab[..., 1:] *= strength
    part: Floats = base * (1 - mask) + from_lab(lab) * mask
    return part


def spot_colour(image: Floats, rng: random.Random) -> Floats | None:
    """0.5 to 8 % of the picture keeps its colour."""
    return _coloured_part(image, rng, rng.uniform(0.005, 0.08), _rgb(luma(image, rng)))


def spot_of_ink(image: Floats, rng: random.Random) -> Floats:
    """Black lines or a manga page, with eyes, ribbons or blood in one or two vivid colours."""
    grey = luma(image, rng)
    base = _rgb(manga(grey, rng) if rng.random() < 0.6 else line_drawing(grey, rng))
    height, width = grey.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)
    inks = [
        of_hue(rng.uniform(0.5, 0.7), 0.18, rng.uniform(0, 360))
        for _ in range(rng.choice((1, 1, 2)))
    ]
    share, count = rng.uniform(0.003, 0.04), rng.randint(1, 5)
    for _ in range(count):
        area, ratio = share * grey.size / count, rng.uniform(0.4, 2.5)
        down, across = np.sqrt(area / np.pi * ratio), np.sqrt(area / np.pi / ratio)
        top, left = rng.uniform(0.1, 0.9) * height, rng.uniform(0.1, 0.9) * width
        inside = ((rows - top) / down) ** 2 + ((columns - left) / across) ** 2 < 1
        base[inside] *= rng.choice(inks)
    return base


def partly_coloured(image: Floats, rng: random.Random) -> Floats | None:
    """A quarter to two thirds in colour: partially_colored, not monochrome."""
    return _coloured_part(image, rng, rng.uniform(0.25, 0.65), _rgb(luma(image, rng)))


def desaturated(image: Floats, rng: random.Random, kept: float) -> Floats:
    grey = _rgb(image @ np.array((0.299, 0.587, 0.114), np.float32))
    return grey + (image - grey) * np.float32(kept)


def night(image: Floats, rng: random.Random) -> Floats:
    """Dark, with a cold or a warm light."""
    light = np.array(rng.choice(((0.75, 0.85, 1), (1, 0.9, 0.7), (1, 1, 1))), np.float32)
    return image ** np.float32(rng.uniform(1.3, 2)) * light * np.float32(rng.uniform(0.3, 0.55))


def snow(image: Floats, rng: random.Random) -> Floats:
    """Bright and washed out."""
    cold = np.array((0.97, 0.985, 1), np.float32)
    return (1 - (1 - image) * np.float32(rng.uniform(0.3, 0.5))) * cold


def cast(image: Floats, rng: random.Random) -> Floats:
    """The wrong white balance, or the light of a sunset."""
    warm = rng.uniform(0.15, 0.45)
    gains = (1, 1 - warm * 0.45, 1 - warm) if rng.random() < 0.6 else (1 - warm, 1 - warm * 0.4, 1)
    return np.clip(image * np.array(gains, np.float32) * np.float32(1.1), 0, 1)


def overlaid(image: Floats, rng: random.Random) -> Floats:
    """A wash of one hue over a picture whose own colours show through."""
    share = np.float32(rng.uniform(0.2, 0.45))
    return image * (1 - share) + _rgb_tint(image, rng) * share


def _rgb_tint(image: Floats, rng: random.Random) -> Floats:
    return luma(image, rng)[..., None] * of_hue(0.75, 0.13, rng.uniform(0, 360))


def hue_turned(image: Floats, rng: random.Random) -> Floats:
    """Every hue turned by one angle."""
    return _hues(image, rng, 1.0)


def single_hue(image: Floats, rng: random.Random) -> Floats | None:
    """Every hue drawn towards one, as in a photograph of cloth or sea: its chroma stays its own.

    None where the picture has not colour enough of its own to leave any.
    """
    lab = to_lab(image)
    if float(np.quantile(np.hypot(lab[..., 1], lab[..., 2]), 0.75)) < 0.05:
        return None
    return _hues(image, rng, rng.uniform(0.08, 0.2))


def _hues(image: Floats, rng: random.Random, kept: float) -> Floats:
    lab = to_lab(image)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    main = np.arctan2(lab[..., 2].sum(), lab[..., 1].sum())
    away = (hue - main + np.pi) % (2 * np.pi) - np.pi
    turned = main + away * kept + rng.uniform(0, 2 * np.pi)
    return from_lab(
        np.stack([lab[..., 0], chroma * np.cos(turned), chroma * np.sin(turned)], axis=-1)
    )


def limited_palette(image: Floats, rng: random.Random) -> Floats | None:
    """Four to six flat colours: a picture's own where they are of several hues, else others.

    None where hardly more than two of them would show.
    """
    flat = to_image(vivid(image, 0.06)).quantize(rng.randint(4, 6), Image.Quantize.MEDIANCUT)
    out: Floats = np.asarray(flat.convert("RGB"), np.float32) / 255
    if hue_mass(out) >= 0.15:
        return out
    first = rng.uniform(0, 360)
    lights = (0.2, 0.5, 0.55, 0.6, 0.65, 0.95)
    palette = [
        of_hue(light + rng.uniform(-0.08, 0.04), rng.uniform(0.07, 0.16), first + 137 * i)
        for i, light in enumerate(lights)
    ]
    out = np.stack(palette)[np.asarray(flat)]
    return out if hue_mass(out) >= 0.1 else None


def muted(image: Floats, rng: random.Random) -> Floats:
    return desaturated(image, rng, 0.5)


def faded(image: Floats, rng: random.Random) -> Floats:
    return desaturated(image, rng, 0.3)


def nearly_grey(image: Floats, rng: random.Random) -> Floats:
    return desaturated(image, rng, 0.15)


def lively(image: Floats) -> bool:
    """Whether a picture has so much colour that some is left of it in NEEDS_COLOUR."""
    lab = to_lab(image)
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return hue_mass(image) >= 0.03 and float(np.quantile(chroma, 0.9)) >= 0.06


MONOCHROME: Mapping[str, tuple[str, Variant]] = MappingProxyType(
    {
        "grey": ("grey", grey),
        "manga page": ("grey", manga_page),
        "grey line art": ("grey", grey_lines),
        "chroma noise": ("grey", chroma_noise),
        "scanned paper": ("paper", paper),
        "sepia": ("sepia", sepia),
        "blue tint": ("tint", blue_tint),
        "red tint": ("tint", red_tint),
        "random tint": ("tint", tint),
        "duotone": ("gradient_map", duotone),
        "gradient map": ("gradient_map", gradient_map),
        "spot colour": ("spot_colour", spot_colour),
        "spot of ink": ("spot_colour", spot_of_ink),
    }
)
"""What is made -> (the kind that it is, how)."""

COLOUR: Mapping[str, Variant] = MappingProxyType(
    {
        "colour line art": colour_line_art,
        "thin colour lines": thin_colour_lines,
        "pale drawing": pale_drawing,
        "limited palette": limited_palette,
        "partly coloured": partly_coloured,
        "half the colour": muted,
        "30 % of the colour": faded,
        "night": night,
        "snow": snow,
        "cast": cast,
        "overlaid": overlaid,
        "hues turned": hue_turned,
        "single hue": single_hue,
    }
)
"""Pictures that stay in colour."""

NEEDS_COLOUR = frozenset(
    {
        "pale drawing",
        "half the colour",
        "30 % of the colour",
        "15 % of the colour",
        "night",
        "snow",
        "cast",
        "overlaid",
    }
)
"""Made of lively pictures alone: a grey street at night, or washed with blue, is monochrome."""

DISPUTED: Mapping[str, Variant] = MappingProxyType({"15 % of the colour": nearly_grey})
"""Neither one nor the other: reported, never trained on."""
