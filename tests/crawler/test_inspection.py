"""Bytes become a picture we have looked at."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image as Pillow

from crawler import plugins
from crawler.errors import FetchError
from crawler.inspection import LARGE_BYTES, LARGE_PIXELS, MANY_SCANS, Inspector
from filters.policy import Judge
from storage.files import FileStore
from storage.records import Image
from tests.crawler.shelf import paint
from tests.hostile.build import drawing, sound
from tests.hostile.filters import Poison, Whereabouts, Width

SHA = "5" * 64

Make = Callable[..., Inspector]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes inspectors that are closed in the end."""
    made: list[Inspector] = []

    def make(*filters: type, **more: Any) -> Inspector:
        judge = Judge(filter() for filter in filters) if filters else plugins.judge()
        made.append(Inspector(judge, **{"max_pixels": 30_000_000} | more))
        return made[-1]

    yield make
    for inspector in made:
        inspector.close()


@pytest.fixture
def inspector(make: Make) -> Inspector:
    return make()


async def look(inspector: Inspector, path: Path) -> Image:
    return await inspector.inspect(path, sha256=SHA, md5="m" * 32, size=path.stat().st_size)


def was_here(image: Image) -> bool:
    return image.measures["whereabouts"]["pid"] == os.getpid()


async def test_a_picture_is_what_its_bytes_are_not_what_its_name_says(
    inspector: Inspector, tmp_path: Path
) -> None:
    path = paint(tmp_path, "one").rename(tmp_path / "one.jpg")
    image = await look(inspector, path)
    assert (image.format, image.width, image.height) == ("png", 48, 48)
    assert image.bytes == path.stat().st_size
    assert image.measures["resolution"]["width"] == 48
    assert all("version" in measured for measured in image.measures.values())


async def test_the_same_bytes_give_the_same_measures(inspector: Inspector, tmp_path: Path) -> None:
    path = paint(tmp_path, "one")
    images = await asyncio.gather(*(look(inspector, path) for _ in range(8)))
    assert all(image == images[0] for image in images)


ONE_THREAD = """
import asyncio, pathlib, sys
import numpy
from threadpoolctl import threadpool_info
from crawler import plugins
from crawler.inspection import Inspector

def threads():
    return [each["num_threads"] for each in threadpool_info() if "numpy" in each["filepath"]]

async def main():
    path, before = pathlib.Path(sys.argv[1]), threads()
    inspector = Inspector(plugins.judge(), max_pixels=30_000_000)
    await inspector.inspect(path, sha256="5" * 64, md5="m" * 32, size=path.stat().st_size)
    during = threads()
    inspector.close()
    print(before, during, threads())

asyncio.run(main())
"""


def test_a_calculation_takes_one_thread_while_pictures_are_looked_at(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ONE_THREAD, str(paint(tmp_path, "one"))]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    if done.stdout.startswith("[2]"):  # else numpy was built with something that heeds no such word
        assert done.stdout == "[2] [1] [2]\n"
    else:
        pytest.skip(f"numpy's threads are {done.stdout}")


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x89PNG\r\n\x1a\n" + b"x" * 100])
async def test_what_is_no_picture_is_told_with_the_decoders_reason(
    inspector: Inspector, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(FetchError) as told:
        await look(inspector, tmp_path / "f")
    assert told.value.reason not in ("", "crashed")
    assert not told.value.transient


async def test_a_picture_with_its_end_missing_is_no_whole_picture(
    inspector: Inspector, tmp_path: Path
) -> None:
    whole = paint(tmp_path, "one", side=200).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FetchError):
        await look(inspector, tmp_path / "cut")


async def test_pictures_over_the_cap_are_refused_by_their_header(
    inspector: Inspector, tmp_path: Path
) -> None:
    Pillow.new("RGB", (6_000, 5_001), "red").save(tmp_path / "huge.png")
    with pytest.raises(FetchError) as told:
        await look(inspector, tmp_path / "huge.png")
    assert told.value.reason == "too_many_pixels"


