"""What stages and exports tell a user.

TrawlError
└── StageError
    ├── BadOption           2     an option that gives no usable export
    ├── FolderNotOurs       2     the output holds things that we did not make
    ├── NothingToDraw       2     no work given to a contact sheet has a file
    └── UnreadablePicture         one picture cannot be used; exports count it and go on
"""

from __future__ import annotations

from storage.errors import TrawlError


class StageError(TrawlError):
    """A stage or an export cannot do what it was asked."""

    code = "E_STAGE"


class BadOption(StageError):
    """An option of an export or a stage that cannot be."""

    code = "E_USAGE"
    exit_code = 2


class FolderNotOurs(StageError):
    """The place to write to holds things that an export did not make; nothing was touched."""

    code = "E_FOLDER_NOT_OURS"
    exit_code = 2
    hint = "export into a new or an empty folder"


class NothingToDraw(StageError):
    """None of the works given to a contact sheet has a file; nothing was written."""

    code = "E_NOTHING_TO_DRAW"
    exit_code = 2


class UnreadablePicture(StageError):
    """One picture cannot be used. ``reason`` is what reports count it under."""

    code = "E_UNREADABLE"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
