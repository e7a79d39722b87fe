"""Upscales made for training are the same in every run and tell what they are."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import ai_upscales
from training.sources import Source
from training.upscalers import Upscaler, upscalers
from training.upscalers.base import Network, Pixels, enlarge_luma, padded

LICENCE = "CC0-1.0"


def doubled(paths: tuple[Path, ...]) -> Network:
    factor = int(paths[0].read_text())
    return lambda pixels: pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def stand_in(folder: Path, family: str, factor: int) -> Upscaler:
    (folder / family).write_text(str(factor))
    return Upscaler(f"{family}_{factor}x", family, factor, (family,), doubled)


def picture(folder: Path, name: str, side: int = 700) -> Source:
    pixels = np.random.default_rng(3).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((side, side)).save(folder / name)
    return Source(folder / name, "photo", name, "someone/pictures", name)


def test_what_is_drawn_for_a_source_depends_on_the_seed_and_the_source_alone(
    tmp_path: Path,
) -> None:
    found = [stand_in(tmp_path, family, 2) for family in ("waifu2x", "srmd", "espcn")]
    one, other = (picture(tmp_path, name) for name in ("a.png", "b.png"))

    def names(source: Source, seed: int) -> list[str]:
        drawn = ai_upscales.draws(source, LICENCE, (700, 700), found, seed, 2)
        return [f"{draw.name} {draw.method}" for draw in drawn]

    assert names(one, 5) == names(one, 5)
    assert len({draw.split("_")[1] for draw in names(one, 5)}) == 2, "each of another family"
    assert {*names(one, 5)}.isdisjoint(names(one, 6))
    assert {*names(one, 5)}.isdisjoint(names(other, 5))


def test_an_output_is_the_named_region_of_its_source_enlarged(tmp_path: Path) -> None:
    found = [stand_in(tmp_path, "waifu2x", 2)]
    source = picture(tmp_path, "a.png")
    draw = ai_upscales.draws(source, LICENCE, (700, 700), found, 1, 1)[0]

    line = ai_upscales.make(draw, tmp_path, tmp_path)

    assert line is not None
    assert (line["origin"], line["family"]) == ("someone/pictures", "waifu2x")
    x, y, width, height = map(int, line["crop"].split())
    given, box = ai_upscales.given(draw)
    assert box == (x, y, width, height)
    assert given.width == width // (2 if draw.half else 1)
    with Image.open(tmp_path / line["file"]) as output:
        assert output.size == (int(line["width"]), int(line["height"]))
        assert output.size == (given.width * 2, given.height * 2)
        assert ai_upscales.agreement(output, given) > 60


def test_a_network_that_gives_something_else_is_refused(tmp_path: Path) -> None:
    def broken(paths: tuple[Path, ...]) -> Network:
        return lambda pixels: np.zeros((len(pixels) * 2, pixels.shape[1] * 2, 3), dtype=np.uint8)

    stand_in(tmp_path, "waifu2x", 2)
    found = [Upscaler("broken_2x", "waifu2x", 2, ("waifu2x",), broken)]
    draw = ai_upscales.draws(picture(tmp_path, "a.png"), LICENCE, (700, 700), found, 1, 1)[0]
    assert ai_upscales.make(draw, tmp_path, tmp_path) is None
    assert not (tmp_path / draw.name).exists()


def test_weights_that_are_a_pointer_to_a_large_file_are_not_weights(tmp_path: Path) -> None:
    upscaler = stand_in(tmp_path, "waifu2x", 2)
    assert upscaler.available(tmp_path)
    (tmp_path / "waifu2x").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    assert not upscaler.available(tmp_path)


def test_a_second_run_makes_nothing_again_and_keeps_the_index(tmp_path: Path) -> None:
    found = [stand_in(tmp_path, family, 2) for family in ("waifu2x", "srmd")]
    draws = ai_upscales.draws(picture(tmp_path, "a.png"), LICENCE, (700, 700), found, 1, 2)

    def run() -> tuple[int, list[dict[str, str]]]:
        made = ai_upscales.run(draws, tmp_path, tmp_path, known=[], processes=1, minutes=1.0)
        return made.total(), list(csv.DictReader(io.StringIO((tmp_path / "index.csv").read_text())))

    first, second = run(), run()
    assert (first[0], second[0]) == (2, 0)
    assert first[1] == second[1]
    assert len(first[1]) == 2


def test_every_upscaler_has_a_share_in_the_draw_and_a_name_of_its_own() -> None:
    every = upscalers()
    assert {upscaler.family for upscaler in every} == set(ai_upscales.SHARES)
    assert len({upscaler.name for upscaler in every}) == len(every)


def test_padding_repeats_the_edge() -> None:
    out = padded(np.arange(12, dtype=np.float32).reshape(2, 2, 3), 1, 3)
    assert out.shape == (5, 5, 3), "two and one more, and the border"
    assert np.array_equal(out[0, 0], out[1, 1])
    assert np.array_equal(out[4, 4], out[2, 2])


def test_a_network_of_brightness_leaves_the_colour_as_it_is() -> None:
    pixels: Pixels = np.full((8, 8, 3), (200, 80, 30), dtype=np.uint8)
    out = enlarge_luma(pixels, lambda luma: luma.repeat(2, axis=0).repeat(2, axis=1))
    assert out.shape == (16, 16, 3)
    assert np.abs(out.astype(int) - (200, 80, 30)).max() <= 1


SHADER = """
//!DESC Anime4K-like convolution
//!HOOK MAIN
//!BIND MAIN
//!SAVE half
//!WIDTH MAIN.w
//!HEIGHT MAIN.h
//!COMPONENTS 4
#define go_0(x_off, y_off) (MAIN_texOff(vec2(x_off, y_off)))
vec4 hook() {
    vec4 result = mat4(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) * go_0(1.0, 0.0);
    result += vec4(0.0, 0.0, -0.25, 0.0);
    return result;
}
//!DESC Anime4K-like Depth-to-Space
//!HOOK MAIN
//!BIND MAIN
//!BIND half
//!SAVE MAIN
//!WIDTH half.w 2 *
//!HEIGHT half.h 2 *
vec4 hook() {
    vec2 f0 = fract(half_pos * half_size);
    return vec4(c0, c1, c2, c3) + MAIN_tex(MAIN_pos);
}
"""  # noqa: E501


def test_a_shader_is_the_convolution_that_its_text_says(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from training.upscalers import shader_networks

    (tmp_path / "a.glsl").write_text(SHADER)
    flat: Pixels = np.full((4, 6, 3), 64, dtype=np.uint8)
    flat[:, 3, 0] = 128

    out = shader_networks._load((tmp_path / "a.glsl",))(flat).astype(int)

    assert out.shape == (8, 12, 3)
    # The first channel's right neighbour goes to the second number: the upper right pixel of four.
    assert out[0, 5, 1] - out[0, 4, 1] == 128
    assert out[0, 1, 1] - out[0, 0, 1] == 64
    # The third number is the lower left pixel, and the bias takes it below black.
    assert out[1, 0, 1] == 0


def test_a_shader_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from training.upscalers import shader_networks

    (tmp_path / "a.glsl").write_text(SHADER.replace("* go_0(1.0, 0.0)", "* sin(0.5)"))
    with pytest.raises(OSError, match="unknown term"):
        shader_networks._load((tmp_path / "a.glsl",))
