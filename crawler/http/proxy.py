"""An HTTP proxy of the user's choice, used without giving up the address guard.

We resolve a host ourselves, vet every address, and ask the proxy for a tunnel (CONNECT) to the
vetted address, for http as for https. So the proxy is never told a name that it could resolve to
something else, its login is in no request that passes through the tunnel, and TLS is between us
and the host.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from crawler.errors import ConfigError
from crawler.http.backend import GuardedBackend
from crawler.http.guard import Blocked, port_of
from crawler.site import Credentials

_NEXT_ADDRESS = frozenset({500, 502, 503, 504})
"""Refusals of a tunnel that speak of the host behind it: another address of it may do."""


class ProxyFailed(httpx.ProxyError):
    """The proxy, not the host, is why a request failed.

    ``transient`` is False where trying again is of no use; ``mend`` is what the user can do, where
    no request will pass before that. The message holds no login.
    """

    def __init__(self, message: str, *, transient: bool = True, mend: str | None = None) -> None:
        super().__init__(message)
        self.transient = transient and mend is None
        self.mend = mend


@dataclass(frozen=True)
class Proxy:
    """``net.proxy``, and the login kept for it."""

    host: str
    port: int
    login: Credentials | None = None

    @classmethod
    def parse(cls, url: str, login: Credentials | None = None) -> Proxy:
        """Read ``http://host:port``. Raises ConfigError, which repeats no login."""
        hint = "write it as http://host:port"
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise ConfigError("net.proxy is not a URL", hint=hint) from error
        if not 0 < port_of(parsed) < 65_536:
            raise ConfigError("net.proxy has a port that cannot be", hint=hint)
        if parsed.userinfo:
            raise ConfigError(
                "net.proxy carries a login", hint="keep it with `trawl auth set proxy` instead"
            )
        if parsed.scheme.startswith("socks"):
            raise ConfigError(
                "net.proxy names a SOCKS proxy, which trawl does not speak",
                hint="use an HTTP proxy, for example one that forwards to it",
            )
        if parsed.scheme != "http" or not parsed.host or parsed.path not in ("", "/"):
            raise ConfigError("net.proxy is not the URL of an HTTP proxy", hint=hint)
        return cls(parsed.raw_host.decode("ascii"), port_of(parsed), login)

    @property
    def pair(self) -> str:
        """``host:port``, as in ``net.allow_hosts``."""
        return _pair(self.host, self.port)

    def __str__(self) -> str:
        return f"the proxy {self.pair}"

    def headers(self, target: str) -> list[tuple[bytes, bytes]]:
        """What a request for a tunnel carries; only here is the login sent."""
        headers = [(b"Host", target.encode("ascii"))]
        if self.login is not None:
            pair = f"{self.login.login}:{self.login.api_key}".encode()
            headers.append((b"Proxy-Authorization", b"Basic " + base64.b64encode(pair)))
        return headers


class Tunnels(httpcore.AsyncNetworkBackend):
    """Opens every connection as a tunnel through a proxy, to an address that the guard passed.

    ``direct`` vets the hosts, and reaches the proxy by the same rules: a private one must be in
    ``net.allow_hosts``.
    """

    def __init__(self, proxy: Proxy, direct: GuardedBackend) -> None:
        self._proxy = proxy
        self._direct = direct

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises Blocked for the host; for the proxy ProxyFailed only."""
        try:
            async with asyncio.timeout(timeout):
                *others, last = await self._direct.vetted(host, port)
                for address in others:
                    try:
                        return await self._tunnel(_pair(address, port))
                    except ProxyFailed as error:
                        if not error.transient:
                            raise
                return await self._tunnel(_pair(last, port))
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"{self._proxy} gave no tunnel in time") from error

    async def _tunnel(self, target: str) -> httpcore.AsyncNetworkStream:
        url = httpcore.URL(
            scheme="http", host=self._proxy.host, port=self._proxy.port, target=target
        )
        request = httpcore.Request("CONNECT", url, headers=self._proxy.headers(target))
        connection = httpcore.AsyncHTTPConnection(url.origin, network_backend=self._direct)
        try:
            response = await connection.handle_async_request(request)
        except Blocked as error:
            raise ProxyFailed(
                f"{self._proxy}: {error}",
                mend=f"if it is yours, add {self._proxy.pair} to what net.allow_hosts lists",
            ) from error
        except httpx.ConnectError as error:
            raise ProxyFailed(f"{self._proxy}: {error}") from error
        except (httpcore.ProtocolError, httpcore.NetworkError) as error:
            raise ProxyFailed(f"{self._proxy} does not answer as a proxy does") from error
        except asyncio.CancelledError:
            await connection.aclose()  # it closes itself, but not from its first moment on
            raise
        if 200 <= response.status < 300:
            stream: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
            return stream
        await connection.aclose()
        raise self._refusal(response.status, target)

    def _refusal(self, status: int, target: str) -> ProxyFailed:
        if status == 407:
            said = "asks for a login" if self._proxy.login is None else "refuses the login"
            return ProxyFailed(f"{self._proxy} {said}", mend="give one with `trawl auth set proxy`")
        return ProxyFailed(
            f"{self._proxy} opens no tunnel to {target} (HTTP {status})",
            transient=status in _NEXT_ADDRESS,
        )

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Refused, as without a proxy."""
        return await self._direct.connect_unix_socket(path, timeout, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _pair(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
