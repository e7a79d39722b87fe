"""The parent's side of the decoding process: started when needed, watched, killed, replaced."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crawler.decoding.calculation import VARIABLES
from crawler.decoding.look import Look
from crawler.errors import FetchError
from filters.picture import Limits, PictureError
from filters.policy import Judge, Policy

BASE_SECONDS = 10.0
"""Wall time that every picture may take …"""
SECONDS_PER_PIXEL = 1e-7
"""… and what its pixels add."""
START_SECONDS = 60.0
"""Wall time to start and load every filter: under a second where nothing else runs."""
BASE_MEMORY = 512 << 20
"""Bytes that a process may take beyond what it has once it is ready: file, coders, models …"""
MEMORY_PER_PIXEL = 24
"""… and what the largest picture adds: coefficients, the decoded frame, RGB on paper, luma."""
PICTURES = 256
"""After so many a process is replaced: memory that a decoder lost goes with it."""
_NO_ROOM = frozenset({errno.EAGAIN, errno.ENOMEM})
"""Why a system starts no process just now."""


class Decoder:
    """Decodes and measures files in another process, one at a time.

    Used by one thread; :meth:`close` may be called from any. What goes wrong inside costs the one
    file: the process is replaced, the file gets a second chance, and then it has failed.
    """

    def __init__(self, judge: Judge, limits: Limits, policy: Policy | None = None) -> None:
        """``policy`` is what is measured for; without it, what is measured whatever is asked."""
        self._first = {
            "filters": [f"{type(f).__module__}:{type(f).__qualname__}" for f in judge.filters],
            "policy": policy.to_json() if policy is not None else {},
            "limits": asdict(limits),
            "memory": BASE_MEMORY + MEMORY_PER_PIXEL * limits.max_pixels,
        }
        self._max_pixels = limits.max_pixels
        self._changing = threading.Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._done = 0

    def look(self, path: Path, pixels: int | None = None) -> Look:
        """What a file turns out to be; ``pixels`` is what its header claims, where that is known.

        Raises PictureError, OSError, and FetchError: ``decoder_crash`` and ``decode_timeout`` for
        what ended two processes, ``memory_limit`` for what needs more than any picture of
        ``max_pixels`` should, ``out_of_memory`` (transient) where the system ended the process.
        """
        deadline = BASE_SECONDS + SECONDS_PER_PIXEL * (pixels or self._max_pixels)
        try:
            return self._ask(path, deadline)
        except _Died:
            pass  # perhaps of what the pictures before have left in it
        try:
            return self._ask(path, deadline)
        except _Died as died:
            raise FetchError(died.reason, str(died), transient=died.transient) from died

    def close(self) -> None:
        """End the process at once, whatever it is doing."""
        with self._changing:
            self._closed = True
        self._end()

    def _ask(self, path: Path, deadline: float) -> Look:
        process = self._ready()
        answer = self._exchange(process, {"path": str(path)}, deadline)
        self._done += 1
        starved = answer.get("error", {}).get("reason") == "out_of_memory"
        if starved or self._done >= PICTURES:  # what failed for memory may still hold on to it
            self._end()
        return _read(answer)

    def _ready(self) -> subprocess.Popen[bytes]:
        """The process, started if need be.

        Raises RuntimeError where it cannot start, and FetchError ``out_of_memory`` where the system
        has no room for it just now.
        """
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        with self._changing:
            if self._closed:
                raise RuntimeError("the decoder is closed")
            process = self._process = _started()
        self._done = 0
        try:
            answer = self._exchange(process, self._first, START_SECONDS)
        except _Died as died:
            if died.transient:
                raise FetchError(died.reason, str(died), transient=True) from died
            raise RuntimeError(f"the decoding process does not start: {died}") from died
        if "ready" not in answer:
            self._end()
            raise RuntimeError(f"the decoding process: {answer['error']['message']}")
        return process

    def _exchange(
        self, process: subprocess.Popen[bytes], request: Mapping[str, Any], deadline: float
    ) -> dict[str, Any]:
        """One line there and one back. Raises _Died, and then the process is gone."""
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(deadline, kill)
        timer.daemon = True
        timer.start()
        line = b""
        try:
            with suppress(BrokenPipeError):  # it died: told below
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
        finally:
            timer.cancel()
        if not line.endswith(b"\n") or late.is_set():
            self._end()
        if line.endswith(b"\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        if late.is_set():
            raise _Died("decode_timeout", f"not decoded after {deadline:g} s")
        raise _Died.of(process.wait())

    def _end(self) -> None:
        with self._changing:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was not yet written is nobody's loss
                    pipe.close()


class _Died(Exception):
    """The process ended, or was ended, before it answered."""

    def __init__(self, reason: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.transient = transient

    @classmethod
    def of(cls, code: int) -> _Died:
        if sys.platform != "win32" and code == -signal.SIGKILL:
            # Not by us: this is how a system ends what takes its last memory.
            return cls("out_of_memory", "the system ended the decoding process", transient=True)
        return cls("decoder_crash", f"the decoding process ended with {code}")


def _started() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "crawler.decoding", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        problem = f"no decoding process can be started: {error.strerror}"
        raise FetchError("out_of_memory", problem, transient=True) from error


def _read(answer: Mapping[str, Any]) -> Look:
    if "look" in answer:
        return Look(**answer["look"])
    error = answer["error"]
    reason, message = error["reason"], error["message"]
    match reason:
        case "os_error":
            raise OSError(error["errno"], message)
        case "filter_failed":
            raise FetchError(reason, message)
        case "out_of_memory":
            # It had all that a picture of max_pixels takes: another run would end the same way.
            raise FetchError("memory_limit", message)
    raise PictureError(reason, message, width=error["width"], height=error["height"])


def _environment() -> dict[str, str]:
    """Ours, without settings (which may hold keys), and with the modules that we have."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TRAWL_")}
    plain |= dict.fromkeys(VARIABLES, "1")
    places = [place or str(Path.cwd()) for place in sys.path]
    # Each thread of a decoder would reserve 64 MB of address space for a heap of its own.
    return plain | {"PYTHONPATH": os.pathsep.join(places), "MALLOC_ARENA_MAX": "2"}
