"""The root of our errors, and those of the disk.

The whole tree is drawn in ``crawler/errors.py``; the root lives here because storage is the lowest
room that raises what a user is shown.
"""

from __future__ import annotations


class TrawlError(Exception):
    """Anything a user is told: what happened, what to do, a stable code and an exit status."""

    code = "E_UNEXPECTED"
    exit_code = 1
    hint = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class StorageError(TrawlError):
    """Something on disk is in the way."""

    code = "E_STORAGE"


class NoWorkspace(StorageError):
    """A command that only reads found no catalog."""

    code = "E_NO_WORKSPACE"
    exit_code = 2
    hint = "name the workspace with -w, or start a crawl to make one"


class WorkspaceLocked(StorageError):
    """Another engine writes to this workspace."""

    code = "E_LOCKED"
    exit_code = 11
    hint = "wait for it to end, stop it, or use another workspace with -w"


class ConsumerBusy(WorkspaceLocked):
    """Another process reads as this consumer."""

    code = "E_CONSUMER_BUSY"
    hint = "stop that reader, or read under a name of your own: each consumer gets every event"


class NewerCatalog(StorageError):
    """The catalog was written by a newer trawl; it is left untouched."""

    code = "E_NEWER_CATALOG"
    exit_code = 4
    hint = "upgrade trawl to open it"


class NoSpace(StorageError):
    """Too little room is left on the disk."""

    code = "E_NO_SPACE"
    exit_code = 3
    hint = "free some space and run the same command again: it resumes"


class BadQuery(StorageError):
    """A catalog query that cannot be understood."""

    code = "E_QUERY"
    exit_code = 2


class NotFound(StorageError):
    """The catalog holds nothing under that name."""

    code = "E_NOT_FOUND"
    exit_code = 2
