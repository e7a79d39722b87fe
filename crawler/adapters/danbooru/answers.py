"""What Danbooru's refusals mean, in our errors."""

from __future__ import annotations

from typing import Any

from crawler.adapters.base import ApiStatus
from crawler.adapters.text import one_line
from crawler.errors import AccessDenied, BadAnswer, TrawlError, UsageError
from storage.records import Json

TAG_LIMIT = "PostQuery::TagLimitError"


def is_tag_limit(error: ApiStatus) -> bool:
    """Whether the search has more terms than this account may use."""
    return error.status == 422 and _field(error.body, "error") == TAG_LIMIT


def meaning(error: ApiStatus) -> TrawlError:
    """The error a user is told for a status that asking again would not change."""
    said = _field(error.body, "message") or f"HTTP {error.status}"
    if error.status == 422:
        hint = "use fewer tags, or an account with a higher limit" if is_tag_limit(error) else None
        return UsageError(f"the site refuses the search: {said}", hint=hint)
    if error.status in (403, 451):
        return AccessDenied(f"the site forbids this: {said}")
    return BadAnswer(f"{error.url.partition('?')[0]} answers {error.status}: {said}")


def rows(answer: Json, what: str) -> list[Any]:
    """A list endpoint's rows. Raises BadAnswer for anything but a list."""
    if not isinstance(answer, list):
        raise BadAnswer(f"{what}: expected a list, got {type(answer).__name__}")
    return answer


def _field(body: Json, name: str) -> str:
    """A field of the error body, fit to be printed."""
    return one_line(body.get(name), 200) if isinstance(body, dict) else ""
