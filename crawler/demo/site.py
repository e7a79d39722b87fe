"""The demo site as a server: the API on one loopback port, the image host on another."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from aiohttp import web

from crawler.demo.answers import Answer, of_error, of_html, of_json
from crawler.demo.api import (
    ACCOUNTS,
    NOT_WELCOME,
    Account,
    Api,
    Asked,
    challenge,
    too_many_requests,
)
from crawler.demo.faults import (
    Action,
    Body,
    Corrupt,
    Course,
    Delay,
    EmptyPage,
    Faults,
    Html,
    Redirect,
    Reset,
    Stall,
    Status,
    Truncate,
)
from crawler.demo.images import Images
from crawler.demo.ledger import Entry, Ledger
from crawler.demo.posts import World

CHUNK: Final = 65_536
NOTED: Final = ("Referer", "Cookie", "Accept", "If-None-Match")
_SECRET: Final = re.compile(r"((?:^|&)api_key=)[^&]*")


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
            exchange = _Exchange(request, url.removeprefix("http://"))
            try:
                return await self._respond(exchange, answerer, limited=limited)
            except ConnectionError:
                # The client went away: what was sent until then is in the ledger.
                return exchange.response
            finally:
                self.ledger.add(exchange.entry())

        return handle

    async def _respond(
        self, exchange: _Exchange, answerer: _Answers, *, limited: bool
    ) -> web.StreamResponse:
        request = exchange.request
        query = request.rel_url.query_string
        wait, action = self.course.next(request.path, query, self._post_of(request.path))
        if isinstance(action, Delay):
            exchange.fault = "Delay"
            wait, action = wait + action.seconds, None
        if wait:
            await asyncio.sleep(wait)
        if NOT_WELCOME.match(request.headers.get("User-Agent", "")):
            return await exchange.send(challenge())
        if limited and not self._admits(request.remote or ""):
            return await exchange.send(self._too_many(exchange))
        if action is not None:
            exchange.fault = type(action).__name__
        match action:
            case Status():
                return await exchange.send(_status(action, exchange, limited=limited))
            case Html():
                return await exchange.send(of_html(200, "We will be right back"))
            case EmptyPage():
                return await exchange.send(of_json([]))
            case Redirect(location, code):
                headers = {"Location": location}
                return await exchange.send(Answer(code, b"", "text/html", headers))
        return await exchange.send(answerer.answer(exchange.asked()), action)

    def _post_of(self, path: str) -> int | None:
        name = path.rpartition("/")[2].partition(".")[0].removeprefix("sample-")
        if path.startswith("/posts/") and name.isascii() and name.isdigit():
            return int(name[:18])
        return self.world.post_of_file.get(name)

    def _admits(self, client: str) -> bool:
        if self.rate_limit is None:
            return True
        return self._buckets.setdefault(client, _Bucket(self.rate_limit)).admits()

    def _too_many(self, exchange: _Exchange) -> Answer:
        if self.rate_limit is None or self.rate_limit.retry_after is None:
            return too_many_requests()
        return exchange.staying_away(of_error(429), self.rate_limit.retry_after)


class _Exchange:
    """One request, what was sent for it, and the ledger's line about both."""

    def __init__(self, request: web.Request, host: str) -> None:
        self.request = request
        self.host = host
        self.start = time.monotonic()
        self.wall = time.time()
        self.response: web.StreamResponse = web.Response()
        self.status = 0
        self.sent = 0
        self.completed = False
        self.fault: str | None = None
        self.retry_after: float | None = None

    def asked(self) -> Asked:
        return Asked(
            self.request.method,
            self.request.path,
            dict(self.request.query.items()),
            {name.lower(): value for name, value in self.request.headers.items()},
            self.request.can_read_body,
        )

    def staying_away(self, answer: Answer, seconds: float, written: str | None = None) -> Answer:
        """The answer with a Retry-After."""
        self.retry_after = seconds
        headers = {**answer.headers, "Retry-After": written or f"{seconds:g}"}
        return replace(answer, headers=headers)

    async def send(self, answer: Answer, action: Action | None = None) -> web.StreamResponse:
        """Send an answer as well as the fault allows."""
        body, told = answer.body, len(answer.body)
        match action:
            case Truncate(share, honest):
                body = body[: int(len(body) * share)]
                told = len(body) if honest else told
            case Reset(share) | Stall(share, _):
                body = body[: int(len(body) * share)]
            case Corrupt(count, seed):
                body = _damaged(body, count, seed)
            case Body(data):
                body, told = data, len(data)
        if isinstance(action, Reset) and not body:
            self._reset()
            return self.response
        headers = {**answer.headers, "Content-Type": answer.content_type}
        self.response = web.StreamResponse(status=answer.status, headers=headers)
        self.response.content_length = told
        await self.response.prepare(self.request)
        self.status = answer.status
        if self.request.method != "HEAD":
            for start in range(0, len(body), CHUNK):
                part = body[start : start + CHUNK]
                await self.response.write(part)
                self.sent += len(part)
        match action:
            case Reset():
                await asyncio.sleep(0.02)  # let what was written leave before the reset
                self._reset()
                return self.response
            case Stall(_, seconds):
                await asyncio.sleep(seconds)
        if self.sent < told and self.request.method != "HEAD":
            self._hang_up()
        else:
            await self.response.write_eof()
            self.completed = True
        return self.response

    def _hang_up(self) -> None:
        self.response.force_close()
        if self.request.transport is not None:
            self.request.transport.close()

    def _reset(self) -> None:
        transport = self.request.transport
        if transport is not None:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    def entry(self) -> Entry:
        headers = self.request.headers
        return Entry(
            start=self.start,
            end=time.monotonic(),
            wall=self.wall,
            host=self.host,
            method=self.request.method,
            path=self.request.path,
            query=_SECRET.sub(r"\1***", self.request.rel_url.query_string),
            user_agent=headers.get("User-Agent"),
            range=headers.get("Range"),
            if_range=headers.get("If-Range"),
            authorization="Authorization" in headers or "api_key" in self.request.query,
            status=self.status,
            sent=self.sent,
            completed=self.completed,
            fault=self.fault,
            retry_after=self.retry_after,
            headers={name: headers[name] for name in NOTED if name in headers},
        )


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


def _damaged(body: bytes, count: int, seed: int) -> bytes:
    damaged = bytearray(body)
    rng = random.Random(seed)
    for place in rng.sample(range(len(body)), min(count, len(body))):
        damaged[place] ^= rng.randint(1, 255)
    return bytes(damaged)


def _status(action: Status, exchange: _Exchange, *, limited: bool) -> Answer:
    answer = of_error(action.code)
    if action.html or not limited:
        answer = of_html(action.code, f"{action.code} Error")
    if action.retry_after is None:
        return answer
    if not isinstance(action.retry_after, str):
        seconds = float(action.retry_after)
        when = datetime.now(UTC) + timedelta(seconds=seconds)
        written = format_datetime(when, usegmt=True) if action.dated else None
        return exchange.staying_away(answer, seconds, written)
    return replace(answer, headers={**answer.headers, "Retry-After": action.retry_after})
