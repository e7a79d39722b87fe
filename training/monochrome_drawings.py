"""Drawings made by code: line art in colour or black, and manga pages with screentones."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.monochrome_colours import Floats, hue_mass, luma, of_hue, smooth_noise, vivid

WHITE = np.ones(3, np.float32)


def lines(grey: Floats, thickness: float, strength: float = 6.0) -> Floats:
    """How much ink there is, 0 to 1: a difference of Gaussians, as if traced with a pen."""
    image = Image.fromarray((grey * 255).astype(np.uint8))
    narrow, wide = (
        np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / 255
        for sigma in (thickness * 0.6, thickness * 1.6)
    )
    edges = np.clip((wide - narrow) * strength - 0.05, 0, None)
    most = max(float(np.quantile(edges, 0.995)), 0.05)
    ink: Floats = np.clip(edges / most * 1.5, 0, 1)
    return ink


def colour_line_art(image: Floats, rng: random.Random) -> Floats | None:
    """Edges in their own colours on white, or in several pens' where those are of one hue.

    None where the picture has hardly an edge.
    """
    ink = lines(luma(image, rng), rng.choice((0.8, 1.2, 2.0)))[..., None]
    if float(ink.mean()) < 0.005:
        return None
    colour = vivid(image, 0.1) * rng.uniform(0.6, 0.95)
    if hue_mass(WHITE * (1 - ink) + colour * ink) < 0.12:
        colour = _pens(ink.shape[:2], rng)
    drawn: Floats = WHITE * (1 - ink) + colour * ink
    return drawn


def _pens(size: tuple[int, int], rng: random.Random) -> Floats:
    """Three hues, each in its own parts of the page."""
    parts = np.digitize(smooth_noise(size, 5, rng.getrandbits(32)), (-0.2, 0.2))
    first = rng.uniform(0, 360)
    hues = (first, first + rng.uniform(80, 140), first + rng.uniform(-140, -80))
    pens: Floats = np.stack([of_hue(rng.uniform(0.4, 0.7), 0.12, hue) for hue in hues])[parts]
    return pens


def thin_colour_lines(image: Floats, rng: random.Random) -> Floats:
    """A page of strokes one to three pixels thin: pens of all hues, some of the picture's."""
    side = rng.choice((500, 700, 1000, 1600))
    page = Image.new("RGB", (side, round(side * rng.uniform(0.6, 1.5))), "white")
    own = vivid(image, 0.1).reshape(-1, 3)
    first = rng.uniform(0, 360)
    pens = [
        of_hue(rng.uniform(0.35, 0.7), rng.uniform(0.09, 0.18), first + 120 * i) for i in range(3)
    ]
    pens += [own[rng.randrange(len(own))] * 0.8 for _ in range(rng.randint(0, 5))]
    inks = [tuple(int(v * 255) for v in pen) for pen in pens]
    if rng.random() < 0.3:
        inks.append((20, 20, 20))
    draw = ImageDraw.Draw(page)
    width = rng.choice((1, 1, 2, 3))
    for _ in range(rng.randint(30, 300)):
        x, y = rng.uniform(0, page.width), rng.uniform(0, page.height)
        points = [(x, y)]
        turn, angle = rng.uniform(-0.3, 0.3), rng.uniform(0, 6.3)
        for _ in range(rng.randint(4, 24)):
            angle += turn
            step = side / 60
            points.append(
                (points[-1][0] + step * np.cos(angle), points[-1][1] + step * np.sin(angle))
            )
        draw.line(points, fill=rng.choice(inks), width=width)
    drawn: Floats = np.asarray(page, np.float32) / 255
    return drawn


def pale_drawing(image: Floats, rng: random.Random) -> Floats | None:
    """Washed flats under dark lines; None where the picture has too little colour to leave."""
    ink = lines(luma(image, rng), 1.2)[..., None]
    white = rng.uniform(0.5, 0.75)
    flat: Floats = (image * (1 - white) + white) * (1 - ink) + 0.15 * ink
    return flat if hue_mass(flat) >= 0.06 else None


def line_drawing(grey: Floats, rng: random.Random) -> Floats:
    """Black lines on white: height x width."""
    drawn: Floats = 1 - lines(grey, rng.choice((0.8, 1.2, 2.0))) * rng.uniform(0.7, 1)
    return drawn


def manga(grey: Floats, rng: random.Random) -> Floats:
    """Black lines, blacks filled in and three screentones of dots on white: height x width."""
    period, angle = rng.uniform(3.5, 9), rng.choice((0.785, 0.785, 0.0, 0.26))
    rows, columns = np.indices(grey.shape, dtype=np.float32) * (2 * np.pi / period)
    u, v = (
        columns * np.cos(angle) + rows * np.sin(angle),
        rows * np.cos(angle) - columns * np.sin(angle),
    )
    screen = (np.cos(u) + np.cos(v)) / 4 + 0.5
    spread = np.sort(grey, axis=None)
    lightest = float(spread[-1]) - 0.05
    cuts = [min(float(spread[int((len(spread) - 1) * s)]), lightest) for s in (0.12, 0.3, 0.55)]
    tone = np.select([grey <= cuts[0], grey <= cuts[1], grey <= cuts[2]], [0.0, 0.5, 0.75], 1.0)
    dots = np.clip((tone - screen) * period + 0.5, 0, 1)
    drawn: Floats = np.where(tone >= 1, 1.0, dots) * (1 - lines(grey, 1.2))
    return drawn.astype(np.float32)
