"""One request and its reply: politeness, redirects, deadlines, and errors in our own words."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

from crawler.credentials import redacted
from crawler.errors import ConfigError, TrawlError
from crawler.http import replies
from crawler.http.guard import BadUrl, BlockedAddress, Guard, host_of, port_of
from crawler.http.politeness import Politeness
from crawler.http.retry import LOCAL_TRIES, Trouble, throttled
from crawler.http.retry_after import longest_retry_after
from crawler.http.transport import chain
from crawler.site import Credentials, Net, Site
from storage.records import Json

MAX_REDIRECTS = 5
PEEK = 262_144
"""Bytes of an error's body that we read: to tell a challenge, and for what an API says of it …"""
PEEK_SECONDS = 5.0
"""… as far as they come within this time: a host is not asked anew before we know its answer."""

_log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524})
_DOWN = frozenset(status for status in _TRY_AGAIN if status >= 500)
_OUT_OF_SOCKETS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS})


class Exchange:
    """The requests of one site instance, each a single attempt that raises FetchError."""

    def __init__(
        self,
        site: Site,
        net: Net,
        transport: httpx.AsyncBaseTransport,
        guard: Guard,
        politeness: Politeness,
    ) -> None:
        self.net = net
        self._site = site
        self._transport = transport
        self._guard = guard
        self._politeness = politeness
        self._origin = _origin(httpx.URL(site.base_url)) if site.base_url else None

    def check(self, url: str) -> httpx.URL:
        """A URL that may be opened. Raises FetchError ``bad_url``."""
        try:
            checked = self._guard.check_url(url)
            # httpx reads international names late, when it would be too late for us.
            _ = checked.host
        except BadUrl as error:
            raise Trouble("bad_url", f"bad URL: {error}") from error
        except ValueError as error:
            raise Trouble("bad_url", "bad URL: its host is no host name") from error
        return checked

    @asynccontextmanager
    async def open(
        self,
        url: httpx.URL,
        accept: str,
        deadline: float,
        sent: Callable[[], None],
        range_of: Callable[[httpx.URL], Mapping[str, str]] | None = None,
    ) -> AsyncIterator[Reply]:
        """Send a GET and yield the unread reply of the last hop, its status not yet judged.

        ``sent`` is called for each request. ``deadline`` is seconds for all hops and for what the
        caller does with the body; waiting for our turn does not count. ``range_of`` gives the
        headers by which a hop asks for a part of the file. Raises FetchError, and RateLimited from
        politeness.
        """
        left = deadline
        for _ in range(MAX_REDIRECTS + 1):
            host = host_of(url)
            part = range_of(url) if range_of is not None else {}
            async with self._politeness.slot(host, self._site.rate, self._site.connections):
                sent()
                started = time.monotonic()
                try:
                    async with asyncio.timeout(left):
                        async with self._sent(url, host, accept, part) as response:
                            target = _redirect(response)
                            if target is None:
                                yield Reply(response, url, host, started, bool(part))
                                return
                            self._politeness.served(host)
                except TimeoutError as error:
                    raise Trouble(
                        "timeout", f"not done after {deadline:g} s", transient=True
                    ) from error
                left -= time.monotonic() - started
            url = self.check(_joined(url, target))
        raise Trouble("too_many_redirects", f"more than {MAX_REDIRECTS} redirects")

    @asynccontextmanager
    async def _sent(
        self, url: httpx.URL, host: str, accept: str, part: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        # Headers are made anew for each hop: nothing of ours follows a redirect to another origin.
        headers = {
            "User-Agent": self.net.user_agent,
            "Accept": accept,
            "Accept-Encoding": "identity",
            **part,
        }
        if self._site.credentials is not None and _origin(url) == self._origin:
            pair = f"{self._site.credentials.login}:{self._site.credentials.api_key}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
        times = {
            "connect": self.net.connect_timeout,
            "read": self.net.read_timeout,
            "write": self.net.read_timeout,
            "pool": None,
        }
        loop = asyncio.get_running_loop()

        def connected() -> None:
            self._politeness.check(host)
            # Over all of the head: each interim reply and each byte would do for the read timeout.
            head.reschedule(loop.time() + self.net.read_timeout)

        extensions = {"timeout": times, "connected": connected}
        request = httpx.Request("GET", url, headers=headers, extensions=extensions)
        # Not by httpx's client: it keeps cookies, logs queries, and stumbles over redirects that it
        # was told to leave to us.
        try:
            async with asyncio.timeout(None) as head:
                response = await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise _trouble(error, "connect_failed") from error
        except TimeoutError as error:
            raise Trouble("timeout", "no whole answer in time", transient=True) from error
        _log.debug("GET %s: %d", replies.shown(url), response.status_code)
        try:
            yield response
        except httpx.TransportError as error:
            raise _trouble(error, "truncated") from error
        finally:
            await response.aclose()

    async def second_try(self, trouble: Trouble) -> None:
        """Wait until the budget of the host that failed us has a second try."""
        await self._politeness.second_try(trouble)

    async def judge(self, reply: Reply, *, application: bool = False) -> None:
        """Pass a file or a part that was asked for; raise what any other status means.

        Notes cool-downs and whether the host is up. With ``application``, a 500 whose body is JSON
        counts as up: an API that is well and cannot do this query says so.
        """
        headers, status = reply.response.headers, reply.response.status_code
        if status == 200 or (reply.partial and status in (206, 416)):
            self._politeness.served(reply.host)
            return
        retry_after = longest_retry_after(headers)
        slow_down = status == 429 or (status == 503 and retry_after is not None)
        if slow_down:
            await self._politeness.refused(
                reply.host, retry_after, f"HTTP {status}", asked_at=reply.asked_at
            )
        elif status not in _DOWN:
            self._politeness.served(reply.host)
        try:
            async with asyncio.timeout(PEEK_SECONDS):
                body = await reply.start(PEEK)
        except (httpx.TransportError, TimeoutError):
            body = b""  # The status stands, whatever became of the page that explains it.
        if replies.is_challenge(status, headers, body):
            self._politeness.served(reply.host)
            raise Trouble("challenge", f"HTTP {status}: a challenge page", status=status)
        if slow_down:
            raise throttled(status)
        trouble = Trouble(
            "http_5xx" if status >= 500 else f"http_{status}",
            f"HTTP {status}",
            transient=status in _TRY_AGAIN,
            status=status,
            body=self._words_of(body),
        )
        if application and status == 500 and trouble.body is not None:
            trouble.outage = False
            self._politeness.served(reply.host)
        raise trouble

    def _words_of(self, body: bytes) -> Json:
        """The JSON of an error, without our login where the site repeats it."""
        login = self._site.credentials
        try:
            words = json.loads(body)
            return words if login is None else _unsaid(words, login)
        except (ValueError, RecursionError):
            return None


class Reply:
    """The unread reply of one hop. ``asked_at`` is monotonic; ``host`` is ``host:port``.

    ``partial`` tells that a part of the file was asked for.
    """

    def __init__(
        self, response: httpx.Response, url: httpx.URL, host: str, asked_at: float, partial: bool
    ) -> None:
        self.response = response
        self.url = url
        self.host = host
        self.asked_at = asked_at
        self.partial = partial

    async def start(self, most: int) -> bytes:
        """Up to about ``most`` bytes of the body; the rest stays unread."""
        start = bytearray()
        async for chunk in self.response.aiter_raw():
            start += chunk
            if len(start) >= most:
                break
        return bytes(start)


def _unsaid(value: Json, login: Credentials) -> Json:
    if isinstance(value, str):
        return redacted(value, [login])
    if isinstance(value, list):
        return [_unsaid(inner, login) for inner in value]
    if isinstance(value, dict):
        return {key: _unsaid(inner, login) for key, inner in value.items()}
    return value


def _redirect(response: httpx.Response) -> str | None:
    if response.status_code not in _REDIRECTS:
        return None
    location: str | None = response.headers.get("location")
    return location


def _joined(url: httpx.URL, target: str) -> str:
    try:
        return str(url.join(target))
    except (httpx.InvalidURL, ValueError):
        # From None: what is behind it repeats parts of the URL, which may hold a signature.
        raise Trouble("bad_url", "redirected to something that is not a URL") from None


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host.lower(), port_of(url)


def _trouble(error: httpx.TransportError, otherwise: str) -> TrawlError:
    if isinstance(error, httpx.ProxyError):
        if mend := getattr(error, "mend", None):
            return ConfigError(str(error), hint=mend)
        transient = getattr(error, "transient", True)
        return Trouble("proxy_failed", str(error), transient=transient)
    if isinstance(error, BlockedAddress):
        return Trouble("blocked_address", str(error))
    if any(isinstance(e, OSError) and e.errno in _OUT_OF_SOCKETS for e in chain(error)):
        return out_of_descriptors()
    if isinstance(error, httpx.TimeoutException):
        return Trouble("timeout", "no answer in time", transient=True)
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        return Trouble("bad_url", f"cannot be asked for: {error}")
    return Trouble(otherwise, str(error), transient=True)


def out_of_descriptors() -> Trouble:
    """Our own machine has no file descriptor left: wait here, blame nobody."""
    return Trouble(
        "out_of_descriptors",
        "this machine has too many files and sockets open",
        transient=True,
        tries=LOCAL_TRIES,
        local=True,
    )
