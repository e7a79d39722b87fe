"""Runs trawl and the demo site as a user does: processes of their own, in folders of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from crawler.demo.faults import Faults
from crawler.demo.ledger import Ledger
from crawler.demo.posts import World
from crawler.demo.site import DemoSite, ThreadedDemoSite

ROOT = Path(__file__).parent.parent.parent
CONTACT = "scenario@example.org"
TIMEOUT = 90.0


@dataclass(frozen=True)
class Address:
    """Where a demo site listens: ``allow_hosts`` are its two ``host:port`` pairs."""

    base_url: str
    cdn_url: str

    @property
    def allow_hosts(self) -> str:
        return ",".join(url.removeprefix("http://") for url in (self.base_url, self.cdn_url))


def address(site: DemoSite) -> Address:
    """Where a site of this process listens."""
    return Address(site.base_url, site.cdn_url)


def serving(
    world: World, place: Address | None = None, faults: Faults | None = None
) -> ThreadedDemoSite:
    """A demo site in a thread, where an earlier one listened if one is given."""
    ports = (
        [urlsplit(url).port or 0 for url in (place.base_url, place.cdn_url)] if place else [0, 0]
    )
    return ThreadedDemoSite(DemoSite(world, faults=faults, port=ports[0], cdn_port=ports[1]))


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float
    peak: int = 0
    """Bytes of memory that its own process held at most; 0 where the system does not tell."""

    @property
    def lines(self) -> list[str]:
        """What a user is told of an error."""
        return [line for line in self.err.splitlines() if line.startswith(("trawl:", "       "))]


@dataclass(frozen=True)
class Trawl:
    """``trawl`` with settings, state and working directory below ``home``.

    ``site`` is the demo site that stands for Danbooru; ``settings`` are further ``TRAWL_*``.
    """

    home: Path
    site: Address | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    timeout: float = TIMEOUT
    """Seconds that a command may take."""

    @property
    def environment(self) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("TRAWL_")}
        for name in ("STATE", "CONFIG", "CACHE", "DATA"):
            plain[f"XDG_{name}_HOME"] = str(self.home / "xdg" / name.lower())
        plain["TRAWL_NET__CONTACT"] = CONTACT
        plain["TRAWL_NET__RETRY_FIRST"] = "0.02"
        if self.site is not None:
            plain["TRAWL_SITES__DANBOORU__BASE_URL"] = self.site.base_url
            plain["TRAWL_SITES__DANBOORU__RATE"] = "1000"
            plain["TRAWL_NET__ALLOW_HOSTS"] = self.site.allow_hosts
        return plain | dict(self.settings)

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start a command in a session of its own, so that nothing of it outlives a kill."""
        return subprocess.Popen(
            [sys.executable, "-m", "crawler.cli.main", *map(str, words)],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *words: str | Path, code: int | None = 0) -> Done:
        """Run a command to its end, which is to be exit ``code`` (None: any)."""
        began = time.monotonic()
        process = self.start(*words)
        try:
            with Peak(process.pid) as peak:
                out, err = process.communicate(timeout=self.timeout)
        finally:
            kill(process)
        done = Done(process.returncode, out, err, time.monotonic() - began, peak.bytes)
        assert "Traceback" not in err, err
        assert code is None or done.code == code, f"exit {done.code}\n{out}\n{err}"
        return done

    def finish(self, process: subprocess.Popen[str], timeout: float = TIMEOUT) -> Done:
        """Wait for a command that :meth:`start` began."""
        began = time.monotonic()
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            kill(process)
        return Done(process.returncode, out, err, time.monotonic() - began)


class Peak:
    """The most memory a process holds while the block lasts, as the system counts it.

    Not what ``getrusage`` says of children: they inherit what we held when they were started.
    """

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._status = Path(f"/proc/{pid}/status")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            with contextlib.suppress(OSError):  # it has ended, or this is no Linux
                if found := re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text()):
                    self.bytes = max(self.bytes, int(found[1]) * 1024)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process and all it started, where it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@dataclass
class DemoProcess:
    """``python -m crawler.demo``, or another module that serves, with its ledger in a file."""

    ledger_file: Path
    words: Sequence[str] = ()
    module: str = "crawler.demo"
    address: Address = field(init=False)

    def __enter__(self) -> DemoProcess:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                self.module,
                "--ledger",
                str(self.ledger_file.absolute()),
                *self.words,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.address = Address(ready["base_url"], ready["cdn_url"])
        return self

    def __exit__(self, *_: object) -> None:
        kill(self._process)

    @property
    def ledger(self) -> Ledger:
        return Ledger.read(self.ledger_file)


def wait_for(happened: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
    """Wait until something happened."""
    end = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < end, f"waited {timeout:g} s in vain for {what}"
        time.sleep(0.005)


def numbers(pattern: str, text: str) -> tuple[int, ...]:
    """The integers that a pattern finds in a text."""
    found = re.search(pattern, text)
    assert found is not None, f"{pattern!r} is not in:\n{text}"
    return tuple(map(int, found.groups()))
