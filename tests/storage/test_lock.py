"""One engine per workspace, and a kill frees it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage.errors import WorkspaceLocked
from storage.lock import EngineLock, engine_running

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
