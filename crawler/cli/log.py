"""``--debug``: the log of every step, with what must stay secret taken out."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

_SECRET = re.compile(
    r"((?:api_key|login|password|token|authorization)['\"]?\s*[=:]\s*['\"]?)"
    r"(?:basic\s+|bearer\s+)?[^&\s,}'\"]+",
    re.IGNORECASE,
)


class Redacting(logging.Formatter):
    """Takes logins out of the finished line, wherever they came from."""

    def format(self, record: logging.LogRecord) -> str:
        return _SECRET.sub(r"\1***", super().format(record))


@contextlib.contextmanager
def everything_logged() -> Iterator[None]:
    """Within, every log record goes to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
