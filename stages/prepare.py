"""What a picture needs before a trainer may see it, and doing just that.

Trainers read no EXIF orientation (kohya measures the turned size and loads the unturned pixels),
no colour profile and no alpha, and open only some formats. A file that means the same to all of
them is passed on as it is. Everything else becomes an 8-bit sRGB PNG, whatever it was before: one
rule, and no second loss for a lossy source. Private metadata is cut out without touching pixels.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from filters.picture import sniff
from stages import metadata
from stages.errors import UnreadablePicture

VERSION = 1
"""Raised when the same file would be prepared differently: exports then make it again."""

_DECODERS: Mapping[str, type[ImageFile.ImageFile]] = {
    "jpg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "gif": GifImagePlugin.GifImageFile,
}
_UPRIGHT: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes the stored pixels upright, by EXIF orientation (EXIF 2.32, table 6)."""
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
SUFFIXES = tuple(_SUFFIXES.values())
"""Every extension a prepared picture can have; all trainers read these three."""

_MAX_PROFILE_BYTES = 4 << 20
_SRGB_TOLERANCE = 2.0
"""Mean difference, in 8-bit levels over a grid of colours, up to which a profile is sRGB in all
but name. sRGB profiles found in the wild differ by 0.02, displays and wide gamuts by 3 and more."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as it goes out. ``data`` is None where the stored file goes out as it is.

    Sizes are pixels, ``original`` as stored in the file; ``changed`` says what was done, in words.
    """

    data: bytes | None
    suffix: str
    width: int
    height: int
    original: tuple[int, int]
    changed: tuple[str, ...] = ()


