"""The process that decodes: ``python -m crawler.decoding PARENT``, spoken to in lines of JSON.

The first line says which filters to load, the policy they measure for and the limits:
``{"filters": ["module:Class", …], "policy": {…}, "limits": {…}, "memory": bytes}``; the answer is
``{"ready": true}``. Each further line is a file, ``{"path": "…"}``; the answer is ``{"look": {…}}``
or ``{"error": {"reason", "message"}}``, with ``width`` and ``height`` of a picture and ``errno`` of
the system. It ends with its input.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from crawler.decoding.look import look
from crawler.decoding.sandbox import confine, die_with, ignore_stops
from filters.picture import Limits, PictureError, examine
from filters.policy import Judge


def main() -> None:
    ignore_stops()
    die_with(int(sys.argv[1]))
    answers = _own_stdout()
    asked = _lines(sys.stdin.buffer)
    first = json.loads(asked.get())
    try:
        judge = Judge(_load(name)() for name in first["filters"])
        judge = judge.configured(judge.policy(first["policy"]))
    except Exception as error:  # whatever a plug-in does when it is imported
        _answer(answers, _error("", f"{type(error).__name__}: {error}"))
        return
    limits = Limits(**first["limits"] | {"formats": tuple(first["limits"]["formats"])})
    confine(first["memory"])
    _answer(answers, {"ready": True})
    while True:
        request = json.loads(asked.get())
        _answer(answers, _look(Path(request["path"]), judge, limits))


def _load(name: str) -> Any:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _own_stdout() -> BinaryIO:
    """Standard output for answers alone: what libraries print goes nowhere."""
    own = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return own


def _lines(source: BinaryIO) -> queue.SimpleQueue[bytes]:
    """Requests as they come; the end of them ends the process, also in the middle of a decode."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in source:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return lines


def _look(path: Path, judge: Judge, limits: Limits) -> dict[str, Any]:
    try:
        return {"look": asdict(look(examine(path, limits), judge, limits))}
    except PictureError as error:
        return _error(error.reason, str(error), width=error.width, height=error.height)
    except MemoryError:
        return _error("out_of_memory", "out of memory")
    except OSError as error:
        return _error("os_error", error.strerror or str(error), errno=error.errno)
    except Exception as error:
        return _error("filter_failed", f"{type(error).__name__}: {error}")


def _error(reason: str, message: str, **more: int | None) -> dict[str, Any]:
    return {"error": {"reason": reason, "message": message, **more}}


def _answer(to: BinaryIO, answer: dict[str, Any]) -> None:
    to.write(json.dumps(answer).encode() + b"\n")
    to.flush()


if __name__ == "__main__":
    main()
