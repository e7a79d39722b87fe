"""What is decoded at all, and the refusal of everything else, told before any pixel exists."""

from __future__ import annotations

from dataclasses import dataclass

PLAIN_PIXELS = 12_000_000
"""Pixels that cost so little memory that few bytes for them are no bomb: a blank page, say."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is decoded at all. Everything over a limit is a :class:`PictureError`."""

    max_pixels: int = 100_000_000
    """Width x height of one frame, read from the header before any pixel is decoded."""
    max_frames: int = 1000
    max_frame_pixels: int = 500_000_000
    """Frames x width x height of a moving picture."""
    max_bytes: int = 200_000_000
    max_scans: int = 100
    """Passes of a progressive JPEG: each costs a decode of its own, however few its bytes."""
    max_pixels_per_byte: int = 4000
    """Pixels of the canvas for each byte of coded picture, asked above :data:`PLAIN_PIXELS`.

    Photographs and paintings have up to 12, flat digital art up to 2,700 (a small figure on 80 MP
    of one-bit white; three plain shapes as lossless WebP 2,350); only a blank canvas has more,
    3,200 to 25,000. A bomb of zeros in deflate has 8,000 at one bit per pixel.
    """
    max_profile_bytes: int = 4 << 20
    """Colour profile. One inside a PNG may also not unpack to more than a text may."""
    max_metadata_bytes: int = 16 << 20
    """EXIF, XMP and what else applications leave: all that is neither pixels nor profile nor text.
    """
    max_blocks: int = 1000
    """Of metadata, profiles and whatever else is neither pixels nor text: each costs its decoder
    some steps. A JPEG's largest allowed profile and metadata fill 320."""
    max_texts: int = 1000
    max_text_bytes: int = 8 << 20
    """Comments and text chunks together, as stored and as unpacked."""
    formats: tuple[str, ...] = ("jpg", "png", "webp", "avif", "gif")


class PictureError(Exception):
    """These bytes give no picture. ``reason`` is what the catalog stores.

    ``not_an_image format_not_allowed truncated decode_error``; over a limit ``too_many_bytes
    too_many_pixels too_many_frames animation_too_large too_many_scans too_many_parts
    decompression_bomb icc_too_large metadata_too_large too_much_text``; of archives
    ``bad_zip``; and ``out_of_memory``, the machine's trouble and not the file's.
    ``width`` and ``height`` are kept where the header gave them.
    """

    def __init__(
        self, reason: str, message: str = "", *, width: int | None = None, height: int | None = None
    ) -> None:
        super().__init__(message or reason.replace("_", " "))
        self.reason = reason
        self.width = width
        self.height = height


def check_size(width: int | None, height: int | None, limits: Limits) -> None:
    """Raise PictureError where a canvas is too large."""
    if width and height and width * height > limits.max_pixels:
        raise PictureError(
            "too_many_pixels", f"{width} x {height} pixels", width=width, height=height
        )


def check_frames(frames: int, pixels: int, limits: Limits) -> None:
    """Raise PictureError where a moving picture has too many frames, or too much of them."""
    if frames > limits.max_frames:
        raise PictureError("too_many_frames", f"{frames} frames")
    if frames > 1 and frames * pixels > limits.max_frame_pixels:
        raise PictureError("animation_too_large", f"{frames} frames of {pixels} pixels")
