"""The network as the rest of the crawler sees it: one session per run, one face per site."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from crawler.adapters.base import ApiStatus
from crawler.errors import (
    AccessDenied,
    AuthenticationFailed,
    BadAnswer,
    ChallengePage,
    ConfigError,
    FetchError,
    RateLimited,
    TrawlError,
)
from crawler.http import replies
from crawler.http.download import Fetched, Limits, download
from crawler.http.exchange import Exchange, Reply
from crawler.http.guard import Guard, pair_of
from crawler.http.politeness import Cooldowns, Politeness
from crawler.http.resume import Part
from crawler.http.retry import Trouble, with_retries
from crawler.http.transports import make_transport
from crawler.parsers import parse_contact
from crawler.site import Credentials, Net, Site
from crawler.stats import Stats
from storage.records import Json, Rung

__all__ = ["Cooldowns", "Fetched", "Session", "SiteHttp"]

API_500_TRIES = 3
"""An API's own 500 (a query that timed out) comes again: soon leave it to the adapter."""

_SETTLED = frozenset({"md5_mismatch", "size_mismatch"})
"""Reasons that are final once they have come up in every try."""


class Session:
    """All network traffic of one run: an async context manager.

    ``cooldowns`` makes what hosts asked of us outlive the run. ``notify`` hears of waits as
    ``{"type": "waiting", "host", "reason", "seconds"}``. Entering raises ConfigError for a contact
    or an allow-list that cannot be.
    """

    def __init__(
        self,
        net: Net,
        stats: Stats,
        cooldowns: Cooldowns | None = None,
        notify: Callable[[dict[str, Any]], None] | None = None,
        *,
        proxy_login: Credentials | None = None,
    ) -> None:
        self._net = net
        self._proxy_login = proxy_login
        self._stats = stats
        self._cooldowns = cooldowns
        self._notify = notify
        self._guard: Guard | None = None
        self._transport: httpx.AsyncBaseTransport | None = None
        self._politeness: Politeness | None = None

    async def __aenter__(self) -> Self:
        _check_contact(self._net.contact)
        try:
            self._guard = Guard(self._net.allow_hosts)
        except ValueError as error:
            raise ConfigError(
                f"net.allow_hosts: {error}", hint="write host:port, for example localhost:3000"
            ) from error
        transport = make_transport(self._net, self._guard, self._proxy_login)
        self._transport = transport
        self._politeness = Politeness(
            self._net, self._stats, self._cooldowns, self._notify, room=transport.connections
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._transport is not None:
            await self._transport.aclose()

    def site(self, site: Site) -> SiteHttp:
        """The session's face for one site instance. Raises ConfigError for a bad base URL."""
        if self._transport is None or self._guard is None or self._politeness is None:
            raise RuntimeError("the session has not been entered")
        exchange = Exchange(site, self._net, self._transport, self._guard, self._politeness)
        return SiteHttp(site, exchange, self._stats)


class SiteHttp:
    """Requests on behalf of one site: polite, retried where that can help, bounded in every way."""

    def __init__(self, site: Site, exchange: Exchange, stats: Stats) -> None:
        self._site = site
        self._exchange = exchange
        self._net = exchange.net
        self._stats = stats

    @property
    def connections(self) -> int:
        """How many files of one host are fetched at once."""
        return self._site.connections

    async def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Json:
        """One API request; credentials go to the site's own origin only.

        Returns the decoded JSON. Raises ApiStatus, AuthenticationFailed, AccessDenied,
        ChallengePage, RateLimited, BadAnswer, and ConfigError for an address or URL that we do not
        open.
        """

        async def attempt() -> Json:
            target = self._exchange.check(url)
            if params:
                target = self._exchange.check(str(target.copy_merge_params(dict(params))))
            return await self._ask(target)

        try:
            return await with_retries(
                attempt, self._net, self._count_retry, self._exchange.second_try
            )
        except FetchError as error:
            raise self._told(error, url) from error

    async def fetch(
        self,
        rung: Rung,
        into: Path,
        *,
        max_bytes: int | None = None,
        under_way: Callable[[bool], None] = lambda _: None,
    ) -> Fetched:
        """Download a file to ``into``, which must not exist; on failure nothing is left there.

        A large file whose transfer broke is gone on with where that is safe.
        ``max_bytes`` lowers the cap of the settings; ``under_way`` is told True when a request
        goes out and False when it failed and waits for its next turn. Raises FetchError with one
        of the reasons ``http_NNN http_5xx timeout connect_failed truncated too_big bad_url
        blocked_address too_many_redirects not_an_image md5_mismatch size_mismatch bad_encoding
        noai noindex challenge host_down proxy_failed out_of_descriptors``; RateLimited where the
        host keeps us away too long; ConfigError where the proxy lets nothing pass; NoSpace.
        """
        cap = self._net.max_file_bytes
        limits = Limits(
            max_bytes=cap if max_bytes is None else min(cap, max_bytes),
            min_rate=self._net.min_rate,
            window=self._net.min_rate_window,
        )

        def count() -> None:
            self._count_file()
            under_way(True)

        def wait() -> None:
            self._count_retry()
            under_way(False)

        part = Part(into, self._net.resume_from)

        async def attempt() -> Fetched:
            url = self._exchange.check(rung.location)
            async with self._exchange.open(
                url, "image/*,*/*;q=0.5", self._net.total_timeout, count, part.range_of
            ) as reply:
                await self._exchange.judge(reply)
                return await download(reply, rung, part, limits, self._count_file_bytes)

        try:
            with part:
                return await with_retries(attempt, self._net, wait, self._exchange.second_try)
        except FetchError as error:
            if error.reason == "rate_limited":
                raise _rate_limited(error, rung.location) from error
            if error.reason in _SETTLED:
                error.transient = False
            raise

    async def _ask(self, url: httpx.URL) -> Json:
        deadline = min(self._net.total_timeout, 3 * self._net.read_timeout)
        async with self._exchange.open(url, "application/json", deadline, self._count_api) as reply:
            try:
                await self._exchange.judge(reply, application=True)
            except Trouble as error:
                if error.status == 500:
                    error.tries = API_500_TRIES
                raise
            # Judged while it is the host's turn: second tries for what it sends are of its budget.
            return _decoded(reply.response.headers, await self._answer(reply))

    async def _answer(self, reply: Reply) -> bytes:
        headers, cap = reply.response.headers, self._net.max_answer_bytes
        if replies.is_encoded(headers):
            raise Trouble("bad_encoding", "the answer is compressed although asked for as it is")
        body = bytearray()
        if (replies.length_of(headers) or 0) <= cap:
            async for chunk in reply.response.aiter_raw():
                self._stats.bytes_api += len(chunk)
                body += chunk
                if len(body) > cap:
                    break
            else:
                return bytes(body)
        raise Trouble("too_big", f"the answer is larger than {cap} bytes")

    def _told(self, error: FetchError, url: str) -> Exception:
        """The trouble of an API request in the words that adapters and users know."""
        name, words, status = self._site.name, _site_message(error), error.status
        where = _host(url)
        match error.reason:
            case "challenge":
                return ChallengePage(
                    f"{name}: {where} answers with a challenge page and does not want us now",
                    hint="say who you are with `trawl config set net.contact YOU` (a mail address,"
                    " URL or user id of the site), then try later; trawl never solves challenges",
                )
            case "http_401" if self._site.credentials is None:
                return AuthenticationFailed(
                    f"{name}: {where} asks for a login{words}",
                    hint=f"give one with `trawl auth set {name}`",
                )
            case "http_401":
                return AuthenticationFailed(
                    f"{name}: {where} refuses the login or API key{words}",
                    hint=f"set it again with `trawl auth set {name}`",
                )
            case "http_403":
                return AccessDenied(
                    f"{name}: {where} denies access{words}",
                    hint="check what the account or key may do; asking again does not help",
                )
            case "rate_limited":
                return _rate_limited(error, url)
            case "blocked_address":
                hosts = ",".join(sorted({*self._net.allow_hosts, pair_of(httpx.URL(url))}))
                return ConfigError(
                    f"{name}: {error.message}",
                    hint=f"if you mean it: `trawl config set net.allow_hosts {hosts}`",
                )
            case "bad_url":
                return ConfigError(
                    f"{name}: {error.message}",
                    hint=f"check sites.{name}.base_url; an unusual port needs net.allow_hosts",
                )
            case _ if status is not None and status != 200:
                body = error.body if isinstance(error, Trouble) else None
                return ApiStatus(status, body, f"{where} ({name})")
            case "proxy_failed":
                return BadAnswer(
                    f"{name}: no way to {where}: {error.message}",
                    hint="check net.proxy and whether it is up, then run it again",
                )
            case "connect_failed" | "timeout" | "host_down":
                return BadAnswer(
                    f"{name}: no answer from {where}: {error.message}",
                    hint="check the connection and whether the site is up, then run it again",
                )
        return BadAnswer(
            f"{name}: {where} gives no answer we understand: {error.message}",
            hint="the site may be in trouble: try later; if it lasts, please report it",
        )

    def _count_api(self) -> None:
        self._stats.api_requests += 1

    def _count_file(self) -> None:
        self._stats.file_requests += 1

    def _count_file_bytes(self, count: int) -> None:
        self._stats.bytes_fetched += count

    def _count_retry(self) -> None:
        self._stats.retries += 1


def _decoded(headers: httpx.Headers, body: bytes) -> Json:
    if replies.is_challenge(200, headers, body):
        raise Trouble("challenge", "a challenge page instead of an answer", status=200)
    if replies.is_html(headers, body):
        raise Trouble("not_json", "a web page instead of an answer", transient=True)
    try:
        return json.loads(body, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise Trouble("not_json", "the answer is cut or is not JSON", transient=True) from error


def _check_contact(contact: str) -> None:
    try:
        parse_contact(contact)
    except ValueError as problem:
        raise ConfigError(
            f"net.contact {problem}", hint="trawl config set net.contact you@example.org"
        ) from None


def _whole(text: str) -> int | float:
    """A whole number. Python refuses the longest ones, which would cost the whole answer."""
    return int(text) if len(text) <= 20 else float(text)


def _rate_limited(error: FetchError, url: str) -> TrawlError:
    return RateLimited(
        f"{_host(url)} goes on refusing us although we waited as asked ({error.message})",
        hint="run the same command later: it goes on where it stopped; a lower rate may help",
    )


def _site_message(error: FetchError) -> str:
    """What the site says in its own words, short and printable."""
    body = error.body if isinstance(error, Trouble) else None
    text = body.get("message") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        return ""
    plain = "".join(c if c.isprintable() else " " for c in text[:200])
    return f": {plain}"


def _host(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        return parsed.host + (f":{parsed.port}" if parsed.port else "")
    except (httpx.InvalidURL, ValueError):
        return "the address"
