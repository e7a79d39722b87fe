"""What a safe transport costs: CPU and speed of downloads over loopback.

    python -m benchmarks.transport [--rounds 7] [--save]

A server in a process of its own sends the same bytes to everybody; each contender downloads them
in a fresh process, in turns, as the crawler does: unread reply first, then the body chunk by
chunk, 16 files at a time. CPU is that of the process from before the first request to after the
last body; a few requests before that open the connections. Imports are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

import aiohttp
import httpx

from benchmarks.report import Report, note, spread
from crawler.http.guard import Guard
from crawler.http.stock import StockTransport
from crawler.http.transport import Transport

TARGET = 1.3
CONNECTIONS = 16
LOADS = {"500 KB": (500_000, 1500), "50 KB": (50_000, 4000)}
"""Name of a load -> bytes of a file, and files that each contender downloads in a round."""

SAFE, PLAIN = "ours: guard, limits, error map", "plain: aiohttp under httpx"

NOTES = """\
"Plain" is an aiohttp session under httpx's interface with no guard, no limits on headers and no
error map. "Bare" is aiohttp alone. The guarded stock transport uses no connection twice, like ours
in the row "no keep-alive". Ratios are taken within each round, to plain; CPU is the client's only.
"""

Get = Callable[[str], Awaitable[int]]


@dataclass(frozen=True)
class Spent:
    """What one process spent."""

    files: int
    seconds: float
    cpu: float

    @property
    def cpu_ms(self) -> float:
        return self.cpu / self.files * 1000

    @property
    def speed(self) -> float:
        return self.files / self.seconds


# -- the contenders -----------------------------------------------------------------------------


class Plain(httpx.AsyncBaseTransport):
    """The least that makes aiohttp an httpx transport."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS), auto_decompress=False
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._session.request(
            request.method, str(request.url), headers=dict(request.headers), allow_redirects=False
        )
        return httpx.Response(
            response.status, headers=list(response.raw_headers), stream=_PlainBody(response)
        )

    async def aclose(self) -> None:
        await self._session.close()


class _PlainBody(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.content.iter_any():
            yield chunk

    async def aclose(self) -> None:
        self._response.release()


@asynccontextmanager
async def through(transport: httpx.AsyncBaseTransport) -> AsyncIterator[Get]:
    """Downloads as the crawler's exchange sends its requests."""
    headers = {"User-Agent": "trawl", "Accept": "image/*", "Accept-Encoding": "identity"}
    times = {"connect": 10.0, "read": 30.0, "write": 30.0, "pool": None}

    async def get(url: str) -> int:
        request = httpx.Request("GET", url, headers=headers, extensions={"timeout": times})
        response = await client.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            return sum([len(chunk) async for chunk in response.aiter_raw()])
        finally:
            await response.aclose()

    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        yield get


@asynccontextmanager
async def bare(host: str) -> AsyncIterator[Get]:
    async def get(url: str) -> int:
        async with session.get(url) as response:
            return sum([len(chunk) async for chunk in response.content.iter_any()])

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield get


def ours(host: str, keep_alive: bool = True) -> contextlib.AbstractAsyncContextManager[Get]:
    return through(Transport(Guard({host}), connections=CONNECTIONS, keep_alive=keep_alive))


def stock(host: str) -> contextlib.AbstractAsyncContextManager[Get]:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return through(httpx.AsyncHTTPTransport(trust_env=False, limits=limits))


CONTENDERS: Mapping[str, Callable[[str], contextlib.AbstractAsyncContextManager[Get]]] = {
    PLAIN: lambda host: through(Plain()),
    SAFE: ours,
    "ours, no keep-alive": lambda host: ours(host, keep_alive=False),
    "bare: aiohttp alone": bare,
    "stock: httpx's own": stock,
    "stock with our guard": lambda host: through(StockTransport(Guard({host}))),
}


async def download(name: str, host: str, size: int, files: int) -> Spent:
    """Download ``files`` files, 16 at a time. Raises ValueError if a byte is missing."""
    async with CONTENDERS[name](host) as get:

        async def work(count: int) -> None:
            for _ in range(count):
                if (arrived := await get(f"http://{host}/{size}")) != size:
                    raise ValueError(f"{arrived} bytes instead of {size}")

        async def all_at_once(count: int) -> None:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CONNECTIONS):
                    tasks.create_task(work(count))

        await all_at_once(2)
        each = files // CONNECTIONS
        cpu, wall = time.process_time(), time.perf_counter()
        await all_at_once(each)
        return Spent(each * CONNECTIONS, time.perf_counter() - wall, time.process_time() - cpu)


