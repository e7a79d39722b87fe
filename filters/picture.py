"""A picture from untrusted bytes: one full, bounded decode that all filters share."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from filters.archive import Archive
from filters.containers import Structure, check, other_picture, sniff, structure
from filters.exif import UPRIGHT, orientation
from filters.jpeg import bare
from filters.limits import Limits, PictureError, check_frames, check_size

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["Examined", "Limits", "Picture", "PictureError", "examine", "sniff"]


@dataclass(frozen=True, slots=True)
class Examined:
    """A file whose header promises one picture within the limits; nothing is decoded yet."""

    data: bytes
    format: str
    structure: Structure


def examine(source: Path | bytes, limits: Limits | None = None) -> Examined:
    """Look at a file's structure alone: cheap, bounded, and no decoder is run.

    Raises PictureError for whatever can be told so far, and OSError where ``source`` cannot be
    read.
    """
    limits = limits or Limits()
    data = source if isinstance(source, bytes) else _read(source, limits.max_bytes)
    if len(data) > limits.max_bytes:
        raise PictureError("too_many_bytes", f"over {limits.max_bytes} bytes")
    header = data[:64]
    format = sniff(header)
    if format is None:
        raise PictureError("format_not_allowed" if other_picture(header) else "not_an_image")
    if format not in limits.formats:
        raise PictureError("format_not_allowed", f"{format} is not among the formats allowed")
    if format == "zip":
        return Examined(data, format, Structure())
    found = structure(format, data)
    check(found, limits)
    return Examined(data, format, found)


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
        """``jpg png webp avif gif zip``, by the bytes and not by a name."""
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
        return cls.decode(examine(source, limits), limits)

    @classmethod
    def decode(cls, examined: Examined, limits: Limits | None = None) -> Picture:
        """Decode in full what :func:`examine` let pass. Raises PictureError."""
        limits = limits or Limits()
        if examined.format == "zip":
            return _first_of(examined.data, limits)
        image, frames = _decode(examined, limits)
        size, format, found = len(examined.data), examined.format, examined.structure
        try:
            return cls(image, format, frames, found.bit_depth, size)
        except Exception as error:  # as in _decode: what a header says is read only here
            raise _undecodable(error, image.size) from error

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
            try:
                rgb = _flatten(self._image)
                # One copy of the pixels is held on to: what was decoded is not needed again.
                self._image = None
                turn = _TURNS[self.orientation - 1]
                self._rgb = rgb if turn is None else rgb.transpose(turn)
            except Exception as error:
                raise _undecodable(error, (self.width, self.height)) from error
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


SHARED_SIDE = 256
"""The longer side of the small copy that filters share: who asks for another has one more made."""
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


def _decode(examined: Examined, limits: Limits) -> tuple[Image.Image, int]:
    """The first frame in full, and how many there are.

    Only the decoder of the sniffed format ever sees the bytes.
    """
    image: ImageFile | None = None
    format, found = examined.format, examined.structure
    try:
        # Image.open would also try the formats built on these (multi-picture JPEG, say) and warn
        # of sizes by a global limit; the class itself does neither, and our limit holds instead.
        image = _opened(format, examined.data)
        check_size(*image.size, limits)
        if 0 in image.size:
            raise PictureError("decode_error", "an empty canvas")
        # Counting a GIF's frames by Pillow decodes them; the walk through the file has counted.
        frames: int = found.frames or vars(image).get("n_frames", 1)
        check_frames(frames, image.width * image.height, limits)
        image.load()
        # These readers keep the file and canvases of their own: take the pixels alone.
        keeps = frames > 1 or format in ("webp", "avif", "gif")
        return (image.copy() if keeps else image), frames
    except PictureError:
        raise
    except Exception as error:
        # Hostile bytes make Pillow raise nearly anything; each kind means the same to us.
        raise _undecodable(error, image.size if image is not None else None) from error


def _opened(format: str, data: bytes) -> ImageFile:
    """By the decoder of this format alone."""
    if format != "jpg":
        return _decoder(format)(io.BytesIO(data))
    picture = bare(data)
    image = _decoder(format)(io.BytesIO(picture.data))
    image.info["exif"] = picture.exif
    return image


def _undecodable(error: Exception, size: tuple[int, int] | None) -> PictureError:
    """What an exception of Pillow means, with the size where one is known."""
    width, height = size or (None, None)
    if isinstance(error, MemoryError):
        reason = "out_of_memory"
    elif isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        reason = "too_many_pixels"
    else:
        reason = "truncated" if "truncated" in str(error).lower() else "decode_error"
    return PictureError(reason, str(error), width=width, height=height)


def _first_of(data: bytes, limits: Limits) -> Picture:
    """The first frame of an ugoira as the picture, once all of them are known to be whole."""
    archive = Archive(data)
    frames = archive.frames()
    first = Picture.open(next(frames), replace(limits, formats=("jpg", "png")))
    try:
        for _ in frames:
            pass
        check_frames(len(archive.names), first.width * first.height, limits)
    except PictureError:
        first.close()
        raise
    first.format, first.frames, first.bytes = "zip", len(archive.names), len(data)
    return first


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
    # A PNG's text of this name is no block.
    exif = image.info.get("exif")
    return orientation(exif) if isinstance(exif, bytes) else UPRIGHT


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