def encoded(image: Pillow.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def many_scans() -> bytes:
    data = sound("JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), len(data) - 2
    return data[:end] + data[start:end] * MANY_SCANS + data[end:]


SIDE = int(LARGE_PIXELS**0.5)
ODD: dict[str, Callable[[], bytes]] = {
    "large": lambda: encoded(Pillow.new("L", (SIDE + 1, SIDE + 1), "red"), "JPEG"),
    "long": lambda: encoded(drawing(2_400, 2_400), "PNG", compress_level=0),
    "moving": lambda: sound("GIF", frames=3),
    "AVIF": lambda: sound("AVIF"),
    "of many passes": many_scans,
    "of very few bytes": lambda: encoded(Pillow.new("L", (2_100, 2_100)), "PNG"),
}


@pytest.mark.parametrize("kind", ODD)
async def test_what_might_take_too_much_is_decoded_in_the_other_process(
    make: Make, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "odd").write_bytes(ODD[kind]())
    assert (kind == "long") == ((tmp_path / "odd").stat().st_size > LARGE_BYTES)
    assert not was_here(await look(make(Whereabouts), tmp_path / "odd"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_plain_pictures_are_decoded_here(make: Make, tmp_path: Path, format: str) -> None:
    (tmp_path / "plain").write_bytes(sound(format, progressive=True))
    assert was_here(await look(make(Whereabouts), tmp_path / "plain"))


async def test_the_same_is_measured_in_either_place(make: Make, tmp_path: Path) -> None:
    path = paint(tmp_path, "one", side=200)
    store = FileStore(tmp_path)
    here = await look(make(suspects=store.suspects), path)
    suspect(store)
    there = await look(make(suspects=store.suspects), path)
    assert here == there


async def test_large_pictures_leave_this_process_small(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Pillow.effect_noise((5_400, 5_400), 60).save(path, quality=50)
    inspector = make()
    before = psutil.Process().memory_info().rss
    most = 0
    looking = asyncio.gather(*(look(inspector, path) for _ in range(3)))
    while not looking.done():
        most = max(most, psutil.Process().memory_info().rss)
        await asyncio.sleep(0.005)
    assert [image.width for image in await looking] == [5_400] * 3
    assert most - before < 60_000_000  # the decoded picture alone has 117 MB


async def test_a_picture_that_crashes_its_decoder_costs_itself(make: Make, tmp_path: Path) -> None:
    inspector = make(Poison)
    (tmp_path / "good").write_bytes(sound("PNG"))
    moving = [drawing(Width.CRASHES, seed=seed) for seed in (1, 2)]
    moving[0].save(tmp_path / "bad.gif", save_all=True, append_images=moving[1:])
    crashed = look(inspector, tmp_path / "bad.gif")
    good = (look(inspector, tmp_path / "good") for _ in range(8))
    first, *others = await asyncio.gather(crashed, *good, return_exceptions=True)
    assert isinstance(first, FetchError)
    assert (first.reason, first.transient) == ("decoder_crash", False)
    assert all(isinstance(image, Image) for image in others)


# -- what a killed run was decoding ---------------------------------------------------------------


def suspect(store: FileStore) -> None:
    (store.tmp / f"temp.{SHA}.decoding").touch()
    store.clear_tmp()
    assert SHA in store.suspects


def arrive(store: FileStore, width: int) -> Path:
    path = store.temp()
    drawing(width).save(path, "PNG")
    return path


RUN = """
import asyncio, sys
from pathlib import Path
from crawler.inspection import Inspector
from filters.policy import Judge
from storage.files import FileStore
from tests.hostile.filters import Poison
store = FileStore(Path(sys.argv[1]))
inspector = Inspector(Judge([Poison()]), max_pixels=10**6, suspects=store.suspects)
print("ready", flush=True)
asyncio.run(inspector.inspect(Path(sys.argv[2]), sha256=sys.argv[3], md5="", size=1))
"""


def start_decoding(store: FileStore, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(store.workspace), str(path), SHA]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


async def test_a_picture_that_killed_a_run_is_decoded_beside_and_then_has_failed(
    make: Make, tmp_path: Path
) -> None:
    store = FileStore(tmp_path)
    with start_decoding(store, arrive(store, Width.CRASHES)) as run:
        assert run.wait(20) == -signal.SIGSEGV
    FileStore(tmp_path).clear_tmp()
    assert SHA in store.suspects
    inspector = make(Poison, suspects=store.suspects)
    for _ in range(2):  # the same bytes may come again, of another work
        with pytest.raises(FetchError) as told:
            await look(inspector, arrive(store, Width.CRASHES))
        assert told.value.reason == "decoder_crash"
        assert SHA in store.suspects


async def test_a_kill_from_outside_is_no_failure_of_what_was_decoded_then(
    make: Make, tmp_path: Path
) -> None:
    store = FileStore(tmp_path)
    with start_decoding(store, arrive(store, Width.HANGS)) as run:
        end = time.monotonic() + 10
        while not list(store.tmp.glob("*.decoding")):
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        run.kill()
    # Killed again before its turn came: it is still a suspect.
    for _ in range(2):
        FileStore(tmp_path).clear_tmp()
        assert SHA in store.suspects
    inspector = make(Whereabouts, suspects=store.suspects)
    assert not was_here(await look(inspector, arrive(store, Width.HANGS)))
    assert SHA not in store.suspects
    assert was_here(await look(inspector, arrive(store, Width.HANGS)))


@pytest.mark.parametrize("data", [sound("PNG"), sound("PNG")[:900], b"<html>", sound("AVIF")])
async def test_nothing_is_left_of_what_was_decoded_or_refused(
    make: Make, tmp_path: Path, data: bytes
) -> None:
    store = FileStore(tmp_path)
    path = store.temp()
    path.write_bytes(data)
    await asyncio.gather(look(make(suspects=store.suspects), path), return_exceptions=True)
    assert list(store.tmp.iterdir()) == [path]
    assert SHA not in store.suspects


async def test_the_end_does_not_wait_for_a_picture_that_hangs(make: Make, tmp_path: Path) -> None:
    inspector = make(Poison)
    moving = [drawing(Width.HANGS, seed=seed) for seed in (1, 2)]
    moving[0].save(tmp_path / "moving.gif", save_all=True, append_images=moving[1:])
    looking = asyncio.create_task(look(inspector, tmp_path / "moving.gif"))
    await asyncio.sleep(0.5)
    looking.cancel()
    began = time.monotonic()
    inspector.close()
    assert time.monotonic() - began < 2
    with pytest.raises(asyncio.CancelledError):
        await looking
