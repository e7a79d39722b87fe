"""A small HTTP proxy that makes tunnels, badly where a test wants it, and remembers for whom."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Wanted:
    """One request for a tunnel: where to, and its headers by lower-case name."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class ConnectProxy:
    """``answers`` maps a target to what is said instead of opening a tunnel (b"": silence)."""

    login: str | None = None
    """The value that Proxy-Authorization must have."""
    answers: dict[str, bytes] = field(default_factory=dict)
    otherwise: bytes | None = None
    """What is said to all other targets; None opens a tunnel."""
    ledger: list[Wanted] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def targets(self) -> list[str]:
        return [wanted.target for wanted in self.ledger]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._answer(reader, writer)
        except asyncio.CancelledError:
            return  # the proxy is closing; asyncio would log what its own callback meets
        finally:
            self.open -= 1
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.split(": ", 1) for line in lines if line)
        wanted = Wanted(method, target, {name.lower(): value for name, value in pairs})
        self.ledger.append(wanted)
        answer = self.answers.get(target, self.otherwise)
        if method != "CONNECT":
            answer = b"HTTP/1.1 405 Tunnels Only\r\nContent-Length: 0\r\n\r\n"
        elif self.login is not None and wanted.headers.get("proxy-authorization") != self.login:
            answer = b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n"
        if answer is not None:
            writer.write(answer)
            await writer.drain()
            if not answer:
                await reader.read()
            return
        address, _, port = target.rpartition(":")
        back, forth = await asyncio.open_connection(address.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Tunnel\r\n\r\n")
        try:
            # Whichever side ends first ends both.
            ways = [
                asyncio.create_task(_pass_on(*way)) for way in ((reader, forth), (back, writer))
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            forth.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