# -- the server, in a process of its own --------------------------------------------------------


def serve() -> None:
    """Send ``/N`` as N bytes, on connections that stay open. Prints its port first."""
    replies = {
        b"/%d" % size: b'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nETag: "1"\r\n'
        b"Content-Length: %d\r\n\r\n" % size + b"\x89PNG" + b"x" * (size - 4)
        for size, _ in LOADS.values()
    }

    def answer(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, contextlib.suppress(ConnectionError):
            asked = b""
            while data := connection.recv(4096):
                asked += data
                while b"\r\n\r\n" in asked:
                    head, _, asked = asked.partition(b"\r\n\r\n")
                    connection.sendall(replies[head.split(b" ", 2)[1]])

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The ``host:port`` of a running server."""
    command = [sys.executable, "-m", "benchmarks.transport", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


# -- the rounds ---------------------------------------------------------------------------------


def measure(name: str, host: str, size: int, files: int) -> Spent:
    command = [sys.executable, "-m", "benchmarks.transport", "--child", name, "--host", host]
    command += ["--size", str(size), "--files", str(files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Spent(**json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description="What a safe transport costs.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    for hidden in ("--child", "--host"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--size", "--files"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
    if given.child:
        spent = asyncio.run(download(given.child, given.host, given.size, given.files))
        print(json.dumps(asdict(spent)))
        return
    title = "What a safe transport costs"
    with Report("transport", title, sys.argv[1:], save=given.save) as out, server() as host:
        out.say(
            f"{given.rounds} alternating rounds, each contender in a fresh process;"
            f" {CONNECTIONS} connections, plain HTTP over loopback.\n"
        )
        out.say(NOTES)
        rounds: dict[str, list[dict[str, Spent]]] = {load: [] for load in LOADS}
        for number in range(given.rounds):
            note(f"round {number + 1}")
            for load, (size, files) in LOADS.items():
                # Every other round backwards: nobody always comes after the same one.
                order = list(CONTENDERS)[:: -1 if number % 2 else 1]
                rounds[load].append({name: measure(name, host, size, files) for name in order})
        for load, runs in rounds.items():
            tell(out, load, runs)


def tell(out: Report, load: str, rounds: Sequence[Mapping[str, Spent]]) -> None:
    out.say(f"## Files of {load}\n")
    rows = []
    for name in CONTENDERS:
        runs = [each[name] for each in rounds]
        rows.append(
            [
                name,
                spread([run.cpu_ms for run in runs]),
                spread([each[name].cpu_ms / each[PLAIN].cpu_ms for each in rounds]),
                spread([run.speed for run in runs], 0),
                spread([each[name].speed / each[PLAIN].speed for each in rounds]),
            ]
        )
    out.table(["", "CPU ms a file", "CPU to plain", "files/s", "speed to plain"], rows)
    ratio = statistics.median(each[SAFE].cpu_ms / each[PLAIN].cpu_ms for each in rounds)
    met = "met" if ratio <= TARGET else "not met"
    out.say(f"Safe to plain, CPU: {ratio:.2f}; target at most {TARGET}: {met}.\n")


if __name__ == "__main__":
    main()
