"""The system's resolver, asked in threads of our own.

The loop would ask it in the threads that files are written by, whose number is small and whose end
the process waits for: a few names that never answer would hold up all of that. A resolver without
threads (c-ares) would be one more dependency, and knows neither mDNS nor whatever else the system
asks for names.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

MOST_THREADS = 64
"""Look-ups at once, those included that nobody waits for any more: they cannot be broken off."""
SILENT_FOR = 60.0
"""Seconds for which a name that did not answer in time is not asked for again."""

_Key = tuple[str, socket.AddressFamily]


@dataclass
class _LookUp:
    key: _Key
    answer: asyncio.Future[list[str]]
    started: bool = False


class SystemResolver(AbstractResolver):
    """``getaddrinfo`` with a limit of ``timeout`` seconds, in daemon threads.

    Who asks for a name that is being looked up waits for the same answer. Nothing is remembered but
    which names are silent: for a minute they are a TimeoutError at once. Raises TimeoutError, and
    OSError where the name is unknown. For one event loop.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._under_way: dict[_Key, _LookUp] = {}
        self._queue: deque[_LookUp] = deque()
        self._threads = 0
        self._silent: dict[_Key, float] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        key = (host.lower(), family)
        if self._silent.get(key, 0.0) > time.monotonic():
            raise TimeoutError("the name was not resolved in time, less than a minute ago")
        look_up = self._under_way.get(key) or self._begin(key)
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await asyncio.shield(look_up.answer)
        except TimeoutError:
            # Where it did not even begin, the names before it are silent, not this one.
            if look_up.started:
                self._note_silence(key)
            raise
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    def _begin(self, key: _Key) -> _LookUp:
        look_up = _LookUp(key, asyncio.get_running_loop().create_future())
        # asyncio complains of errors that nobody looked at, and all who waited may have left.
        look_up.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())
        self._under_way[key] = look_up
        self._queue.append(look_up)
        self._start()
        return look_up

    def _start(self) -> None:
        while self._queue and self._threads < MOST_THREADS:
            look_up = self._queue.popleft()
            look_up.started = True
            self._threads += 1
            asking = threading.Thread(
                target=self._ask, args=(look_up,), daemon=True, name="resolver"
            )
            try:
                asking.start()
            except RuntimeError:
                self._end(look_up, OSError(errno.EAGAIN, "no thread left to look up a name"))

    def _ask(self, look_up: _LookUp) -> None:
        """In a thread of its own."""
        answer: list[str] | Exception
        try:
            answer = _addresses(*look_up.key)
        except Exception as error:
            answer = error
        # A loop that has ended meanwhile has nobody who waits for this.
        with contextlib.suppress(RuntimeError):
            look_up.answer.get_loop().call_soon_threadsafe(self._end, look_up, answer)

    def _end(self, look_up: _LookUp, answer: list[str] | Exception) -> None:
        self._threads -= 1
        self._under_way.pop(look_up.key, None)
        if not look_up.answer.done():
            if isinstance(answer, Exception):
                look_up.answer.set_exception(answer)
            else:
                self._silent.pop(look_up.key, None)
                look_up.answer.set_result(answer)
        self._start()

    def _note_silence(self, key: _Key) -> None:
        now = time.monotonic()
        self._silent = {name: until for name, until in self._silent.items() if until > now}
        self._silent[key] = now + SILENT_FOR

    async def close(self) -> None:
        """End all waiting; threads that still ask end by themselves, and nobody waits for them."""
        self._queue.clear()
        for look_up in self._under_way.values():
            if not look_up.answer.done():
                look_up.answer.set_exception(OSError("the resolver is closed"))


def _addresses(host: str, family: socket.AddressFamily) -> list[str]:
    found = socket.getaddrinfo(
        host, None, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return list(dict.fromkeys(_text(where) for *_, where in found))


def _text(where: tuple[Any, ...]) -> str:
    """An address of ``getaddrinfo``, with the interface where it is bound to one (IPv6)."""
    scope = where[3] if len(where) == 4 else 0
    return f"{where[0]}%{scope}" if scope else str(where[0])
