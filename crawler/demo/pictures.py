"""The pictures of the demo site: drawn from a recipe, the same bytes for the same recipe.

Illustrations have flat shapes, outlines, gradients, hatching and grain; photographs are fractal
noise with a light and a few blurred things in it. Both have detail at the scale of one pixel.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Style: TypeAlias = Literal["illustration", "photo", "card", "video", "ugoira", "animation"]
Mode: TypeAlias = Literal["RGB", "L", "RGBA", "P", "I;16"]
Colour: TypeAlias = tuple[int, int, int]

ANIMATED_FRAMES = 4
EXIF_ORIENTATION = 0x0112
ROTATED_QUARTER = 6
"""The EXIF orientation of a picture stored lying on its side."""


@dataclass(frozen=True)
class Recipe:
    """All that decides the bytes of one file. Sides are pixels as a viewer sees them.

    ``drawn`` is the share of the side at which the picture is really drawn before it is enlarged.
    ``recompressed`` is the quality of a JPEG the picture went through before it was written.
    """

    seed: int
    width: int
    height: int
    style: Style = "illustration"
    ext: str = "jpg"
    quality: int = 92
    mode: Mode = "RGB"
    compress_level: int = 1
    drawn: float = 1.0
    blur: float = 0.0
    grey: bool = False
    sideways: bool = False
    recompressed: int | None = None
    cut: float = 1.0
    """The share of the file's bytes that was uploaded: below 1 it is damaged for ever."""


@dataclass(frozen=True)
class Drawn:
    """A finished file and what a site knows of it. ``duration`` is seconds, None for a still."""

    data: bytes
    ext: str
    width: int
    height: int
    md5: str
    pixel_hash: str
    duration: float | None = None


def draw(recipe: Recipe) -> Drawn:
    """Make the file of a recipe."""
    if recipe.style == "video":
        return _opaque(recipe, _video(recipe), duration=2.5)
    if recipe.style == "ugoira":
        return _opaque(recipe, _ugoira(recipe), duration=0.4)
    if recipe.style == "animation":
        return _opaque(recipe, _animation(recipe), duration=0.4)
    picture = _paint(recipe)
    data = _encode(picture, recipe)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if recipe.cut < 1.0:
        data = data[: int(len(data) * recipe.cut)]
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        seen = md5
    elif recipe.ext == "png":
        seen = pixel_hash(picture)
    else:
        with Image.open(io.BytesIO(data)) as stored:
            upright = stored.transpose(Image.Transpose.ROTATE_270) if recipe.sideways else stored
            seen = pixel_hash(upright)
    return Drawn(data, recipe.ext, recipe.width, recipe.height, md5, seen)


def pixel_hash(picture: Image.Image) -> str:
    """MD5 of the picture as a PAM file of 8-bit RGBA: equal values are equal pixels."""
    if picture.mode.startswith("I;16"):
        shallow = (np.asarray(picture) >> 8).astype(np.uint8)
        picture = Image.fromarray(shallow)
    header = (
        f"P7\nWIDTH {picture.width}\nHEIGHT {picture.height}\nDEPTH 4\nMAXVAL 255\n"
        "TUPLTYPE RGB_ALPHA\nENDHDR\n"
    )
    digest = hashlib.md5(header.encode(), usedforsecurity=False)
    digest.update(picture.convert("RGBA").tobytes())
    return digest.hexdigest()


def _opaque(recipe: Recipe, data: bytes, *, duration: float) -> Drawn:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Drawn(data, recipe.ext, recipe.width, recipe.height, md5, md5, duration)


def _paint(recipe: Recipe) -> Image.Image:
    if recipe.style == "card":
        grey = 96 + recipe.seed // 10 % 64
        return Image.new("RGB", (recipe.width, recipe.height), (grey, grey, grey))
    size = (round(recipe.width * recipe.drawn), round(recipe.height * recipe.drawn))
    rng = np.random.default_rng(recipe.seed)
    picture = _illustration(rng, size) if recipe.style == "illustration" else _photo(rng, size)
    if recipe.ext != "png":
        picture = _grain(picture, rng, 5.0 if recipe.style == "illustration" else 9.0)
    if recipe.recompressed is not None:
        once = io.BytesIO()
        picture.save(once, "JPEG", quality=recipe.recompressed)
        picture = Image.open(once).convert("RGB")
    if recipe.drawn != 1.0:
        picture = picture.resize((recipe.width, recipe.height), Image.Resampling.BICUBIC)
    if recipe.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(recipe.blur))
    if recipe.grey:
        picture = picture.convert("L").convert("RGB")
    return _in_mode(picture, recipe.mode)


