"""The one retry layer: which trouble is tried again, how often, and after how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_exponential,
    wait_random,
)

from crawler.errors import FetchError
from crawler.site import Net
from storage.records import Json

T = TypeVar("T")

THROTTLED_TRIES = 10
"""Refusals of one request, each obeyed in full, before the host counts as closed to us for now."""
LOCAL_TRIES = 30
"""Waits of one request for sockets of our own machine."""
MISMATCH_TRIES = 3
"""Downloads of one file whose bytes are not what was claimed."""


_OUTAGES = frozenset({"connect_failed", "timeout", "http_5xx"})


class Trouble(FetchError):
    """One failed attempt.

    ``tries`` is how often this reason may come up for one request (None: Net.attempts, together
    with all other such reasons). ``at_once`` means the next attempt needs no back-off of its own,
    because politeness already holds it. ``free`` means that it costs the request none of its tries.
    ``local`` trouble is our own machine's. ``outage`` is what a host does that is down. ``host``
    (``host:port``) is set once politeness knows. ``body`` is the decoded JSON of an API's answer.
    """

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        transient: bool = False,
        status: int | None = None,
        tries: int | None = None,
        at_once: bool = False,
        local: bool = False,
        body: Json = None,
    ) -> None:
        super().__init__(reason, message, transient=transient, status=status)
        self.tries = tries
        self.at_once = at_once
        self.free = False
        self.local = local
        self.outage = transient and reason in _OUTAGES
        self.host: str | None = None
        self.body = body


def throttled(status: int) -> Trouble:
    """The host said to slow down; its cool-down has been noted."""
    return Trouble(
        "rate_limited",
        f"HTTP {status}: asked to slow down",
        transient=True,
        status=status,
        tries=THROTTLED_TRIES,
        at_once=True,
    )


def overtaken() -> Trouble:
    """The host said to slow down while this request was about to be sent, which it was not."""
    trouble = Trouble(
        "rate_limited", "held back: asked to slow down meanwhile", transient=True, at_once=True
    )
    trouble.free = True
    return trouble


async def with_retries(
    attempt: Callable[[], Awaitable[T]],
    net: Net,
    on_retry: Callable[[], None],
    permit: Callable[[Trouble], Awaitable[None]],
) -> T:
    """Run ``attempt`` until it succeeds, fails for good or has failed often enough.

    ``permit`` returns when the host's budget has a second try after such trouble. The last
    attempt's own error is raised. Nothing is held while backing off, and a cancelled task leaves
    at once.
    """
    failed: BaseException | None = None
    backoff = wait_exponential(multiplier=net.retry_first, max=net.retry_longest) + wait_random(
        0.0, net.retry_first
    )

    def wait(state: RetryCallState) -> float:
        error = _error(state)
        return 0.0 if isinstance(error, Trouble) and error.at_once else backoff(state)

    def before_sleep(state: RetryCallState) -> None:
        nonlocal failed
        failed = _error(state)
        on_retry()

    async def permitted() -> T:
        if isinstance(failed, Trouble):
            await permit(failed)
        return await attempt()

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda e: isinstance(e, FetchError) and e.transient),
        stop=_Tries(net.attempts),
        wait=wait,
        before_sleep=before_sleep,
        reraise=True,
    )
    return await retrying(permitted)


class _Tries:
    """Counts the failures of one request, by reason where a reason has its own measure."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failed: Counter[str] = Counter()

    def __call__(self, state: RetryCallState) -> bool:
        error = _error(state)
        if isinstance(error, Trouble) and error.free:
            return False
        if isinstance(error, Trouble) and error.tries is not None:
            self._failed[error.reason] += 1
            return self._failed[error.reason] >= error.tries
        self._failed[""] += 1
        return self._failed[""] >= self._attempts


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
