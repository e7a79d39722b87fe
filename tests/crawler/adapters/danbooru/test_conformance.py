"""The Danbooru adapter keeps the contract of all adapters."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import pytest

from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from tests.crawler.adapters.conformance import AdapterConformance, Subject, Watched
from tests.crawler.adapters.danbooru.demo_posts import a_demo_post
from tests.crawler.adapters.loopback import face, site_at


def world(numbers: Iterable[int]) -> World:
    return World([a_demo_post(n, hidden=n % 50 == 0) for n in numbers])


class TestDanbooru(AdapterConformance):
    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        async with AsyncExitStack() as stack, DemoSite(world(range(1, 451))) as first:
            running = await stack.enter_async_context(AsyncExitStack())
            site = site_at(first.base_url)
            http = Watched(await stack.enter_async_context(face(site)))

            async def add() -> set[str]:
                await running.aclose()
                await first.__aexit__(None, None, None)
                port = int(first.base_url.rpartition(":")[2])
                more = [*range(1, 451), 600, 601]
                await stack.enter_async_context(DemoSite(world(more), port=port))
                return {"600", "601"}

            options = DanbooruOptions(tiers=("highres", "rest"), deleted=True)
            yield Subject(
                Danbooru(site, options),
                http,
                ["Hakurei_Reimu", "width:>=500"],
                [["width:>=500  hakurei_reimu"], ["hakurei_reimu", "width:>=500", "hakurei_reimu"]],
                add,
            )
