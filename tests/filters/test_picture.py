from __future__ import annotations

import io
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from filters.picture import Limits, Picture, PictureError, sniff
from tests.filters.support import drawing, encode

FRAMES = [drawing(seed=seed) for seed in range(2, 5)]
MOVING = {"save_all": True, "append_images": FRAMES}
FILES = {
    "jpeg": ("jpg", encode(drawing(), "JPEG")),
    "progressive jpeg": ("jpg", encode(drawing(), "JPEG", progressive=True)),
    "png": ("png", encode(drawing(), "PNG")),
    "webp": ("webp", encode(drawing(), "WEBP")),
    "lossless webp": ("webp", encode(drawing(), "WEBP", lossless=True)),
    "avif": ("avif", encode(drawing(), "AVIF")),
    "gif": ("gif", encode(drawing(), "GIF")),
    "animated gif": ("gif", encode(drawing(), "GIF", **MOVING)),
    "animated png": ("png", encode(drawing(), "PNG", **MOVING)),
    "animated webp": ("webp", encode(drawing(), "WEBP", **MOVING)),
    "animated avif": ("avif", encode(drawing(), "AVIF", **MOVING)),
}
every_file = pytest.mark.parametrize("name", FILES)


def reason_of(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(PictureError) as caught:
        Picture.open(data, limits)
    return caught.value.reason


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


@every_file
def test_every_format_is_sniffed_and_decoded(name: str) -> None:
    format, data = FILES[name]
    picture = Picture.open(data)
    assert (sniff(data[:64]), picture.format) == (format, format)
    assert (picture.width, picture.height, picture.rgb.size) == (160, 120, (160, 120))
    assert picture.bytes == len(data)
    difference = np.abs(np.asarray(picture.rgb, int) - np.asarray(drawing(), int)).mean()
    assert difference < 12


@every_file
def test_frames_are_counted(name: str) -> None:
    picture = Picture.open(FILES[name][1])
    assert picture.frames == (4 if "animated" in name else 1)
    assert picture.animated is ("animated" in name)


def test_a_path_is_read_like_bytes(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.gif"
    path.write_bytes(FILES["png"][1])
    assert Picture.open(path).format == "png"
    with pytest.raises(FileNotFoundError):
        Picture.open(tmp_path / "absent.png")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_never_a_picture(name: str, share: float) -> None:
    data = FILES[name][1]
    assert reason_of(data[: int(share * len(data))]) in {"truncated", "not_an_image"}


@pytest.mark.parametrize("name", ["avif", "animated avif"])
def test_a_file_cut_between_two_boxes_is_truncated(name: str) -> None:
    data = FILES[name][1]
    assert reason_of(data[: data.rindex(b"mdat") - 4]) == "truncated"


@every_file
def test_a_file_that_lacks_its_last_bytes_alone_is_truncated(name: str) -> None:
    data = FILES[name][1]
    for missing in range(1, 17):
        assert reason_of(data[:-missing]) == "truncated"


def test_truncation_is_found_though_others_told_pillow_to_forgive_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for _, data in FILES.values():
        assert reason_of(data[: len(data) // 2]) == "truncated"


@pytest.mark.parametrize("name", ["jpeg", "png", "gif"])
def test_what_follows_the_end_of_a_picture_does_not_matter(name: str) -> None:
    assert Picture.open(FILES[name][1] + b"more, as some cameras write").width == 160


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), seed=st.integers(0, 2**32 - 1))
def test_damaged_files_give_a_picture_or_a_picture_error(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(FILES[name][1])
    for at in random.integers(0, len(data), 6):
        data[at] = random.integers(256)
    try:
        picture = Picture.open(bytes(data), Limits(max_pixels=1_000_000))
    except PictureError:
        return
    assert picture.rgb.size == (picture.display_width, picture.display_height)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"<!doctype html><title>Just a moment</title>", "not_an_image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not_an_image"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "not_an_image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "format_not_allowed"),
        (encode(drawing(), "BMP"), "format_not_allowed"),
        (encode(drawing(), "TIFF"), "format_not_allowed"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not_an_image"),
    ],
)
def test_what_is_no_picture_of_ours_says_why(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


def test_formats_can_be_left_out() -> None:
    assert reason_of(FILES["avif"][1], Limits(formats=("jpg", "png"))) == "format_not_allowed"


def test_a_header_over_the_limit_is_refused_before_decoding_and_keeps_its_size() -> None:
    bomb = png(20_000, 20_000, b"", depth=1, colour=0)
    with pytest.raises(PictureError) as caught:
        Picture.open(bomb)
    assert caught.value.reason == "too_many_pixels"
    assert (caught.value.width, caught.value.height) == (20_000, 20_000)


def test_a_large_picture_over_pillows_own_limit_is_judged_by_ours() -> None:
    # 13,000 x 13,000 one-bit pixels in 20 KB: Pillow would only warn, and take 170 MB and more.
    rows = bytes(1626) * 13_000
    bomb = png(13_000, 13_000, rows, depth=1, colour=0)
    assert len(bomb) < 21_000
    assert reason_of(bomb) == "too_many_pixels"
    assert reason_of(bomb, Limits(max_pixels=170_000_000)) == "decompression_bomb"
    with Picture.open(bomb, Limits(170_000_000, max_pixels_per_byte=9_000)) as picture:
        assert (picture.width, picture.mode, picture.bit_depth) == (13_000, "1", 1)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_the_pixel_limit_holds_for_every_format(format: str) -> None:
    data = encode(drawing(), format)
    assert reason_of(data, Limits(max_pixels=160 * 120 - 1)) == "too_many_pixels"
    assert Picture.open(data, Limits(max_pixels=160 * 120)).width == 160


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "avif"])
def test_the_frame_limit_holds_for_every_format(kind: str) -> None:
    data = FILES[f"animated {kind}"][1]
    assert reason_of(data, Limits(max_frames=3)) == "too_many_frames"
    assert Picture.open(data, Limits(max_frames=4)).frames == 4


def test_a_jpeg_of_endless_passes_is_refused() -> None:
    data = FILES["progressive jpeg"][1]
    start, end = data.rindex(b"\xff\xda"), len(data) - 2
    bomb = data[:end] + data[start:end] * 200 + data[end:]
    assert reason_of(bomb) == "too_many_scans"


def test_a_file_over_the_byte_limit_is_refused(tmp_path: Path) -> None:
    data = FILES["png"][1]
    path = tmp_path / "large.png"
    path.write_bytes(data)
    limits = Limits(max_bytes=len(data) - 1)
    assert reason_of(data, limits) == "too_many_bytes"
    with pytest.raises(PictureError, match="bytes"):
        Picture.open(path, limits)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_orientation_turns_the_picture_upright(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(drawing(), format, exif=exif)
    picture = Picture.open(data)
    assert picture.orientation == orientation
    assert (picture.width, picture.height) == (160, 120)
    seen = (120, 160) if orientation > 4 else (160, 120)
    assert (picture.display_width, picture.display_height) == picture.rgb.size == seen
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    assert np.array_equal(np.asarray(picture.rgb), np.asarray(expected))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_upright(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert Picture.open(encode(drawing(), "JPEG", exif=exif)).orientation == 1


def test_a_corrupt_exif_block_does_not_cost_the_picture() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03"
    picture = Picture.open(encode(drawing(), "JPEG", exif=exif))
    assert (picture.orientation, picture.rgb.size) == (1, (160, 120))


def half_clear(mode: str) -> Image.Image:
    """Left half dark and opaque, right half dark and fully transparent."""
    image = Image.new("RGBA", (40, 20), (20, 20, 20, 255))
    image.paste((20, 20, 20, 0), (20, 0, 40, 20))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    picture = Picture.open(encode(half_clear(mode), "PNG"))
    assert picture.has_alpha
    assert picture.rgb.getpixel((5, 5)) == (20, 20, 20)
    assert picture.rgb.getpixel((35, 5)) == (255, 255, 255)


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP"])
def test_a_palette_with_transparency_is_laid_on_white(format: str) -> None:
    image = Image.new("P", (40, 20), 0)
    image.putpalette([20, 20, 20, 250, 10, 10])
    image.paste(1, (20, 0, 40, 20))
    image.info["transparency"] = 1
    data = encode(image if format != "WEBP" else image.convert("RGBA"), format, lossless=True)
    picture = Picture.open(data)
    assert picture.has_alpha
    assert picture.rgb.getpixel((5, 5)) == (20, 20, 20)
    assert picture.rgb.getpixel((35, 5)) == (255, 255, 255)


def test_a_palette_with_partial_transparency_is_blended() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0])
    picture = Picture.open(encode(image, "PNG", transparency=b"\x80"))
    assert picture.rgb.getpixel((0, 0)) == (127, 127, 127)


def test_a_palette_with_an_alpha_channel_is_laid_on_white() -> None:
    # No format that is decoded here gives this mode today.
    picture = Picture(half_clear("RGBA").convert("PA"), "png", frames=1, bit_depth=8, bytes=0)
    assert picture.rgb.getpixel((5, 5)) == (20, 20, 20)
    assert picture.rgb.getpixel((35, 5)) == (255, 255, 255)


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(1, 256).repeat(4, 0)
    picture = Picture.open(encode(Image.fromarray(ramp), "PNG"))
    assert (picture.mode, picture.bit_depth) == ("I;16", 16)
    assert np.array_equal(picture.gray[0], np.arange(256))


def test_one_bit_and_grey_and_cmyk_become_rgb() -> None:
    dark = Image.new("RGB", (16, 16), (250, 30, 30))
    assert Picture.open(encode(dark.convert("1"), "PNG")).rgb.mode == "RGB"
    assert Picture.open(encode(dark.convert("L"), "JPEG")).rgb.getpixel((3, 3)) == (96, 96, 96)
    cmyk = Picture.open(encode(dark.convert("CMYK"), "JPEG", quality=95))
    assert cmyk.mode == "CMYK"
    assert np.abs(np.array(cmyk.rgb.getpixel((3, 3))) - (250, 30, 30)).max() < 8


def test_colour_profiles_and_subsampling_are_told() -> None:
    data = encode(drawing(), "JPEG", icc_profile=b"x" * 200, subsampling="4:2:2")
    picture = Picture.open(data)
    assert (picture.icc, picture.subsampling) == (True, "4:2:2")
    assert [len(table) for table in picture.quantization] == [64, 64]
    assert Picture.open(FILES["png"][1]).quantization == ()


def test_gray_is_luma_of_the_upright_picture_and_is_read_only() -> None:
    gray = Picture.open(FILES["png"][1]).gray
    assert gray.shape == (120, 160)
    assert gray.dtype == np.uint8
    assert np.array_equal(gray, np.asarray(drawing().convert("L")))
    with pytest.raises(ValueError, match="read-only"):
        gray[0, 0] = 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_a_reduced_copy_fits_and_is_made_once(width: int, height: int, side: int) -> None:
    picture = Picture.open(encode(Image.new("RGB", (width, height), (9, 8, 7)), "PNG"))
    small = picture.reduced(side)
    assert max(small.size) <= side
    assert small.getpixel((0, 0)) == (9, 8, 7)
    assert picture.reduced(side) is small


def test_a_closed_picture_has_no_pixels_but_still_its_facts() -> None:
    with Picture.open(FILES["png"][1]) as picture:
        pass
    assert picture.width == 160
    with pytest.raises(ValueError, match="closed"):
        _ = picture.rgb


def test_pictures_are_decoded_in_many_threads_at_once() -> None:
    barrier = threading.Barrier(8)

    def decode(turn: int) -> bytes:
        barrier.wait()
        data = list(FILES.values())[turn % len(FILES)][1]
        return Picture.open(data).rgb.tobytes()

    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(decode, range(8)))
    assert many == [Picture.open(data).rgb.tobytes() for _, data in list(FILES.values())[:8]]
