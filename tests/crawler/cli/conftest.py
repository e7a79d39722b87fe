"""A user of their own for every test, and one small site that all of them may crawl."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from crawler.cli.main import main
from crawler.demo.site import DemoSite
from crawler.demo.world import default_world
from storage.database import open_writer


@dataclass(frozen=True)
class Result:
    """What a command gave back."""

    code: int
    out: str
    err: str


Trawl = Callable[..., Result]
Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings, no workspace, no environment of the person who runs the tests."""
    for variable in [name for name in os.environ if name.startswith("TRAWL_")]:
        monkeypatch.delenv(variable)
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.fixture
def trawl(capfd: pytest.CaptureFixture[str]) -> Trawl:
    """Runs one command in this process, as the ``trawl`` script does."""

    def trawl(*arguments: object) -> Result:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capfd.readouterr())

    return trawl


@pytest.fixture
def spawn() -> Spawn:
    """Starts a command as a process of its own."""

    def spawn(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-m", "crawler.cli.main", *map(str, arguments)]
        return subprocess.Popen(command, text=True, **pipes)

    return spawn


@pytest.fixture
def empty_workspace(tmp_path: Path) -> Path:
    """A workspace with a catalog in which nothing is."""
    folder = tmp_path / "empty"
    folder.mkdir()
    open_writer(folder / "catalog.db").close()
    return folder


@pytest.fixture(scope="session")
def running_site() -> Iterator[DemoSite]:
    """The demo site in a thread of its own, so that commands may block this one."""
    started: Queue[DemoSite | BaseException] = Queue()
    ended = threading.Event()

    async def serve() -> None:
        try:
            async with DemoSite(default_world()) as site:
                started.put(site)
                await asyncio.to_thread(ended.wait)
        except BaseException as error:
            started.put(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    site = started.get()
    if isinstance(site, BaseException):
        raise site
    yield site
    ended.set()
    thread.join()


@pytest.fixture
def site(running_site: DemoSite, monkeypatch: pytest.MonkeyPatch) -> DemoSite:
    """The demo site, as the environment names it to commands."""
    monkeypatch.setenv("TRAWL_SITES__DANBOORU__BASE_URL", running_site.base_url)
    monkeypatch.setenv("TRAWL_SITES__DANBOORU__RATE", "200")
    monkeypatch.setenv("TRAWL_NET__ALLOW_HOSTS", running_site.allow_hosts)
    monkeypatch.setenv("TRAWL_NET__RETRY_FIRST", "0.01")
    return running_site
