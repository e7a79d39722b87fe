"""The process that decodes: it may die, hang or swell, and costs one picture."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from crawler import plugins
from crawler.decoding import supervisor
from crawler.decoding.look import look
from crawler.decoding.room import Room
from crawler.decoding.supervisor import Decoder
from crawler.errors import FetchError
from filters.picture import Limits, PictureError, examine
from filters.policy import Judge
from tests.filters.test_picture import FILES
from tests.hostile.build import drawing
from tests.hostile.filters import ONCE, Poison, Unloadable, Whereabouts, Width
from tests.hostile.pictures import HOSTILE, Hostile

LIMITS = Limits(max_pixels=1_000_000)

Make = Callable[..., Decoder]
Running = Callable[[], set[psutil.Process]]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes decoders that are closed in the end."""
    made: list[Decoder] = []

    def make(*filters: type, limits: Limits = LIMITS) -> Decoder:
        made.append(Decoder(Judge(filter() for filter in filters or (Poison, Whereabouts)), limits))
        return made[-1]

    yield make
    for decoder in made:
        decoder.close()


@pytest.fixture
def decoder(make: Make) -> Decoder:
    return make()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of half a second."""
    monkeypatch.setattr(supervisor, "BASE_SECONDS", 0.5)


def picture(folder: Path, width: int = 50) -> Path:
    path = folder / f"{width}.png"
    drawing(width).save(path)
    return path


def pid_of(decoder: Decoder, folder: Path) -> int:
    return int(str(decoder.look(picture(folder)).measures["whereabouts"]["pid"]))


def reason_of(decoder: Decoder, path: Path) -> str:
    with pytest.raises(FetchError) as told:
        decoder.look(path)
    assert told.value.transient == (told.value.reason == "out_of_memory")
    return told.value.reason


@pytest.fixture
def processes() -> Callable[[], set[psutil.Process]]:
    """The decoding processes that were started by the test itself."""

    def running() -> set[psutil.Process]:
        children = psutil.Process().children()
        return {child for child in children if "crawler.decoding" in child.cmdline()}

    before = running()
    return lambda: running() - before


@pytest.mark.parametrize("name", FILES)
def test_what_is_measured_there_is_what_is_measured_here(
    name: str, tmp_path: Path, beside: Decoder
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(FILES[name][1])
    here = look(examine(path), plugins.judge(), Limits())
    assert beside.look(path) == here
    assert here.measures


@pytest.fixture(scope="module")
def beside() -> Iterator[Decoder]:
    """One process with the installed filters for many tests."""
    made = Decoder(plugins.judge(), Limits())
    yield made
    made.close()


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_hostile_files_have_the_same_reasons_there(
    hostile: Hostile, tmp_path: Path, beside: Decoder
) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(hostile.make())
    began, ending = time.monotonic(), "sound"
    try:
        beside.look(path)
    except PictureError as error:
        ending = error.reason
    assert ending in hostile.reasons
    assert time.monotonic() - began < supervisor.BASE_SECONDS


def test_no_process_runs_before_it_is_needed_nor_after_the_end(
    make: Make, tmp_path: Path, processes: Running
) -> None:
    decoder = make()
    assert processes() == set()
    decoder.look(picture(tmp_path))
    assert len(processes()) == 1
    decoder.close()
    assert processes() == set()
    with pytest.raises(RuntimeError, match="closed"):
        decoder.look(picture(tmp_path))


@pytest.mark.parametrize("width", [Width.CRASHES, Width.EXITS])
def test_a_crash_costs_its_picture_alone(decoder: Decoder, tmp_path: Path, width: int) -> None:
    before = pid_of(decoder, tmp_path)
    assert reason_of(decoder, picture(tmp_path, width)) == "decoder_crash"
    assert pid_of(decoder, tmp_path) != before


def test_a_picture_has_a_second_chance_in_a_fresh_process(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    monkeypatch.setenv(ONCE, str(mark))
    assert make().look(picture(tmp_path, Width.CRASHES_ONCE)).width == Width.CRASHES_ONCE
    assert not mark.exists()


@pytest.mark.usefixtures("hasty")
def test_a_hang_ends_at_the_deadline(decoder: Decoder, tmp_path: Path) -> None:
    decoder.look(picture(tmp_path))
    began = time.monotonic()
    with pytest.raises(FetchError) as told:
        decoder.look(picture(tmp_path, Width.HANGS), 1)
    assert told.value.reason == "decode_timeout"
    assert 1.0 <= time.monotonic() - began < 6  # twice the deadline, and a start between
    assert pid_of(decoder, tmp_path)


@pytest.mark.usefixtures("hasty")
def test_more_pixels_have_more_time(decoder: Decoder, tmp_path: Path) -> None:
    slow = picture(tmp_path, Width.SLOW)
    assert decoder.look(slow, 100_000_000).width == Width.SLOW
    with pytest.raises(FetchError, match=r"not decoded after 0\.5"):
        decoder.look(slow, 1)


def test_memory_is_limited_and_its_lack_is_survived(decoder: Decoder, tmp_path: Path) -> None:
    assert reason_of(decoder, picture(tmp_path, Width.HOARDS)) == "memory_limit"
    assert pid_of(decoder, tmp_path)


def test_what_the_system_ended_may_be_tried_again(decoder: Decoder, tmp_path: Path) -> None:
    assert reason_of(decoder, picture(tmp_path, Width.STARVES)) == "out_of_memory"


def test_a_filter_that_raises_is_named_there_as_here(make: Make, tmp_path: Path) -> None:
    path = picture(tmp_path, Width.RAISES)
    here = look(examine(path), Judge([Poison()]), LIMITS)
    assert make(Poison).look(path) == here
    assert here.measures["poison"]["failed"] == "ZeroDivisionError: broken by intention"


def test_what_is_printed_there_does_not_garble_the_answers(
    decoder: Decoder, tmp_path: Path
) -> None:
    assert decoder.look(picture(tmp_path, Width.PRINTS)).width == Width.PRINTS
    assert decoder.look(picture(tmp_path)).width == 50


def test_a_process_is_replaced_now_and_then(
    decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PICTURES", 2)
    pids = [pid_of(decoder, tmp_path) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_process_that_died_while_it_waited_costs_nothing(
    decoder: Decoder, tmp_path: Path
) -> None:
    pid = pid_of(decoder, tmp_path)
    os.kill(pid, signal.SIGKILL)
    assert pid_of(decoder, tmp_path) != pid


def test_stops_are_left_to_the_parent(decoder: Decoder, tmp_path: Path) -> None:
    pid = pid_of(decoder, tmp_path)
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    assert pid_of(decoder, tmp_path) == pid


def test_it_is_told_no_settings(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_SITES__DANBOORU__API_KEY", "canary")
    assert make().look(picture(tmp_path)).measures["whereabouts"]["settings"] == ""


def test_a_filter_that_cannot_be_loaded_there_is_told(tmp_path: Path, processes: Running) -> None:
    decoder = Decoder(Judge([Unloadable("argument")]), LIMITS)
    with pytest.raises(RuntimeError, match=r"TypeError.*argument"):
        decoder.look(picture(tmp_path))
    assert processes() == set()


def test_a_file_that_is_gone_is_the_systems_word(decoder: Decoder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decoder.look(tmp_path / "gone")
    assert pid_of(decoder, tmp_path)


def test_closing_does_not_wait_for_what_hangs(
    decoder: Decoder, tmp_path: Path, processes: Running
) -> None:
    pid_of(decoder, tmp_path)
    troubles: list[BaseException] = []

    def hang() -> None:
        try:
            decoder.look(picture(tmp_path, Width.HANGS))
        except RuntimeError as error:
            troubles.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    decoder.close()
    thread.join()
    assert time.monotonic() - began < 2
    assert len(troubles) == 1
    assert processes() == set()


ORPHANS = """
import sys, time
from pathlib import Path
from crawler.decoding.supervisor import Decoder
from filters.picture import Limits
from filters.policy import Judge
from tests.hostile.filters import Poison, Whereabouts
decoder = Decoder(Judge([Poison(), Whereabouts()]), Limits())
print(decoder.look(Path(sys.argv[1])).measures["whereabouts"]["pid"], flush=True)
decoder.look(Path(sys.argv[2]))
"""


def test_it_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    plain, hanging = picture(tmp_path), picture(tmp_path, Width.HANGS)
    command = [sys.executable, "-c", ORPHANS, str(plain), str(hanging)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.2)
        parent.kill()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running()


def test_room_is_shared_by_pixels() -> None:
    room = Room(100)
    with room.take(80) as first, room.take(20) as second:
        assert (first, second) == (True, True)
        with room.take(1) as third:
            assert third is False  # the other process has nothing to do
    with room.take(1_000) as alone:
        assert alone is True


def test_who_finds_no_room_waits_while_the_other_process_is_busy() -> None:
    room, taken = Room(100), threading.Event()

    def wait() -> None:
        with room.take(60) as here:
            assert here
            taken.set()

    with room.beside():
        with room.take(60):
            thread = threading.Thread(target=wait)
            thread.start()
            assert not taken.wait(0.1)
        assert taken.wait(5)
    thread.join()


def test_a_process_killed_while_it_starts_is_nothing_that_the_picture_did(
    decoder: Decoder, tmp_path: Path
) -> None:
    def kill() -> None:
        while decoder._process is None:
            time.sleep(0.001)
        decoder._process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(FetchError) as told:
        decoder.look(picture(tmp_path))
    killer.join()
    assert (told.value.reason, told.value.transient) == ("out_of_memory", True)
    assert decoder.look(picture(tmp_path)).width == 50


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are of Unix")
def test_a_machine_without_room_for_a_process_is_nothing_that_the_picture_did(
    decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object, **options: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", full)
        with pytest.raises(FetchError) as told:
            decoder.look(picture(tmp_path))
    assert (told.value.reason, told.value.transient) == ("out_of_memory", True)
    assert decoder.look(picture(tmp_path)).width == 50
