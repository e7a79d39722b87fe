"""Fixtures of the scenarios: the world of the demo site, a site to serve it, trawl to crawl it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from crawler.demo.posts import World
from crawler.demo.site import DemoSite, ThreadedDemoSite
from crawler.demo.world import default_world
from tests.scenarios.driver import Trawl, address


@pytest.fixture(scope="session")
def world() -> World:
    """The world that `trawl demo` serves."""
    return default_world()


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State and settings of the user who runs the tests are neither read nor written."""
    for name in ("STATE", "CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / "xdg" / name.lower()))


Serve = Callable[..., DemoSite]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a world from a thread until the test ends: ``site = serve(world, faults=…)``."""
    open_sites: list[AbstractContextManager[DemoSite]] = []

    def start(world: World, **options: Any) -> DemoSite:
        running = ThreadedDemoSite(DemoSite(world, **options))
        site = running.__enter__()
        open_sites.append(running)
        return site

    yield start
    for running in reversed(open_sites):
        running.__exit__(None, None, None)


@pytest.fixture
def trawl_at(tmp_path: Path) -> Callable[..., Trawl]:
    """``trawl`` in an empty folder, with a running site in Danbooru's place."""

    def at(site: DemoSite | None, **settings: str) -> Trawl:
        return Trawl(tmp_path, None if site is None else address(site), settings)

    return at
