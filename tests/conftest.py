"""Every test is a user of its own, with the demo site next door."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.demo.world import default_world
from crawler.settings import Settings, load


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings, state or environment of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("TRAWL_")]:
        if name != "TRAWL_CORPUS":
            monkeypatch.delenv(name)
    for name in ("STATE", "CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / "home" / name.lower()))


@pytest.fixture(scope="session")
def demo_world() -> World:
    """The world that ``trawl demo`` serves."""
    return default_world()


@pytest_asyncio.fixture
async def demo(demo_world: World) -> AsyncIterator[DemoSite]:
    """The demo site, running on loopback."""
    async with DemoSite(demo_world) as site:
        yield site


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """``settings(site)``: settings that put a demo site in Danbooru's place, without haste limits.

    Further keywords are settings with ``__`` for the dot: ``limits__concurrency=2``.
    """

    def make(site: DemoSite | None = None, **flags: Any) -> Settings:
        chosen: dict[str, Any] = {
            "net.contact": "tests@example.org",
            "net.retry_first": 0.01,
            "net.retry_longest": 0.02,
            "limits.min_free": 0,
        }
        if site is not None:
            chosen |= {
                "net.allow_hosts": site.allow_hosts,
                "sites.danbooru.base_url": site.base_url,
                "sites.danbooru.rate": 1000,
            }
        chosen |= {name.replace("__", "."): value for name, value in flags.items()}
        return load(None, flags=chosen)

    return make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the documentation was run."""
    ran = sum(
        int(value)
        for report in terminalreporter.stats.get("passed", ())
        for name, value in report.user_properties
        if name == "document blocks"
    )
    if ran:
        terminalreporter.write_line(f"{ran} blocks of the documentation ran")
