"""Queries that are never sent: content safety's word on what a person asks for."""

from __future__ import annotations

from collections.abc import Sequence

from crawler.errors import RefusedQuery
from filters.content import blocked_words


def refuse_blocked(words: Sequence[str], ratings: Sequence[str] = ()) -> None:
    """Refuse what no site is asked for, given the ratings that the policy wants.

    Raises RefusedQuery: words that mark sexualised minors always, words that say a person is a
    child where any rating but ``g`` is wanted.
    """
    if refused := blocked_words(words):
        if all("*" in word for word in refused):
            raise RefusedQuery(
                f"{', '.join(refused)} could match what trawl never asks for, whatever the flags",
                hint="write the tag out, or more of it",
            )
        raise RefusedQuery(f"{', '.join(refused)}: trawl never asks for this, whatever the flags")
    if refused := blocked_words(words, ratings):
        raise RefusedQuery(
            f"{', '.join(refused)}: trawl asks for this only among works that are rated general",
            hint="add --rating g",
        )
