"""One engine per workspace, and a kill frees it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage.errors import WorkspaceLocked
from storage.lock import EngineLock, engine_running, holder
from storage.platform import try_lock

HOLD = """
import sys, pathlib
from storage.lock import EngineLock
with EngineLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(workspace: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workspace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_engine_is_told_who_has_the_workspace(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        with pytest.raises(WorkspaceLocked, match=f"process {process.pid} ") as told:
            EngineLock(tmp_path).acquire()
        assert told.value.exit_code == 11
        assert engine_running(tmp_path)
    finally:
        end(process)


def test_a_kill_frees_the_workspace(tmp_path: Path) -> None:
    end(hold(tmp_path))
    assert not engine_running(tmp_path)
    with EngineLock(tmp_path):
        assert engine_running(tmp_path)


def test_leaving_frees_the_workspace(tmp_path: Path) -> None:
    with EngineLock(tmp_path):
        pass
    with EngineLock(tmp_path), pytest.raises(WorkspaceLocked, match=f"process {os.getpid()} "):
        EngineLock(tmp_path).acquire()


def test_a_folder_that_no_engine_ever_used_runs_none(tmp_path: Path) -> None:
    assert not engine_running(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_look_at_the_lock_does_not_turn_an_engine_away(tmp_path: Path) -> None:
    (tmp_path / "engine.lock").touch()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            engine_running(tmp_path)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(50):
            with EngineLock(tmp_path):
                time.sleep(0.001)
    finally:
        over.set()
        looking.join()


def test_who_was_killed_is_not_taken_for_who_has_the_workspace(tmp_path: Path) -> None:
    """Between taking the lock and writing so, the file still tells of one that was killed."""
    end(hold(tmp_path))
    fd = os.open(tmp_path / "engine.lock", os.O_RDWR)
    try:
        assert try_lock(fd)
        teller = threading.Timer(0.3, _tell_of_this_process, (tmp_path,))
        teller.start()
        with pytest.raises(WorkspaceLocked, match=f"process {os.getpid()} "):
            EngineLock(tmp_path).acquire()
        teller.join()
    finally:
        os.close(fd)


def _tell_of_this_process(workspace: Path) -> None:
    about = {"pid": os.getpid(), "host": socket.gethostname(), "since": "now"}
    (workspace / "engine.lock").write_text(json.dumps(about))


NO_HOLDER = ("", "{", "[]", "7", '{"pid": 1}', '{"pid": "x", "host": "h", "since": "now"}')


@pytest.mark.parametrize("text", NO_HOLDER)
def test_a_holder_that_does_not_say_who_it_is_is_told_all_the_same(
    tmp_path: Path, text: str
) -> None:
    with EngineLock(tmp_path):
        (tmp_path / "engine.lock").write_text(text)
        began = time.monotonic()
        with pytest.raises(WorkspaceLocked, match=r"is in use$"):
            EngineLock(tmp_path).acquire()
        assert time.monotonic() - began < 1
        assert holder(tmp_path) is None


def test_who_holds_a_workspace_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with EngineLock(tmp_path):
        found = holder(tmp_path)
        assert found is not None
        assert (found.pid, found.host) == (os.getpid(), socket.gethostname())
        assert found.since.endswith("+00:00")
    assert holder(tmp_path) is None
