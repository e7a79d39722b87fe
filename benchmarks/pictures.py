"""Deterministic picture files to feed a crawl with, made once and kept in the temporary folder."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from crawler.demo.gallery import Gallery, side_by_side, write_whole

QUALITIES = (50, 98)
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
OCTAVES = ((4, 70.0), (16, 35.0), (64, 18.0), (256, 9.0), (800, 5.0))
"""Cells across and strength of the layers of noise: about as much detail as a photograph has."""
EDGES = 60


@dataclass(frozen=True)
class Recipe:
    """One file. ``target`` is its size in bytes, for a JPEG whose quality is chosen by it."""

    seed: int
    width: int
    height: int
    ext: str = "jpg"
    progressive: bool = False
    target: int | None = None

    @property
    def name(self) -> str:
        kind = "p" if self.progressive else ""
        return f"{self.seed:04}-{self.width}x{self.height}{kind}-{self.target or 0}.{self.ext}"


def two_megapixels(count: int) -> list[Recipe]:
    """JPEGs of 2 MP and about 420 KB, every fifth progressive."""
    return [
        Recipe(seed, 1632, 1224, progressive=seed % 5 == 4, target=420_000) for seed in range(count)
    ]


def large() -> list[Recipe]:
    """Pictures of 20 to 40 MP in the formats that take most memory."""
    return [
        Recipe(900, 5477, 3651),
        Recipe(901, 6708, 4472, progressive=True),
        Recipe(902, 7303, 5477),
        Recipe(903, 6000, 4000, "png"),
        Recipe(904, 7303, 5477, "png"),
        Recipe(905, 6124, 4082, "webp"),
    ]


def folder_of(name: str, recipes: list[Recipe]) -> Path:
    """A folder that holds exactly these files; missing ones are drawn first."""
    folder = Gallery().folder / f"benchmark-{name}-{len(recipes)}"
    folder.mkdir(exist_ok=True)
    missing = [(r, folder / r.name) for r in recipes if not (folder / r.name).exists()]
    side_by_side(_draw, missing)
    return folder


def _draw(job: tuple[Recipe, Path]) -> None:
    recipe, path = job
    picture = _picture(recipe)
    if recipe.target is None:
        write_whole(path, _encoded(picture, recipe, 90))
        return
    low, high = QUALITIES
    while high - low > 1:
        middle = (low + high) // 2
        if len(_encoded(picture, recipe, middle)) < recipe.target:
            low = middle
        else:
            high = middle
    write_whole(path, _encoded(picture, recipe, low))


def _encoded(picture: Image.Image, recipe: Recipe, quality: int) -> bytes:
    out = io.BytesIO()
    options = {
        "jpg": {"quality": quality, "progressive": recipe.progressive, "subsampling": 2},
        "png": {"compress_level": 1},
        "webp": {"quality": quality, "method": 0},
    }[recipe.ext]
    picture.save(out, FORMATS[recipe.ext], **options)
    return out.getvalue()


def _picture(recipe: Recipe) -> Image.Image:
    rng = np.random.default_rng(recipe.seed)
    width, height = recipe.width, recipe.height
    pixels = np.full((height, width, 3), 128, np.float32)
    for cells, strength in OCTAVES:
        channels = 3 if cells < 64 else 1
        grid = rng.normal(0, strength, (channels, cells * height // width + 1, cells))
        for channel in range(3):
            layer = Image.fromarray(grid[channel % channels].astype(np.float32))
            pixels[..., channel] += np.asarray(
                layer.resize((width, height), Image.Resampling.BICUBIC)
            )
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(EDGES):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        a, b, c, d = (int(side) for side in rng.integers(20, 160, 4))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        draw.polygon([(x + a, y), (x, y + b), (x - c, y - d)], fill=colour)
    return picture
