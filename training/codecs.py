"""What happens to a picture after it was made: codecs, sharpening, grain."""

from __future__ import annotations

import io
import random

import numpy as np
from PIL import Image, ImageFilter

STUDIED = ("png", "jpeg75", "jpeg85", "jpeg95", "webp80")
"""The codecs of the tables."""


def encoded(image: Image.Image, codec: str, rng: random.Random) -> bytes:
    """A file: ``png``, ``jpegNN`` or ``webpNN``. JPEGs are 4:2:0, one in four 4:4:4."""
    out = io.BytesIO()
    if codec == "png":
        image.save(out, "PNG", compress_level=1)
    elif codec.startswith("jpeg"):
        subsampling = 0 if rng.random() < 0.25 else 2
        image.save(out, "JPEG", quality=int(codec[4:]), subsampling=subsampling)
    else:
        image.save(out, "WEBP", quality=int(codec[4:]), method=2)
    return out.getvalue()


def recoded(image: Image.Image, codec: str, rng: random.Random) -> Image.Image:
    """The image as it comes back from a codec."""
    if codec == "png":
        return image
    with Image.open(io.BytesIO(encoded(image, codec, rng))) as coded:
        return coded.convert("RGB")


def sharpened(image: Image.Image, rng: random.Random) -> Image.Image:
    """Unsharp mask, as editors and sites apply it."""
    return image.filter(
        ImageFilter.UnsharpMask(
            rng.uniform(0.6, 1.8), int(rng.uniform(50, 150)), rng.choice((0, 2))
        )
    )


def noised(image: Image.Image, rng: random.Random) -> Image.Image:
    """Gaussian grain of 1.5 to 6 grey levels, half of it the same in all channels."""
    values = np.asarray(image, np.float32)
    seeded = np.random.default_rng(rng.getrandbits(32))
    shape = values.shape if rng.random() < 0.5 else (*values.shape[:2], 1)
    grain = seeded.normal(0, rng.uniform(1.5, 6), shape)
    return Image.fromarray(np.clip(np.rint(values + grain), 0, 255).astype(np.uint8))
