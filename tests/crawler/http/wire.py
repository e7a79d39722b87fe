"""The wire below both transports: what is connected to is written down, and leads where it may."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from asyncio.selector_events import BaseSelectorEventLoop
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from tests.crawler.http.server import PNG, reply

PUBLIC = frozenset({"8.8.8.8", "2606:4700:4700::1111"})
"""Addresses of the web; on this wire nobody answers there."""


@dataclass
class Canary:
    """A service that only this machine may use: it answers whoever reaches it, and counts."""

    reached: int = 0
    v4: int = 0
    v6: int = 0

    async def __aenter__(self) -> Self:
        self._servers = [await asyncio.start_server(self._serve, "127.0.0.1", 0)]
        self.v4 = self._servers[0].sockets[0].getsockname()[1]
        if socket.has_ipv6:
            try:
                self._servers.append(await asyncio.start_server(self._serve, "::1", 0))
                self.v6 = self._servers[1].sockets[0].getsockname()[1]
            except OSError:  # A machine without IPv6: its addresses lead to the other listener.
                self.v6 = 0
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        writer.write(reply(PNG))
        writer.close()


@dataclass
class Wire:
    """Connections to ``own`` ports of loopback are genuine, those to the web are refused.

    Every other one, whatever the address, reaches the canary: a guard that lets one through is
    found out by a real connection.
    """

    canary: Canary
    own: set[int] = field(default_factory=set)
    tried: list[tuple[str, int]] = field(default_factory=list)
    """What was connected to, but for our own ports."""

    def lay(self, monkeypatch: pytest.MonkeyPatch) -> Self:
        genuine = BaseSelectorEventLoop.sock_connect

        async def connect(loop: Any, sock: socket.socket, where: Any) -> None:
            address, port = str(ipaddress.ip_address(where[0].partition("%")[0])), where[1]
            if address == "127.0.0.1" and port in self.own:
                await genuine(loop, sock, where)
                return
            self.tried.append((address, port))
            if address in PUBLIC:
                raise ConnectionRefusedError(111, "Connection refused")
            inside = ("127.0.0.1", self.canary.v4)
            if sock.family == socket.AF_INET6:
                inside = ("::1", self.canary.v6)
            await genuine(loop, sock, inside)

        monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
        return self