def prepare(path: Path) -> Prepared:
    """Decide what the picture at ``path`` needs, and do it. Deterministic.

    Raises UnreadablePicture (``missing``, ``undecodable``); other trouble of the disk passes.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise UnreadablePicture("missing", f"{path} is gone") from error
    with file, opened(file) as image:
        with _told():
            reasons, private = _needs(image, file)
        if reasons:
            rgb = decoded(image)
            png = encode(rgb, "png")
            return Prepared(png, ".png", *rgb.size, image.size, tuple(reasons))
        size, suffix = image.size, _SUFFIXES[str(image.format)]
        if private is None:
            return Prepared(None, suffix, *size, size)
        return Prepared(private, suffix, *size, size, ("private metadata",))


def opened(file: BinaryIO) -> Image.Image:
    """A picture of an allowed format, its header read. Raises UnreadablePicture.

    Only the decoder of the sniffed format sees the bytes. Sizes were judged when the file was
    accepted, so Pillow's own limit, which warns of them by a global setting, is not asked again.
    """
    format = sniff(file.read(64))
    file.seek(0)
    if format is None:
        raise UnreadablePicture("undecodable", "not a picture of a known format")
    with _told():
        return _DECODERS[format](file)


def safe_rgb(data: bytes) -> Image.Image:
    """The bytes of a picture, :func:`decoded`. Raises UnreadablePicture."""
    with opened(io.BytesIO(data)) as image:
        return decoded(image)


def is_lossless(data: bytes) -> bool:
    """Whether the format keeps every pixel. Raises UnreadablePicture."""
    with opened(io.BytesIO(data)) as image:
        return image.format in ("PNG", "GIF") or data[12:16] == b"VP8L"


def encode(rgb: Image.Image, format: str) -> bytes:
    """The bytes of a picture without any metadata; the same pixels give the same bytes.

    ``png`` is lossless; ``jpg`` is quality 97 without chroma subsampling.
    """
    clean = rgb.copy()
    clean.info = {}
    buffer = io.BytesIO()
    if format == "png":
        clean.save(buffer, "PNG", compress_level=6)
    elif format == "jpg":
        clean.save(buffer, "JPEG", quality=97, subsampling="4:4:4")
    else:
        raise ValueError(f"cannot encode {format}")
    return buffer.getvalue()


def _needs(image: Image.Image, file: BinaryIO) -> tuple[list[str], bytes | None]:
    """Why the file cannot go out as it is; or, for its metadata alone, what goes out instead."""
    kind = str(image.format)
    reasons = []
    # Phones hide more pictures, with metadata of their own, behind the one of a JPEG ("mp").
    if getattr(image, "is_animated", False) or "mp" in image.info:
        reasons.append("first frame")
    if kind not in _SUFFIXES:
        reasons.append(f"format {kind.lower()}")
    depth, has_metadata = 8, True
    if kind == "PNG":
        try:
            facts = metadata.png_facts(file)
        except metadata.Malformed:
            return [*reasons, "damaged structure"], None
        depth, has_metadata = facts.depth, facts.has_metadata
        if has_metadata:
            image.load()  # Pillow sees metadata that follows the pixels only then
    if has_metadata and metadata.orientation(image) != 1:
        reasons.append("orientation")
    if image.has_transparency_data:
        reasons.append("alpha")
    elif depth == 16 or image.mode.startswith("I"):
        reasons.append("16 bit")
    elif image.mode not in ("RGB", "L"):
        reasons.append(f"mode {image.mode}")
    if _foreign_profile(image) is not None:
        reasons.append("colour profile")
    if reasons or not (has_metadata and metadata.is_private(image)):
        return reasons, None
    try:
        file.seek(0)
        return [], metadata.without_private(file.read(), kind)
    except metadata.Malformed:
        return ["private metadata"], None


@contextmanager
def _told() -> Iterator[None]:
    """Within, whatever a decoder raises for the bytes of one picture becomes UnreadablePicture.

    Trouble of the disk (it has a number, but for a place that no file has) and of memory stays what
    it is.
    """
    try:
        yield
    except (UnreadablePicture, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise UnreadablePicture("undecodable", str(error) or type(error).__name__) from error


def decoded(image: Image.Image) -> Image.Image:
    """An opened picture as everybody should see it: upright, 8-bit sRGB, on white, first frame.

    Raises UnreadablePicture.
    """
    with _told():
        image.load()
        # Not by ImageOps.exif_transpose: it writes the EXIF anew, which fails where that is broken.
        turn = _UPRIGHT.get(metadata.orientation(image))
        flat = _flat(image if turn is None else image.transpose(turn))
        profile = _foreign_profile(image)
        if profile is None:
            return flat.convert("RGB")
        converted = ImageCms.profileToProfile(flat, profile, _srgb(), outputMode="RGB")
        if converted is None:  # only where it works in place
            raise TypeError("the colour conversion gave no picture")
        return converted


def _flat(image: Image.Image) -> Image.Image:
    """8 bits per channel without alpha, in the picture's own colour space (L, RGB or CMYK)."""
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversions clip at 255
        samples = np.asarray(image)
        grey = np.rint(np.clip(samples, 0, 65535) * (255 / 65535)).astype(np.uint8)
        clear = image.info.get("transparency")
        return Image.fromarray(np.where(samples == clear, np.uint8(255), grey))
    if image.has_transparency_data:
        is_grey = image.mode in ("L", "LA", "1")
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        flat = Image.alpha_composite(white, rgba).convert("RGB")
        return flat.getchannel(0) if is_grey else flat
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The embedded colour profile where ignoring it would show other colours, else None.

    A profile that cannot be read, or is for another kind of picture, is ignored as viewers do.
    """
    data = image.info.get("icc_profile")
    if not isinstance(data, bytes) or not 0 < len(data) <= _MAX_PROFILE_BYTES:
        return None
    grid = _grid(image.mode)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space.strip() != {"L": "GRAY"}.get(grid.mode, grid.mode):
            return None
        seen = ImageCms.profileToProfile(grid, profile, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    if seen is None:
        return None
    plain = np.asarray(grid.convert("RGB"), dtype=np.int16)
    off = np.abs(np.asarray(seen, dtype=np.int16) - plain).mean()
    return profile if off > _SRGB_TOLERANCE else None


def _grid(mode: str) -> Image.Image:
    """Colours from all over the space that pictures of ``mode`` live in (L, RGB or CMYK)."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    if mode in ("L", "LA", "1") or mode.startswith("I"):
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    bands = 4 if mode == "CMYK" else 3
    axes = np.meshgrid(*[steps if bands == 3 else steps[::4]] * bands)
    points = np.stack(axes, axis=-1).reshape(1, -1, bands)
    return Image.fromarray(points, "CMYK") if bands == 4 else Image.fromarray(points)


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
