"""Every error of trawl.

TrawlError                      storage/errors.py: message, hint, code, exit_code
├── StorageError                NoWorkspace 2 · WorkspaceLocked 11 (ConsumerBusy) · NewerCatalog 4
│                               NoSpace 3 · BadQuery 2 · NotFound 2
├── UsageError            2     the command asks for something that cannot be
│   ├── UnknownTag        2     no such tag at the source; names the close ones
│   ├── RefusedQuery      2     a query that content safety never sends
│   └── MissingExtra      2     an optional part is not installed
├── ConfigError           4     a setting that is wrong, unknown or not trusted
├── SourceError           5     the source will not serve us; asking again would not help
│   ├── AuthenticationFailed    401: the login or key is wrong
│   ├── AccessDenied            403 in the site's own words
│   ├── ChallengePage           403 with a challenge or captcha: stop at once
│   └── BadAnswer               the site's answer cannot be understood, again and again
├── RateLimited           8     told to wait longer than the cap; resumable
├── LimitReached          7     --max-bytes or --max-time ended it first
├── ItemsFailed           6     --strict, and some items failed for good
├── Interrupted     130/143     SIGINT, SIGTERM or `trawl stop`; resumable
├── BrokenPlugin          1     crawler/plugins.py: an installed plug-in that cannot be loaded
├── StageError                  stages/errors.py: BadOption 2 · FolderNotOurs 2 · NothingToDraw 2
│                               UnreadablePicture
└── FetchError                  one rung of one work; never leaves the engine. Each has a
                                ``reason`` (what the catalog stores) and ``transient``
"""

from __future__ import annotations

from storage.errors import (
    BadQuery,
    NewerCatalog,
    NoSpace,
    NotFound,
    NoWorkspace,
    StorageError,
    TrawlError,
    WorkspaceLocked,
)

__all__ = [
    "AccessDenied",
    "AuthenticationFailed",
    "BadAnswer",
    "BadQuery",
    "ChallengePage",
    "ConfigError",
    "FetchError",
    "Interrupted",
    "ItemsFailed",
    "LimitReached",
    "MissingExtra",
    "NewerCatalog",
    "NoSpace",
    "NoWorkspace",
    "NotFound",
    "RateLimited",
    "RefusedQuery",
    "SourceError",
    "StorageError",
    "TrawlError",
    "UnknownTag",
    "UsageError",
    "WorkspaceLocked",
]


class UsageError(TrawlError):
    """The command asks for something that cannot be."""

    code = "E_USAGE"
    exit_code = 2


class UnknownTag(UsageError):
    """The source has no such tag."""

    code = "E_UNKNOWN_TAG"
    hint = "write it as the site does, for example hakurei_reimu"


class RefusedQuery(UsageError):
    """A query that content safety never sends, whatever the flags."""

    code = "E_REFUSED_QUERY"


class MissingExtra(UsageError):
    """An optional part is not installed."""

    code = "E_MISSING_EXTRA"


class ConfigError(TrawlError):
    """A setting that is wrong, unknown or not trusted."""

    code = "E_CONFIG"
    exit_code = 4


class SourceError(TrawlError):
    """The source will not serve us, and asking again would not help."""

    code = "E_SOURCE"
    exit_code = 5


class AuthenticationFailed(SourceError):
    """The site refused the login or API key."""

    code = "E_AUTH"


class AccessDenied(SourceError):
    """The site forbids this to us, in its own words."""

    code = "E_DENIED"


class ChallengePage(SourceError):
    """A challenge, captcha or block page: the source is stopped at once and never worked around."""

    code = "E_CHALLENGE"


class BadAnswer(SourceError):
    """The site's answer cannot be understood, again and again."""

    code = "E_BAD_ANSWER"


class RateLimited(TrawlError):
    """The site tells us to wait longer than we do by ourselves."""

    code = "E_RATE_LIMITED"
    exit_code = 8


class LimitReached(TrawlError):
    """A limit the user set ended the crawl before its target."""

    code = "E_LIMIT"
    exit_code = 7
    hint = "the same command goes on where this one stopped"


class ItemsFailed(TrawlError):
    """``--strict``: some items failed for good."""

    code = "E_ITEMS_FAILED"
    exit_code = 6


class Interrupted(TrawlError):
    """A signal or `trawl stop` ended the run; everything committed is kept."""

    code = "E_INTERRUPTED"
    exit_code = 130
    hint = "the same command, or `trawl resume`, goes on where this one stopped"


class FetchError(TrawlError):
    """One rung of one work could not be had. ``reason`` is what the catalog stores."""

    code = "E_FETCH"

    def __init__(
        self, reason: str, message: str = "", *, transient: bool = False, status: int | None = None
    ) -> None:
        super().__init__(message or reason.replace("_", " "))
        self.reason = reason
        self.transient = transient
        self.status = status
