from __future__ import annotations

import imagehash
from PIL import Image

from filters.picture import Picture
from filters.signatures import Signatures
from tests.filters.support import drawing, encode


def digest(data: bytes) -> imagehash.ImageHash:
    measures = Signatures().measure(Picture.open(data))
    assert measures["algorithm"] == "imagehash.phash/16 of box256"
    return imagehash.hex_to_hash(str(measures["phash256"]))


def test_the_hash_is_256_bits_of_imagehash_on_the_reduced_copy() -> None:
    data = encode(drawing(900, 700), "PNG")
    small = Picture.open(data).reduced(256)
    assert digest(data) == imagehash.phash(small, hash_size=16)
    assert len(str(Signatures().measure(Picture.open(data))["phash256"])) == 64


def test_copies_are_near_and_other_pictures_far() -> None:
    image = drawing(900, 700)
    original = digest(encode(image, "PNG"))
    assert original - digest(encode(image, "JPEG", quality=60)) <= 16
    half = image.resize((450, 350), Image.Resampling.LANCZOS)
    assert original - digest(encode(half, "PNG")) <= 24
    assert original - digest(encode(drawing(900, 700, seed=9), "PNG")) > 70


def test_a_turned_file_is_hashed_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = drawing(900, 700)
    upright = image.transpose(Image.Transpose.ROTATE_270)
    assert digest(encode(image, "PNG", exif=exif)) == digest(encode(upright, "PNG"))
