"""A loopback server that answers with bytes, well or badly, and remembers who asked for what."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    at: float
    target: str
    headers: dict[str, str]
    connection: int


Handler = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Handler


@dataclass
class Server:
    """``answers`` maps a path to what it sends, one after the other; the last one stays."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    ledger: list[Asked] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most: int = 0
    """Connections open now, and at most at any time."""
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

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def on(self, path: str, *answers: Answer) -> str:
        """Set what a path answers, and return its URL."""
        self.answers[path] = list(answers)
        return self.url(path)

    def asked(self, path: str) -> list[Asked]:
        return [asked for asked in self.ledger if asked.target.partition("?")[0] == path]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        number = self.connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                pairs = (line.split(":", 1) for line in lines if ":" in line)
                headers = {name.lower(): value.strip() for name, value in pairs}
                target = first.split(" ")[1]
                asked = Asked(time.monotonic(), target, headers, number)
                self.ledger.append(asked)
                plan = self.answers.get(target.partition("?")[0], [reply(b"", status=404)])
                answer = plan.pop(0) if len(plan) > 1 else plan[0]
                if callable(answer):
                    await answer(asked, writer)
                else:
                    writer.write(answer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except asyncio.CancelledError:
            return  # the server is closing; asyncio would log what its own callback meets
        finally:
            self.open -= 1
            writer.close()
            self._tasks.discard(task)


def reply(
    body: bytes = b"",
    *,
    status: int = 200,
    kind: str = "image/png",
    length: int | None = None,
    **headers: Any,
) -> bytes:
    """A whole reply; header names are written with ``_`` for ``-``."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Type: {kind}"]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def json_reply(text: str, *, status: int = 200, **headers: Any) -> bytes:
    return reply(text.encode(), status=status, kind="application/json", **headers)


def html_reply(text: str, *, status: int = 200, **headers: Any) -> bytes:
    return reply(text.encode(), status=status, kind="text/html; charset=utf-8", **headers)


def then_close(data: bytes) -> Handler:
    """Send these bytes and end the connection in an orderly way."""

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return handler


def then_reset(data: bytes = b"") -> Handler:
    """Send these bytes, let them arrive, and reset the connection."""

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.05)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return handler


def drip(data: bytes, every: float, piece: int = 1) -> Handler:
    """Send bytes slowly, a piece at a time."""

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(data), piece):
            writer.write(data[at : at + piece])
            await writer.drain()
            await asyncio.sleep(every)

    return handler


def slowly(answer: bytes, delay: float) -> Handler:
    """Answer after a while."""

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delay)
        writer.write(answer)

    return handler
