"""What the system's resolver says, in place of a DNS that tests cannot have."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

Answers = Sequence[str] | Sequence[Sequence[str]]


class Names:
    """Answers ``getaddrinfo`` for some names; all others, and addresses, go to the system.

    A name's answers are addresses; a list of lists is one answer after the other, the last stays.
    ``delays`` are the seconds that some spellings take.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        known: Mapping[str, Answers],
        delays: Mapping[str, float] | None = None,
    ) -> None:
        self._delays = delays or {}
        self._known = {name: _plan(answers) for name, answers in known.items()}
        self._genuine = socket.getaddrinfo
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._answer)

    def _answer(self, host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        self.asked.append(host)
        time.sleep(self._delays.get(host, 0.0))
        plan = self._known.get(str(host).rstrip(".").lower())
        if plan is None:
            return self._genuine(host, port, *rest, **options)
        addresses = plan.pop(0) if len(plan) > 1 else plan[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]


def _plan(answers: Answers) -> list[list[str]]:
    if isinstance(answers[0], str):
        return [[str(address) for address in answers]]
    return [list(answer) for answer in answers]
