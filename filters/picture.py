"""A picture from untrusted bytes: one full, bounded decode that all filters share."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from filters.containers import Structure, other_picture, sniff, structure

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["Limits", "Picture", "PictureError", "sniff"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded at all. Everything over a limit is a :class:`PictureError`."""

    max_pixels: int = 100_000_000
    """Width x height of one frame, read from the header before any pixel is decoded."""
    max_frames: int = 1000
    max_bytes: int = 200_000_000
    max_scans: int = 100
    """Passes of a progressive JPEG: each costs a decode of its own, however few its bytes."""
    formats: tuple[str, ...] = ("jpg", "png", "webp", "avif", "gif")


class PictureError(Exception):
    """These bytes give no picture. ``reason`` is what the catalog stores.

    ``not_an_image format_not_allowed truncated too_many_pixels too_many_frames too_many_scans
    too_many_bytes decode_error out_of_memory``. The last is the machine's trouble, not the file's.
    ``width`` and ``height`` are kept where the header gave them.
    """

    def __init__(
        self, reason: str, message: str = "", *, width: int | None = None, height: int | None = None
    ) -> None:
        super().__init__(message or reason.replace("_", " "))
        self.reason = reason
        self.width = width
        self.height = height


class Picture:
    """A decoded picture and what its file says of it.

    Made by :meth:`open`. Any number of pictures may be open in any number of threads; one picture
    belongs to one thread at a time. Pictures made by ``rgb``, ``gray`` and ``reduced`` are shared
    by all filters: nobody writes to them.
    """

    def __init__(
        self, image: Image.Image, format: str, frames: int, bit_depth: int, bytes: int
    ) -> None:
        self.format = format
        """``jpg png webp avif gif``, by the bytes and not by a name."""
        self.bytes = bytes
        self.width, self.height = image.size
        """As stored, before the EXIF orientation."""
        self.orientation = _orientation(image)
        """The EXIF orientation, 1 (upright) to 8."""
        self.frames = frames
        self.mode = image.mode
        """Pillow's mode of the decoded picture."""
        self.has_alpha = image.has_transparency_data
        self.bit_depth = bit_depth
        """Bits per channel in the file; palettes count their indexes."""
        self.icc = bool(image.info.get("icc_profile"))
        """Whether the file holds a colour profile. Profiles are not applied."""
        self.quantization, self.subsampling = _jpeg_tables(image)
        """A JPEG's quantisation tables, of luma first, then of chroma where that is another one
        (64 numbers each, empty for other formats), and its chroma subsampling, such as ``4:2:0``.
        """
        self._image: Image.Image | None = image
        self._rgb: Image.Image | None = None
        self._gray: np.ndarray[Any, np.dtype[np.uint8]] | None = None
        self._reduced: dict[int, Image.Image] = {}

    @classmethod
    def open(cls, source: Path | bytes, limits: Limits | None = None) -> Picture:
        """Decode a file or its bytes in full.

        Raises PictureError for anything that is not one whole picture within the limits, and
        OSError where ``source`` cannot be read.
        """
        limits = limits or Limits()
        data = source if isinstance(source, bytes) else _read(source, limits.max_bytes)
        if len(data) > limits.max_bytes:
            raise PictureError("too_many_bytes", f"{len(data)} bytes")
        header = data[:64]
        format = sniff(header)
        if format is None:
            raise PictureError("format_not_allowed" if other_picture(header) else "not_an_image")
        if format not in limits.formats:
            raise PictureError("format_not_allowed", f"{format} is not among the formats allowed")
        found = structure(format, data)
        _check_size(found.width, found.height, limits)
        if (found.frames or 1) > limits.max_frames:
            raise PictureError("too_many_frames", f"{found.frames} frames")
        if found.scans > limits.max_scans:
            raise PictureError("too_many_scans", f"{found.scans} scans")
        if not found.complete:
            raise PictureError("truncated", width=found.width, height=found.height)
        image, frames = _decode(data, format, found, limits)
        return cls(image, format, frames, found.bit_depth, len(data))

    @property
    def display_width(self) -> int:
        """Width as seen, after the EXIF orientation."""
        return self.width if self.orientation < 5 else self.height

    @property
    def display_height(self) -> int:
        """Height as seen, after the EXIF orientation."""
        return self.height if self.orientation < 5 else self.width

    @property
    def animated(self) -> bool:
        return self.frames > 1

    @property
    def rgb(self) -> Image.Image:
        """The first frame as seen: upright, 8-bit RGB, transparency on white. Made once."""
        if self._rgb is None:
            if self._image is None:
                raise ValueError("the picture is closed")
            rgb = _flatten(self._image)
            # Only one copy of the pixels is held on to: what was decoded is not needed again.
            self._image = None
            turn = _TURNS[self.orientation - 1]
            self._rgb = rgb if turn is None else rgb.transpose(turn)
        return self._rgb

    @property
    def gray(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Luma (ITU-R 601) of :attr:`rgb`: uint8, height x width, read-only. Made once."""
        if self._gray is None:
            self._gray = np.asarray(self.rgb.convert("L"))
            self._gray.flags.writeable = False
        return self._gray

    def reduced(self, max_side: int) -> Image.Image:
        """A small copy of :attr:`rgb` whose longer side is at most ``max_side`` pixels.

        Every pixel is the mean of a whole square of pixels, so the longer side may fall short of
        ``max_side``; a picture that is small enough is not copied. Made once per size.
        """
        if max_side < 1:
            raise ValueError("max_side is at least 1")
        rgb = self.rgb
        factor = -(-max(rgb.size) // max_side)
        if factor == 1:
            return rgb
        if factor not in self._reduced:
            across, down = (min(factor, side) for side in rgb.size)
            self._reduced[factor] = rgb.reduce((across, down))
        return self._reduced[factor]

    def close(self) -> None:
        """Let go of the pixels. What the file said stays readable."""
        self._image = self._rgb = self._gray = None
        self._reduced.clear()

    def __enter__(self) -> Picture:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_TURNS = (
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""What makes a picture of EXIF orientation 1 to 8 upright."""


def _read(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(max_bytes + 1)


def _check_size(width: int | None, height: int | None, limits: Limits) -> None:
    if width and height and width * height > limits.max_pixels:
        raise PictureError(
            "too_many_pixels", f"{width} x {height} pixels", width=width, height=height
        )


def _decode(data: bytes, format: str, found: Structure, limits: Limits) -> tuple[Image.Image, int]:
    """The first frame in full, and how many there are.

    Only the decoder of the sniffed format ever sees the bytes.
    """
    image: ImageFile | None = None
    try:
        # Image.open would also try the formats built on these (multi-picture JPEG, say) and warn
        # of sizes by a global limit; the class itself does neither, and our limit holds instead.
        image = _decoder(format)(io.BytesIO(data))
        _check_size(*image.size, limits)
        # Counting a GIF's frames by Pillow decodes them; the walk through the file has counted.
        frames: int = found.frames or vars(image).get("n_frames", 1)
        if frames > limits.max_frames:
            raise PictureError("too_many_frames", f"{frames} frames")
        image.load()
        # These readers keep the file and canvases of their own: take the pixels alone.
        keeps = frames > 1 or format in ("webp", "avif", "gif")
        return (image.copy() if keeps else image), frames
    except PictureError:
        raise
    except MemoryError as error:
        raise PictureError("out_of_memory") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureError("too_many_pixels", str(error)) from error
    except Exception as error:
        # Hostile bytes make Pillow raise nearly anything; each kind means the same to us.
        width, height = image.size if image is not None else (None, None)
        reason = "truncated" if "truncated" in str(error).lower() else "decode_error"
        raise PictureError(reason, str(error), width=width, height=height) from error


def _decoder(format: str) -> type[ImageFile]:
    match format:
        case "jpg":
            return JpegImagePlugin.JpegImageFile
        case "png":
            return PngImagePlugin.PngImageFile
        case "webp":
            return WebPImagePlugin.WebPImageFile
        case "avif":
            return AvifImagePlugin.AvifImageFile
        case "gif":
            return GifImagePlugin.GifImageFile
    raise PictureError("format_not_allowed")


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _jpeg_tables(image: Image.Image) -> tuple[tuple[tuple[int, ...], ...], str | None]:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return (), None
    used = dict.fromkeys(table for _, _, _, table in image.layer)
    tables = tuple(tuple(image.quantization[t]) for t in used if t in image.quantization)
    sampling = JpegImagePlugin.get_sampling(image)
    return tables, {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}.get(sampling)


def _flatten(image: Image.Image) -> Image.Image:
    """8-bit RGB on white, of any mode the five decoders give."""
    if image.mode.startswith("I") or image.mode == "F":
        return _flatten_16_bit(image)
    if image.has_transparency_data:
        # A picture of fewer bits per pixel cannot hold the paper: RGBA can.
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = image.getchannel("A")
        if alpha.getextrema() == (255, 255):
            return image.convert("RGB")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=alpha)
        return paper
    return image if image.mode == "RGB" else image.convert("RGB")


def _flatten_16_bit(image: Image.Image) -> Image.Image:
    """16-bit grey. Pillow's own conversions clip at 255; the whole range is scaled instead."""
    wide = np.asarray(image).astype(np.uint32)
    gray = ((wide * 255 + 32767) // 65535).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        gray[wide == clear] = 255
    return Image.fromarray(gray).convert("RGB")
