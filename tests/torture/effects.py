"""Two consumers whose effects can be counted, each a process of its own.

    python -m tests.torture.effects python WORKSPACE SEED
    python -m tests.torture.effects script WORKSPACE FOLDER SEED

``python`` reads with ``ws.stream``, answers out of order, and fails now and then. Its effect is a
row of a table in the catalog which anybody could write twice: what makes it exactly once is that
the acknowledgement is in the same transaction. ``script`` reads the lines of ``trawl stream
--ack-stdin``. Its effect is a file whose name is the key of the work: made under another name,
synced and renamed, so that doing it again changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import crawler
from crawler.streaming import StreamEvent
from storage.platform import fsync_dir

STAGE, VERSION, PARAMETERS = "count", 1, "none"
AT_ONCE = 32


def key(line: dict[str, Any]) -> str:
    """What tells one effect from another: the same picture, by the same work, made once."""
    return f"{line['sha256']}-{STAGE}-{VERSION}-{PARAMETERS}"


async def python(workspace: Path, seed: int) -> None:
    """Answer in any order; of ten events one fails at first."""
    rng = random.Random(seed)
    answers: set[asyncio.Task[None]] = set()
    async with crawler.open(workspace) as ws:
        async for event in ws.stream("python", follow=True, max_inflight=AT_ONCE):
            task = asyncio.create_task(_answer(event, rng))
            answers.add(task)
            task.add_done_callback(answers.discard)


async def _answer(event: StreamEvent, rng: random.Random) -> None:
    await asyncio.sleep(rng.random() / 20)
    if event.attempts == 1 and rng.random() < 0.1:
        await event.nack(retry_in=rng.random() / 20, error="fails at first")
        return
    seq = event.event.seq
    await event.ack(lambda db: db.execute("INSERT INTO effects(seq) VALUES (?)", (seq,)))


def prepare(db: sqlite3.Connection) -> None:
    """The table in which ``python`` leaves its effects; nothing in it is unique."""
    db.execute("CREATE TABLE IF NOT EXISTS effects(seq INTEGER NOT NULL)")


def script(workspace: Path, folder: Path, seed: int) -> None:
    """A program in any language: it reads lines and writes answers."""
    rng = random.Random(seed)
    words = ["stream", "-w", str(workspace), "--consumer", "script", "--follow", "--ack-stdin"]
    reading = subprocess.Popen(
        [sys.executable, "-m", "crawler.cli.main", *words, "--max-inflight", str(AT_ONCE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: reading.terminate())
    assert reading.stdin is not None
    assert reading.stdout is not None
    folder.mkdir(exist_ok=True)
    for text in reading.stdout:
        if not text.endswith("\n"):
            break  # its writer was killed in the middle of it: the event comes again
        line = json.loads(text)
        if line["attempt"] == 1 and rng.random() < 0.05:
            answer = f"nack {line['seq']} 0.02"
        else:
            if line["type"] == "accepted":
                _effect(folder, line)
            answer = str(line["seq"])
        try:
            print(answer, file=reading.stdin, flush=True)
        except BrokenPipeError:
            break
    sys.exit(reading.wait())


def _effect(folder: Path, line: dict[str, Any]) -> None:
    final, temp = folder / key(line), folder / f".{os.getpid()}"
    with open(temp, "w", encoding="utf-8") as file:
        file.write(line["sha256"])
        file.flush()
        os.fsync(file.fileno())
    temp.replace(final)
    fsync_dir(folder)


if __name__ == "__main__":
    if sys.argv[1] == "python":
        asyncio.run(python(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        script(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
