"""``--debug``: the log of every step, with what must stay secret taken out."""

from __future__ import annotations

import logging
import re

_SECRET = re.compile(
    r"((?:api_key|login|password|token|authorization)\"?[=:]\s*)(?:basic\s+|bearer\s+)?[^&\s,}]+",
    re.IGNORECASE,
)


class Redacting(logging.Formatter):
    """Takes logins out of the finished line, wherever they came from."""

    def format(self, record: logging.LogRecord) -> str:
        return _SECRET.sub(r"\1***", super().format(record))


def log_everything() -> None:
    """Send every log record to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting("%(asctime)s %(levelname).1s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler], force=True)
