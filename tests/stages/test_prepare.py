"""Preparing pictures: untouched where trainers agree, made plain where they do not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from stages.errors import UnreadablePicture
from stages.prepare import Prepared, encode, prepare
from tests.stages.conftest import encoded, noise

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
"""What a viewer does to the stored pixels for each EXIF orientation (EXIF 2.32, table 6)."""


def prepared(tmp_path: Path, data: bytes) -> Prepared:
    path = tmp_path / "picture"
    path.write_bytes(data)
    return prepare(path)


def pixels(data: bytes | None) -> np.ndarray:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert not image.info
        return np.asarray(image)


def exif(**tags: int | str) -> Image.Exif:
    made = Image.Exif()
    for name, value in tags.items():
        made[ExifTags.Base[name]] = value
    return made


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_plain_picture_goes_out_as_it_is(tmp_path: Path, format: str, mode: str) -> None:
    out = prepared(tmp_path, encoded(noise(40, 24).convert(mode), format))
    suffix = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}[format]
    assert out == Prepared(None, suffix, 40, 24, (40, 24))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_is_baked_in(tmp_path: Path, format: str, orientation: int) -> None:
    data = encoded(noise(40, 24), format, exif=exif(Orientation=orientation))
    with Image.open(io.BytesIO(data)) as image:
        stored = np.asarray(image)
    out = prepared(tmp_path, data)
    expected = UPRIGHT[orientation](stored)
    np.testing.assert_array_equal(pixels(out.data), expected)
    assert (out.height, out.width) == expected.shape[:2]
    assert (out.original, out.changed, out.suffix) == ((40, 24), ("orientation",), ".png")


def test_an_upright_orientation_tag_changes_nothing(tmp_path: Path) -> None:
    assert prepared(tmp_path, encoded(noise(40, 24), "JPEG", exif=exif(Orientation=1))).data is None


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    rgba = noise(20, 20, bands=4)
    array = np.asarray(rgba).astype(float)
    alpha = array[..., 3:] / 255
    expected = array[..., :3] * alpha + 255 * (1 - alpha)
    out = prepared(tmp_path, encoded(rgba, "PNG"))
    assert np.abs(pixels(out.data) - expected).max() <= 1
    assert out.changed == ("alpha",)


def test_grey_with_alpha_becomes_white_too(tmp_path: Path) -> None:
    data = encoded(Image.new("LA", (8, 8), (30, 0)), "PNG")
    assert (pixels(prepared(tmp_path, data).data) == 255).all()


def test_a_transparent_colour_of_a_palette_becomes_white(tmp_path: Path) -> None:
    image = noise(16, 16).quantize(4)
    clear = np.asarray(image) == 2
    out = pixels(prepared(tmp_path, encoded(image, "PNG", transparency=2)).data)
    assert (out[clear] == 255).all()
    np.testing.assert_array_equal(out[~clear], np.asarray(image.convert("RGB"))[~clear])


def test_a_colour_key_counts_as_transparency(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert (pixels(prepared(tmp_path, data).data) == 255).all()


def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    out = prepared(tmp_path, encoded(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(pixels(out.data)[0, :, 0], np.arange(256))
    assert out.changed == ("16 bit",)


def test_a_colour_key_of_16_bit_grey_becomes_white(tmp_path: Path) -> None:
    grey = Image.fromarray(np.array([[0, 300, 65535]], dtype=np.uint16))
    out = prepared(tmp_path, encoded(grey, "PNG", transparency=300))
    assert pixels(out.data)[0, :, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_and_bitmaps_become_rgb(tmp_path: Path, mode: str) -> None:
    image = noise(16, 16).quantize(16) if mode == "P" else noise(16, 16).convert("1")
    out = prepared(tmp_path, encoded(image, "PNG"))
    np.testing.assert_array_equal(pixels(out.data), np.asarray(image.convert("RGB")))
    assert out.changed == (f"mode {mode}",)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    out = prepared(tmp_path, encoded(red, "JPEG", quality=100))
    assert np.abs(pixels(out.data).astype(int) - (255, 0, 0)).max() <= 2
    assert out.changed == ("mode CMYK",)


def test_formats_that_trainers_do_not_open_become_png(tmp_path: Path) -> None:
    gif = noise(16, 16).quantize(16)
    out = prepared(tmp_path, encoded(gif, "GIF"))
    np.testing.assert_array_equal(pixels(out.data), np.asarray(gif.convert("RGB")))
    avif = encoded(noise(16, 16), "AVIF")
    with Image.open(io.BytesIO(avif)) as image:
        expected = np.asarray(image.convert("RGB"))
    out = prepared(tmp_path, avif)
    np.testing.assert_array_equal(pixels(out.data), expected)
    assert out.changed == ("format avif",)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_goes_out(tmp_path: Path, format: str) -> None:
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "blue")]
    data = encoded(
        frames[0], format, save_all=True, append_images=frames[1:], duration=100, lossless=True
    )
    out = prepared(tmp_path, data)
    assert (pixels(out.data) == (255, 0, 0)).all()
    assert "first frame" in out.changed


def test_colours_of_another_space_are_converted(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A space whose red and green are each other's: nobody could overlook that it was ignored.
    swapped = (
        srgb.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)
    )
    image = noise(16, 16)
    assert prepared(tmp_path, encoded(image, "PNG", icc_profile=srgb)).data is None
    out = prepared(tmp_path, encoded(image, "PNG", icc_profile=swapped))
    expected = np.asarray(image)[..., [1, 0, 2]].astype(int)
    assert np.abs(pixels(out.data) - expected).max() <= 3
    assert out.changed == ("colour profile",)


def test_a_profile_that_cannot_be_read_is_ignored(tmp_path: Path) -> None:
    out = prepared(tmp_path, encoded(noise(16, 16), "PNG", icc_profile=b"not a profile" * 20))
    assert out.data is None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_places_and_serial_numbers_are_cut_out_without_touching_pixels(
    tmp_path: Path, format: str
) -> None:
    where = exif(Orientation=1)
    where.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(noise(40, 24), format, exif=where, icc_profile=srgb)
    assert b"Exif" in data or b"eXIf" in data or b"EXIF" in data
    out = prepared(tmp_path, data)
    assert out.data is not None
    assert len(out.data) < len(data)
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(out.data)) as after:
        assert (after.format, after.info.get("icc_profile")) == (format, srgb)
        assert not after.getexif()
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
    assert out.changed == ("private metadata",)


def test_xmp_that_tells_a_place_is_cut_out(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a exif:GPSLatitude="52,31N"/></x:xmpmeta>'
    data = encoded(noise(16, 16), "JPEG", xmp=xmp)
    out = prepared(tmp_path, data)
    assert out.data is not None
    assert b"GPS" in data
    assert b"GPS" not in out.data


def test_harmless_metadata_stays_where_the_file_stays(tmp_path: Path) -> None:
    assert prepared(tmp_path, encoded(noise(16, 16), "JPEG", exif=exif(Software="x"))).data is None


def test_damage_and_absence_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture) as gone:
        prepare(tmp_path / "nothing")
    assert gone.value.reason == "missing"
    half = encoded(noise(64, 64, bands=4), "PNG")
    for data in (b"", b"not a picture", half[: len(half) // 2], half[:20]):
        with pytest.raises(UnreadablePicture) as broken:
            prepared(tmp_path, data)
        assert broken.value.reason == "undecodable"


def test_the_same_pixels_give_the_same_bytes() -> None:
    image = noise(32, 32)
    tagged = image.copy()
    tagged.info["icc_profile"] = b"something"
    for format in ("png", "jpg"):
        assert encode(image, format) == encode(tagged, format)
    with pytest.raises(ValueError):
        encode(image, "bmp")
