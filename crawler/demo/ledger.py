"""The ledger: every request the demo site met, in the order of their ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and how it ended.

    ``start`` and ``end`` are monotonic seconds of the server's machine, ``wall`` seconds since
    1970. ``status`` is 0 where the connection ended before a status was sent; ``sent`` counts the
    bytes of the body; ``completed`` says that all that was announced was sent.
    """

    start: float
    end: float
    wall: float
    host: str
    method: str
    path: str
    query: str
    user_agent: str | None
    range: str | None
    if_range: str | None
    authorization: bool
    """Whether credentials were sent; what they were is never written down."""
    status: int
    sent: int
    completed: bool
    fault: str | None = None
    """The fault that was played, by name."""
    retry_after: float | None = None
    """Seconds the answer told the client to stay away."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Referer, Cookie, Accept and If-None-Match, where they were sent."""

    @property
    def url(self) -> str:
        return f"{self.host}{self.path}" + (f"?{self.query}" if self.query else "")


class Ledger:
    """Requests of one server. With ``file`` every entry is also appended to it as a JSON line."""

    def __init__(self, file: Path | str | None = None) -> None:
        self.entries: list[Entry] = []
        self._out: TextIO | None = None
        if file is not None:
            self._out = Path(file).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def add(self, entry: Entry) -> None:
        """Write one request down."""
        self.entries.append(entry)
        if self._out is not None:
            self._out.write(json.dumps(asdict(entry)) + "\n")

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._out is not None:
            self._out.close()
            self._out = None

    @classmethod
    def read(cls, file: Path | str) -> Ledger:
        """The ledger another process has written so far."""
        ledger = cls()
        with Path(file).open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    ledger.entries.append(Entry(**json.loads(line)))
        return ledger

    def write(self, file: Path | str) -> None:
        """Write all entries to a new file of JSON lines."""
        with Path(file).open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(asdict(entry)) + "\n" for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def requests(self, path: str = "*", host: str = "*") -> list[Entry]:
        """Requests whose path and ``host:port`` match these globs, by start."""
        found = [e for e in self.entries if fnmatchcase(e.path, path) and fnmatchcase(e.host, host)]
        return sorted(found, key=lambda entry: entry.start)

    def originals(self) -> list[Entry]:
        """Requests for original files."""
        return self.requests("/original/*")

    def repeats(self, path: str = "*") -> dict[str, int]:
        """URLs that were asked for more than once -> how often."""
        counted = Counter(entry.url for entry in self.requests(path))
        return {url: count for url, count in counted.items() if count > 1}

    def most_in(self, window: float, path: str = "*", host: str = "*") -> int:
        """The most requests that started within any ``window`` seconds."""
        starts = [entry.start for entry in self.requests(path, host)]
        most = first = 0
        for last, start in enumerate(starts):
            while start - starts[first] >= window:
                first += 1
            most = max(most, last - first + 1)
        return most

    def early(self) -> list[Entry]:
        """Requests that came to a host before the time it had told the client to stay away."""
        found = []
        until: dict[str, float] = {}
        told = sorted(
            (e for e in self.entries if e.retry_after is not None), key=lambda entry: entry.end
        )
        for entry in sorted(self.entries, key=lambda entry: entry.start):
            while told and told[0].end <= entry.start:
                answer = told.pop(0)
                away = answer.end + (answer.retry_after or 0.0)
                until[answer.host] = max(until.get(answer.host, 0.0), away)
            if entry.start < until.get(entry.host, 0.0):
                found.append(entry)
        return found
