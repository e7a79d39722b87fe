"""The address guard: which URLs we open, and which addresses a socket may reach.

Names are judged by what they resolve to, never by how they are spelled: every answer of the
resolver must be public. IP literals, which skip the resolver, are judged by themselves, and every
socket of our own transport is checked once more.
The only way to a private address is a ``host:port`` pair that the user allowed.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TypeAlias

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

MAX_URL = 4096
WEB_PORTS = frozenset({80, 443})

_Address: TypeAlias = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")

_DENIED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's host agent: a public number that is not a public service
        "192.0.0.0/24",  # IETF protocol assignments, partly "global" in Python 3.11's tables
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b:1::/48",  # local NAT64: embeds private IPv4 at any prefix length
        "3fff::/20",  # documentation, newer than Python 3.11's tables
        "5f00::/16",  # segment routing identifiers
    )
)


class Blocked(OSError):
    """A socket or a DNS answer that the guard refuses; raised inside the transport."""


class BlockedAddress(httpx.ConnectError):
    """What the caller of a transport sees of :class:`Blocked`. Never retried."""


class BadUrl(ValueError):
    """A URL that we do not open; the message says why and does not repeat the URL."""


def allowed(address: str) -> bool:
    """Whether an IP address (text, as ``getaddrinfo`` gives it) is a public unicast address."""
    ip: _Address = ipaddress.ip_address(address.partition("%")[0])
    if any(ip.version == net.version and ip in net for net in _DENIED):
        return False
    if isinstance(ip, IPv6Address) and (inner := _embedded(ip)):
        return all(allowed(str(v4)) for v4 in inner)
    if isinstance(ip, IPv6Address) and ip.is_site_local:
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _embedded(ip: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that packets to ``ip`` may end up at."""
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)
    if ip.sixtofour is not None:
        return (ip.sixtofour,)
    if ip.teredo is not None:
        return ip.teredo
    if ip in _NAT64 or ip in _COMPATIBLE:
        return (IPv4Address(int(ip) & 0xFFFF_FFFF),)
    return ()


class Guard:
    """The rules of one session. ``allow_hosts`` are ``host:port`` pairs (``[::1]:80`` for IPv6).

    Raises ValueError for a pair without a port.
    """

    def __init__(self, allow_hosts: Iterable[str] = ()) -> None:
        self._allowed = frozenset(_pair(entry) for entry in allow_hosts)
        self._opened: set[tuple[str, int]] = set()

    def check_url(self, url: str) -> httpx.URL:
        """Parse a URL of somebody else's making. Raises BadUrl."""
        if len(url) > MAX_URL:
            raise BadUrl(f"longer than {MAX_URL} characters")
        if not url.isprintable():
            raise BadUrl("holds control characters")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise BadUrl("not a URL") from None  # the cause repeats parts of it
        if parsed.scheme not in ("http", "https"):
            raise BadUrl(f"scheme {parsed.scheme[:20]!r} is neither http nor https")
        if parsed.userinfo:
            raise BadUrl("carries a login")
        host = parsed.raw_host.decode("ascii")
        if not _is_host(host):
            raise BadUrl("its host is no host name")
        port = port_of(parsed)
        if port not in WEB_PORTS and (host.lower(), port) not in self._allowed:
            raise BadUrl(f"port {port} is neither 80 nor 443")
        return parsed

    def check_literal(self, host: str, port: int) -> bool:
        """Whether a host is an IP address, which no resolver will be asked for. Raises Blocked."""
        try:
            address = str(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            return False
        self.check_answers(address, port, [address])
        return True

    def check_answers(self, host: str, port: int, answers: Iterable[str]) -> None:
        """Refuse a name if any of its addresses is not public. Raises Blocked."""
        answers = list(answers)
        if (host.lower(), port) in self._allowed:
            self._opened.update((_plain(answer), port) for answer in answers)
            return
        for answer in answers:
            if not allowed(answer):
                raise Blocked(f"{host} has the address {answer}, which is not public")

    def open_socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket for one address, checked once more. Raises Blocked."""
        family, kind, protocol, _, where = info
        address, port = _plain(str(where[0])), int(where[1])
        pair = (address, port)
        if pair not in self._allowed and pair not in self._opened and not allowed(address):
            raise Blocked(f"the address {address} is not public")
        return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """A resolver whose every answer must pass the guard. Raises what that one does, and Blocked."""

    def __init__(self, guard: Guard, inner: AbstractResolver) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        self._guard.check_answers(host, port, (answer["host"] for answer in answers))
        return answers

    async def vetted(self, host: str, port: int) -> list[str]:
        """The addresses of a host, asked for once, all of them allowed.

        Raises Blocked, TimeoutError, and OSError where the name is unknown.
        """
        if self._guard.check_literal(host, port):
            return [host.strip("[]")]
        answers = await self.resolve(host, port, socket.AF_UNSPEC)
        # The same address may come once for each kind of socket.
        return list(dict.fromkeys(answer["host"] for answer in answers))

    async def close(self) -> None:
        await self._inner.close()


def port_of(url: httpx.URL) -> int:
    """The port a URL leads to, written or not."""
    return (443 if url.scheme == "https" else 80) if url.port is None else url.port


def pair_of(url: httpx.URL) -> str:
    """``host:port``: the unit of the allow-list. IPv6 in brackets."""
    return f"{_name_of(url)}:{port_of(url)}"


def host_of(url: httpx.URL) -> str:
    """``host:port``: the unit of politeness, one for http and https of the same name.

    Both are ``:443``; any other port is a host of its own.
    """
    port = port_of(url)
    return f"{_name_of(url)}:{443 if port in WEB_PORTS else port}"


def shown_host(host: str) -> str:
    """A host of politeness in a message: without the port that may be either of two."""
    return host.removesuffix(":443")


def _name_of(url: httpx.URL) -> str:
    name = _plain(url.raw_host.decode("ascii").lower().removesuffix("."))
    return f"[{name}]" if ":" in name else name


def _pair(entry: str) -> tuple[str, int]:
    host, _, port = entry.strip().rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{entry!r} is not host:port")
    return _plain(host.strip("[]").lower()), int(port)


def _plain(address: str) -> str:
    """An IP address in its one spelling; any other name as it is."""
    try:
        return str(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return address


def _is_host(host: str) -> bool:
    if "%" in host:  # an interface of ours, which no URL of the web names
        return False
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    labels = host.removesuffix(".").split(".")
    if re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]):
        # No public name ends in a number; browsers take such hosts for IPv4 in another spelling.
        return _is_ipv4(host)
    return len(host) <= 253 and all(re.fullmatch(r"[A-Za-z0-9_-]{1,63}", label) for label in labels)


def _is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True