def _in_mode(picture: Image.Image, mode: Mode) -> Image.Image:
    if mode == "RGB":
        return picture
    if mode == "P":
        return picture.quantize(48, method=Image.Quantize.FASTOCTREE)
    if mode == "RGBA":
        mask = Image.radial_gradient("L").resize(picture.size).point(lambda v: 255 - v // 3)
        picture.putalpha(mask)
        return picture
    if mode == "I;16":
        deep = np.asarray(picture.convert("L"), dtype=np.uint16) * 257
        return Image.fromarray(deep)
    return picture.convert(mode)


def _encode(picture: Image.Image, recipe: Recipe) -> bytes:
    out = io.BytesIO()
    if recipe.ext == "png":
        picture.save(out, "PNG", compress_level=recipe.compress_level)
    elif recipe.ext == "webp":
        picture.save(out, "WEBP", quality=recipe.quality, method=0)
    elif recipe.ext == "avif":
        picture.save(out, "AVIF", quality=recipe.quality, speed=10)
    elif recipe.sideways:
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = ROTATED_QUARTER
        lying = picture.transpose(Image.Transpose.ROTATE_90)
        lying.save(out, "JPEG", quality=recipe.quality, exif=exif)
    else:
        subsampling = 0 if recipe.quality >= 95 else 2
        picture.save(out, "JPEG", quality=recipe.quality, subsampling=subsampling)
    return out.getvalue()


def _colour(rng: np.random.Generator, low: int = 20, high: int = 245) -> Colour:
    red, green, blue = rng.integers(low, high, 3)
    return int(red), int(green), int(blue)


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    corners = rng.integers(30, 250, (2, 2, 3)).astype(np.uint8)
    return Image.fromarray(corners).resize(size, Image.Resampling.BILINEAR)


def _illustration(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    width, height = size
    picture = _gradient(rng, size)
    pen = ImageDraw.Draw(picture)
    line = max(2, round(min(size) / 260))
    ink = _colour(rng, 5, 60)
    for _ in range(int(rng.integers(5, 9))):
        _backdrop(pen, rng, size, line, ink)
    centre = (width * rng.uniform(0.32, 0.68), height * rng.uniform(0.3, 0.5))
    _figure(pen, rng, centre, min(size) * rng.uniform(0.16, 0.24), line, ink)
    picture = picture.filter(ImageFilter.BoxBlur(0.4))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(3, 6))):
        _hatch(pen, rng, size, ink)
    return picture


def _backdrop(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    size: tuple[int, int],
    line: int,
    ink: Colour,
) -> None:
    x, y = rng.uniform(-0.1, 0.9, 2) * size
    w, h = rng.uniform(0.15, 0.6, 2) * size
    fill = _colour(rng)
    shape = rng.integers(0, 4)
    if shape == 0:
        pen.ellipse((x, y, x + w, y + h), fill=fill, outline=ink, width=line)
    elif shape == 1:
        pen.rounded_rectangle((x, y, x + w, y + h), min(w, h) / 4, fill, ink, line)
    elif shape == 2:
        corners = [(x + w * a, y + h * b) for a, b in rng.uniform(0, 1, (5, 2))]
        pen.polygon(corners, fill=fill, outline=ink, width=line)
    else:
        for step in range(6):
            top = y + h * step / 6
            pen.rectangle((x, top, x + w, top + h / 14), fill=fill)


