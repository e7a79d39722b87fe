"""One request at the demo site: how its answer goes onto the wire, and the ledger's line of it."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from crawler.demo.answers import Answer
from crawler.demo.api import Asked
from crawler.demo.faults import (
    Action,
    CloseDelimited,
    Drip,
    Informational,
    Overlong,
    Redirect,
    Reset,
    Stall,
    Truncate,
)
from crawler.demo.ledger import Entry

CHUNK: Final = 65_536
NOTED: Final = ("Referer", "Cookie", "Accept", "If-None-Match")
CREDENTIALS: Final = ("Authorization", "Proxy-Authorization", "X-Api-Key")
LINGER: Final = 0.02
"""Seconds that what was written gets to leave before a connection ends badly."""
_SECRET: Final = re.compile(r"((?:^|&)api_key=)[^&]*")


class Exchange:
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
        """The request as the answerers read it."""
        return Asked(
            self.request.method,
            self.request.path,
            dict(self.request.query.items()),
            {name.lower(): value for name, value in self.request.headers.items()},
            self.request.can_read_body,
        )

    async def send(self, answer: Answer, action: Action | None = None) -> web.StreamResponse:
        """Send an answer as well as the fault allows."""
        self.retry_after = answer.retry_after
        match action:
            case Drip() | CloseDelimited() | Overlong():
                return await self._send_raw(answer, action)
            case Reset(share) if not int(len(answer.body) * share):
                self._reset()
                return self.response
            case Informational(code, count):
                await self._announce(code, count)
            case Redirect(_, _, size) if size:
                return await self._send_framed(answer, _zeros(size), size)
        body, told = answer.body, len(answer.body)
        match action:
            case Truncate(share, honest):
                body = body[: int(len(body) * share)]
                told = len(body) if honest else told
            case Reset(share) | Stall(share, _):
                body = body[: int(len(body) * share)]
        parts = (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))
        return await self._send_framed(answer, parts, told, action)

    async def _send_framed(
        self, answer: Answer, parts: Iterator[bytes], told: int, action: Action | None = None
    ) -> web.StreamResponse:
        headers = {**answer.headers, "Content-Type": answer.content_type}
        self.response = web.StreamResponse(status=answer.status, headers=headers)
        self.response.content_length = told
        await self.response.prepare(self.request)
        self.status = answer.status
        if self.request.method != "HEAD":
            for part in parts:
                await self.response.write(part)
                self.sent += len(part)
        match action:
            case Reset():
                await asyncio.sleep(LINGER)
                self._reset()
                return self.response
            case Stall(_, seconds):
                await asyncio.sleep(seconds)
        if self.sent < told and self.request.method != "HEAD":
            self.response.force_close()
            self._close()
        else:
            await self.response.write_eof()
            self.completed = True
        return self.response

    async def _send_raw(
        self, answer: Answer, action: Drip | CloseDelimited | Overlong
    ) -> web.StreamResponse:
        """Write the bytes of a reply ourselves: no server means to send such a one."""
        body = answer.body
        headers = {**answer.headers, "Content-Type": answer.content_type}
        match action:
            case Drip(size, every, slow_head):
                headers |= {"Content-Length": str(len(body)), "Connection": "close"}
                head = _head(answer.status, headers)
                await self._drip(head, size if slow_head else len(head), every)
                self.status = answer.status
                self.sent = await self._drip(body, len(body) if slow_head else size, every)
            case CloseDelimited(share):
                headers["Connection"] = "close"
                body = body[: int(len(body) * share)]
                self._write(_head(answer.status, headers) + body)
            case Overlong(share, extra):
                headers["Content-Length"] = str(int(len(body) * share))
                self._write(_head(answer.status, headers) + body + extra)
                await asyncio.sleep(LINGER)  # whoever trusts the connection uses it again now
        if not isinstance(action, Drip):
            self.status, self.sent = answer.status, len(body)
        if isinstance(action, CloseDelimited) and action.reset:
            await asyncio.sleep(LINGER)
            self._reset()
        else:
            self.completed = self.sent == len(answer.body)
            self._close()
        return self.response

    async def _announce(self, code: int, count: int | None) -> None:
        """Write interim answers, as many as are told or until the client leaves."""
        some = 100
        head = _head(code, {"Link": "</style.css>; rel=preload"})
        left = count
        while left is None or left > 0:
            if not self._write(head * min(some, left or some)):
                return
            left = None if left is None else left - some
            await asyncio.sleep(0.001)

    async def _drip(self, data: bytes, size: int, every: float) -> int:
        """Write data in pieces; returns how much of it was written before the client left."""
        for start in range(0, len(data), max(size, 1)):
            if not self._write(data[start : start + size]):
                return start
            if start + size < len(data):
                await asyncio.sleep(every)
        return len(data)

    def _write(self, data: bytes) -> bool:
        transport = self.request.transport
        if transport is None or transport.is_closing():
            return False
        transport.write(data)
        return True

    def _close(self) -> None:
        if self.request.transport is not None:
            self.request.transport.close()

    def _reset(self) -> None:
        transport = self.request.transport
        if transport is not None:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    def entry(self) -> Entry:
        """What the ledger keeps of it."""
        headers, query = self.request.headers, self.request.query
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
            authorization="api_key" in query or any(name in headers for name in CREDENTIALS),
            status=self.status,
            sent=self.sent,
            completed=self.completed,
            fault=self.fault,
            retry_after=self.retry_after,
            headers={name: headers[name] for name in NOTED if name in headers},
        )


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def _zeros(size: int) -> Iterator[bytes]:
    for start in range(0, size, CHUNK):
        yield bytes(min(CHUNK, size - start))
