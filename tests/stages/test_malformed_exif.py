"""Pictures that decode well, but whose EXIF is broken: Pillow reads it, and fails to write it."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.errors import UnreadablePicture
from stages.export.kohya import Kohya, KohyaOptions
from stages.export.sheet import Sheet, SheetOptions
from stages.prepare import decoded, opened
from stages.shrink import Shrink, ShrinkOptions
from tests.stages.conftest import Make, encoded, noise

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

TURNED = 6
NUMBER_OF_A_TAG, TYPE_OF_A_TAG = 41, 43
"""Bytes of the EXIF below: of the entry of the resolution, a number of a type that needs one."""


def exif(at: int | None = None, byte: int = 0, *, length: int | None = None) -> bytes:
    """EXIF of a picture that is to be turned, with one byte changed, or cut."""
    made = Image.Exif()
    made[0x0112], made[0x011A], made[0x010F] = TURNED, 72.0, "Maker"
    data = bytearray(made.tobytes())
    if at is not None:
        data[at] = byte
    return bytes(data[:length])


FORMATS = ("JPEG", "PNG", "WEBP")
BROKEN = {
    "a number that is no integer": exif(NUMBER_OF_A_TAG, 0),
    "a text for a number": exif(TYPE_OF_A_TAG, 2),
    "bytes for a number": exif(TYPE_OF_A_TAG, 7),
    "values cut off": exif(length=60),
    "entries cut off": exif(length=20),
}
every = pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)


def picture(format: str, broken: bytes) -> bytes:
    return encoded(noise(64, 48), format, exif=broken)


def seen(data: bytes, broken: bytes) -> np.ndarray:
    """The pixels as a viewer shows them, which ignores all of EXIF but the orientation."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return pixels if broken == BROKEN["entries cut off"] else np.rot90(pixels, -1)


@pytest.mark.parametrize("format", FORMATS)
@every
def test_it_is_exported_upright(make: Make, tmp_path: Path, format: str, broken: bytes) -> None:
    data = picture(format, broken)
    image = make("1", data)
    report = Kohya(KohyaOptions()).write([image, make("2")], tmp_path / "out")
    assert (report.written, report.skipped) == (2, {})
    out = next(path for sha256, path in report.files if sha256 == image.sha256)
    with Image.open(out) as exported:
        np.testing.assert_array_equal(np.asarray(exported.convert("RGB")), seen(data, broken))


@pytest.mark.parametrize("format", FORMATS)
@every
def test_it_is_drawn_and_shrunk(make: Make, tmp_path: Path, format: str, broken: bytes) -> None:
    image = make("1", picture(format, broken))
    assert Sheet(SheetOptions()).write([image, make("2")], tmp_path / "sheet.jpg").written == 2
    (small,) = Shrink(ShrinkOptions(min_side=24)).process([image])
    data = image.path.read_bytes() if image.path else b""
    height, width = seen(data, broken).shape[:2]
    assert (small.width, small.height) == (width // 2, height // 2)


class Strange(io.BytesIO):
    """A file at which a decoder fails in its own way, once its header has been read."""

    def __init__(self, trouble: Exception) -> None:
        super().__init__(encoded(noise(64, 48), "PNG"))
        self.trouble = trouble

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 64:
            raise self.trouble
        return super().read(size)


@pytest.mark.parametrize(
    "trouble", [ZeroDivisionError("by zero"), RuntimeError(), OSError(errno.EINVAL, "no place")]
)
def test_whatever_a_decoder_raises_costs_one_picture(trouble: Exception) -> None:
    with pytest.raises(UnreadablePicture) as told, opened(Strange(trouble)) as image:
        decoded(image)
    assert told.value.reason == "undecodable"
    assert str(told.value)


@pytest.mark.parametrize("trouble", [MemoryError(), OSError(errno.EIO, "the disk")])
def test_trouble_of_the_machine_is_not_the_pictures(trouble: Exception) -> None:
    with pytest.raises(type(trouble)), opened(Strange(trouble)) as image:
        decoded(image)
