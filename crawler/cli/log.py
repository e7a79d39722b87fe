"""What is logged to standard error, with what must stay secret taken out.

Warnings always, with ``--debug`` every step of ours and of the libraries below.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence

from crawler.site import Credentials

_IS = r"(?:['\"]?\s*[=:]\s*(?:b?['\"])?|['\"],\s*b?['\"])"
"""What stands between a name and its value: ``a=b``, ``a: b``, ``"a": "b"``, ``(b'a', b'b')``."""
_NAMED = re.compile(
    rf"((?:api_key|login|password|passwd|token|secret|signature|(?:proxy-)?authorization){_IS})"
    r"(?:basic\s+|bearer\s+)?[^&\s,}'\")]+",
    re.IGNORECASE,
)
_HEADERS = re.compile(rf"(\b(?:(?:set-)?cookie2?|location){_IS})[^'\"\n]+", re.IGNORECASE)
"""Cookies, and where we are sent: all of it, up to the end of the line or of the quotation."""
_LOGIN_IN_URL = re.compile(r"(://)[^/\s'\"@]+@")
_QUERY = re.compile(r"\?[^\s'\"<>)=]*=[^\s'\"<>)]*")
"""A URL's query may hold keys or a signature, and nobody debugs by it."""


class Redacting(logging.Formatter):
    """Takes secrets out of the finished line, traceback and all, wherever they came from.

    ``logins`` says which logins there are; it is asked when the first line is written.
    """

    def __init__(
        self, form: str | None = None, *, logins: Callable[[], Sequence[Credentials]] = tuple
    ) -> None:
        super().__init__(form)
        self._ask = logins
        self._logins: Sequence[Credentials] | None = None

    def format(self, record: logging.LogRecord) -> str:
        from crawler.credentials import redacted

        if self._logins is None:
            self._logins = self._ask()
        line = redacted(super().format(record), self._logins)
        for pattern, by in (
            (_LOGIN_IN_URL, r"\1***@"),
            (_QUERY, "?***"),
            (_HEADERS, r"\1***"),
            (_NAMED, r"\1***"),
        ):
            line = pattern.sub(by, line)
        return line


@contextlib.contextmanager
def logged(*, everything: bool) -> Iterator[None]:
    """Within, log records go to standard error: warnings and worse, or all of them."""
    form = "%(asctime)s %(levelname).1s %(name)s: %(message)s" if everything else "%(message)s"
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting(form, logins=_logins))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if everything else logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def everything_logged() -> contextlib.AbstractContextManager[None]:
    """Within, every log record goes to standard error."""
    return logged(everything=True)


def _logins() -> Sequence[Credentials]:
    from crawler.credentials import read
    from crawler.errors import ConfigError

    try:
        return [secret.credentials for secret in read().values()]
    except ConfigError:
        # Then no login is in use; the command itself tells what is wrong with them.
        return ()
