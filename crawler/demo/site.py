"""The demo site as a server: the API on one loopback port, the image host on another."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from aiohttp import web

from crawler.demo.alteration import altered, staying_away
from crawler.demo.answers import Answer, of_error
from crawler.demo.api import (
    ACCOUNTS,
    NOT_WELCOME,
    Account,
    Api,
    Asked,
    challenge,
    too_many_requests,
)
from crawler.demo.exchange import Exchange
from crawler.demo.faults import Course, Delay, Faults
from crawler.demo.images import Images
from crawler.demo.ledger import Ledger
from crawler.demo.posts import World


@dataclass(frozen=True)
class RateLimit:
    """The limit of the web server in front of the API, per client address.

    Above ``burst`` requests that wait for their turn at ``rate`` per second the answer is 429:
    HTML without Retry-After, or with ``retry_after`` seconds the site's own JSON that tells them.
    """

    rate: float = 10.0
    burst: int = 50
    retry_after: float | None = None


@dataclass
class _Bucket:
    limit: RateLimit
    excess: float = 0.0
    last: float = field(default_factory=time.monotonic)

    def admits(self) -> bool:
        now = time.monotonic()
        excess = max(0.0, self.excess - (now - self.last) * self.limit.rate) + 1.0
        if excess > self.limit.burst + 1:
            return False
        self.excess, self.last = excess, now
        return True


class _Answers(Protocol):
    def answer(self, asked: Asked) -> Answer: ...


class DemoSite:
    """``async with DemoSite(world) as site:`` serves a world until the block ends.

    ``base_url`` is the API, ``cdn_url`` the image host; both are known once the block is entered.
    """

    def __init__(
        self,
        world: World,
        *,
        faults: Faults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        cdn_port: int = 0,
        rate_limit: RateLimit | None = None,
        ledger_file: Path | str | None = None,
        accounts: Sequence[Account] = ACCOUNTS,
    ) -> None:
        self.world = world
        self.course = Course((faults or Faults()).also(world.faults))
        self.rate_limit = rate_limit
        self.ledger = Ledger(ledger_file)
        self.base_url = ""
        self.cdn_url = ""
        self._accounts = accounts
        self._places = (host, port), (host, cdn_port)
        self._buckets: dict[str, _Bucket] = {}
        self._stack = AsyncExitStack()

    @property
    def allow_hosts(self) -> str:
        """Both ``host:port`` pairs, comma-separated, as ``TRAWL_NET__ALLOW_HOSTS`` takes them."""
        return ",".join(url.removeprefix("http://") for url in (self.base_url, self.cdn_url))

    async def __aenter__(self) -> Self:
        self._stack.callback(self.ledger.close)
        listeners = [
            self._stack.enter_context(socket.create_server(place, backlog=512))
            for place in self._places
        ]
        self.base_url, self.cdn_url = (_url(listener) for listener in listeners)
        answerers: tuple[_Answers, _Answers] = (
            Api(self.world, self.cdn_url, self._accounts),
            Images(self.world),
        )
        for listener, answerer in zip(listeners, answerers, strict=True):
            app = web.Application(client_max_size=1_000_000)
            app.router.add_route("*", "/{path:.*}", self._handler(answerer, _url(listener)))
            runner = web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2
            )
            await runner.setup()
            self._stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, listener).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _handler(
        self, answerer: _Answers, url: str
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        limited = isinstance(answerer, Api)

        async def handle(request: web.Request) -> web.StreamResponse:
            exchange = Exchange(request, url.removeprefix("http://"))
            try:
                return await self._respond(exchange, answerer, limited=limited)
            except ConnectionError:
                # The client went away: what was sent until then is in the ledger.
                return exchange.response
            finally:
                self.ledger.add(exchange.entry())

        return handle

    async def _respond(
        self, exchange: Exchange, answerer: _Answers, *, limited: bool
    ) -> web.StreamResponse:
        request = exchange.request
        query = request.rel_url.query_string
        ranged = "Range" in request.headers
        wait, action = self.course.next(
            request.path, query, self._post_of(request.path), ranged=ranged
        )
        if isinstance(action, Delay):
            exchange.fault = "Delay"
            wait, action = wait + action.seconds, None
        if wait:
            await asyncio.sleep(wait)
        if NOT_WELCOME.match(request.headers.get("User-Agent", "")):
            return await exchange.send(challenge())
        if limited and not self._admits(request.remote or ""):
            return await exchange.send(self._too_many())
        if action is not None:
            exchange.fault = type(action).__name__
        answer = altered(action, exchange.asked(), answerer.answer, api=limited)
        return await exchange.send(answer, action)

    def _post_of(self, path: str) -> int | None:
        name = path.rpartition("/")[2].partition(".")[0].removeprefix("sample-")
        if path.startswith("/posts/") and name.isascii() and name.isdigit():
            return int(name[:18])
        return self.world.post_of_file.get(name)

    def _admits(self, client: str) -> bool:
        if self.rate_limit is None:
            return True
        return self._buckets.setdefault(client, _Bucket(self.rate_limit)).admits()

    def _too_many(self) -> Answer:
        if self.rate_limit is None or self.rate_limit.retry_after is None:
            return too_many_requests()
        return staying_away(of_error(429), self.rate_limit.retry_after)


class ThreadedDemoSite:
    """``with ThreadedDemoSite(DemoSite(world)) as site:`` serves from a thread of its own.

    For code that blocks, and for tests that watch other processes.
    """

    def __init__(self, site: DemoSite) -> None:
        self.site = site
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> DemoSite:
        self._thread.start()
        try:
            return asyncio.run_coroutine_threadsafe(self.site.__aenter__(), self._loop).result()
        except BaseException:
            self._stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leaving = self.site.__aexit__(kind, error, trace)
        try:
            asyncio.run_coroutine_threadsafe(leaving, self._loop).result()
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
