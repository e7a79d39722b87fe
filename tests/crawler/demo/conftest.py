from __future__ import annotations

import pytest

from crawler.demo.posts import World
from crawler.demo.world import default_world


@pytest.fixture(scope="session")
def world() -> World:
    return default_world()