def _figure(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    centre: tuple[float, float],
    head: float,
    line: int,
    ink: Colour,
) -> None:
    x, y = centre
    hair, skin, dress, ribbon = _colour(rng), (250, 222, 205), _colour(rng), _colour(rng)
    pen.ellipse((x - head * 1.3, y - head * 1.2, x + head * 1.3, y + head * 2), hair, ink, line)
    body = [(x - head * 0.5, y + head), (x + head * 0.5, y + head)]
    hem = head * rng.uniform(3.2, 4.4)
    body += [
        (x + head * rng.uniform(1.3, 2.2), y + hem),
        (x - head * rng.uniform(1.3, 2.2), y + hem),
    ]
    pen.polygon(body, fill=dress, outline=ink, width=line)
    pen.ellipse((x - head, y - head, x + head, y + head * 1.1), skin, ink, line)
    for side in (-1, 1):
        eye = x + side * head * 0.42
        pen.ellipse(
            (eye - head * 0.17, y, eye + head * 0.17, y + head * 0.42), _colour(rng, 20, 160)
        )
        pen.ellipse(
            (eye - head * 0.05, y + head * 0.07, eye + head * 0.05, y + head * 0.2), "white"
        )
        bow = [
            (x, y - head * 1.1),
            (x + side * head, y - head * 1.7),
            (x + side * head, y - head * 0.8),
        ]
        pen.polygon(bow, fill=ribbon, outline=ink, width=line)
    pen.arc((x - head * 0.25, y + head * 0.4, x + head * 0.25, y + head * 0.75), 20, 160, ink, line)
    for angle in np.linspace(190, 350, int(rng.integers(9, 16))):
        tip = (x + head * np.cos(np.radians(angle)), y + head * np.sin(np.radians(angle)))
        low = (x + head * 0.7 * np.cos(np.radians(angle)) + rng.uniform(-9, 9), y - head * 0.2)
        pen.line((*tip, *low), fill=hair, width=line * 4)
        pen.line((*tip, *low), fill=ink, width=max(1, line // 2))


def _hatch(
    pen: ImageDraw.ImageDraw, rng: np.random.Generator, size: tuple[int, int], ink: Colour
) -> None:
    x, y = rng.uniform(0, 0.8, 2) * size
    length = min(size) * rng.uniform(0.05, 0.2)
    for step in range(int(rng.integers(12, 40))):
        left = x + step * rng.uniform(4, 6)
        pen.line((left, y, left + length / 2, y + length), fill=ink, width=1)


def _photo(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    base = _gradient(rng, size)
    light: npt.NDArray[np.float32] = np.zeros((size[1], size[0]), dtype=np.float32)
    for octave, cells in enumerate((3, 9, 27, 81, 243)):
        grid = rng.standard_normal((cells, cells), dtype=np.float32) * 46 / 1.9**octave
        field = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
        light += np.asarray(field)
    shade = Image.fromarray((light + 128).clip(0, 255).astype(np.uint8))
    scene = ImageChops.overlay(base, Image.merge("RGB", (shade, shade, shade)))
    pen = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(3, 7))):
        x, y = rng.uniform(0, 0.85, 2) * size
        r = min(size) * rng.uniform(0.03, 0.12)
        pen.ellipse((x, y, x + 2 * r, y + 2 * r), fill=_colour(rng))
    return ImageChops.overlay(
        scene.filter(ImageFilter.BoxBlur(0.4)), Image.merge("RGB", (shade,) * 3)
    )


def _grain(picture: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Add one noise tile over the whole picture: pixel-scale detail at the price of a copy."""
    side = 256
    noise = rng.standard_normal((side, side), dtype=np.float32) * strength + 128
    tile = noise.clip(0, 255).astype(np.uint8)
    rows, columns = -(-picture.height // side), -(-picture.width // side)
    grain = Image.fromarray(np.tile(tile, (rows, columns))[: picture.height, : picture.width])
    return ImageChops.add(picture, Image.merge("RGB", (grain,) * 3), 1, -128)


def _animation(recipe: Recipe) -> bytes:
    still = replace(recipe, style="illustration", ext="jpg")
    frames = [
        _paint(replace(still, seed=recipe.seed + n)).quantize(64, method=Image.Quantize.FASTOCTREE)
        for n in range(ANIMATED_FRAMES)
    ]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    return out.getvalue()


def _ugoira(recipe: Recipe) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for n in range(ANIMATED_FRAMES):
            frame = replace(recipe, style="illustration", ext="jpg", seed=recipe.seed + n)
            # A fixed date: the bytes must not depend on when they are made.
            name = zipfile.ZipInfo(f"{n:06}.jpg", date_time=(2020, 1, 1, 0, 0, 0))
            archive.writestr(name, _encode(_paint(frame), frame))
    return out.getvalue()


def _box(name: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + name + body


def _video(recipe: Recipe) -> bytes:
    """The outside of a video: enough to be recognised as one, never meant to be played."""
    noise = np.random.default_rng(recipe.seed).bytes(20_000)
    if recipe.ext == "webm":
        return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x84webm" + noise
    return _box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41") + _box(b"mdat", noise)
