"""What a recipe still asks of its sources: a pure function of what they have given.

A source is asked for exactly as many more pictures as the set lacks of it. So the last ones it is
asked for all have a place, and a run that was killed anywhere ends with the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crawler.recipe.plan import Recipe
from crawler.recipe.selection import Selection


@dataclass(slots=True)
class Standing:
    """How far the crawl of one source is."""

    accepted: int = 0
    ended: bool = False
    """The source has no more, as far as this run has found."""
    outdated: bool = False
    """It was judged by another policy than the recipe's."""


@dataclass(frozen=True, slots=True)
class Step:
    """A crawl to run next."""

    source: int
    want: int


def next_step(recipe: Recipe, selection: Selection, standings: Sequence[Standing]) -> Step | None:
    """The crawl to run next, and to what target; None where nothing more is to be had or wanted."""
    taken = [selection.of(source.name) for source in recipe.sources]
    for number, standing in enumerate(standings):
        if standing.outdated:
            return Step(number, max(1, taken[number]))
    missing = recipe.target - len(selection.chosen)
    kept = [source.least - taken[i] for i, source in enumerate(recipe.sources)]
    free = [min(missing, source.most - taken[i]) for i, source in enumerate(recipe.sources)]
    for needs in (kept, free):
        for number, need in enumerate(needs):
            standing = standings[number]
            # Pictures beyond: those that no quota has room for.
            more = min(need, recipe.spare - (standing.accepted - taken[number]))
            if more > 0 and not standing.ended:
                return Step(number, standing.accepted + more)
    return None


def first_want(recipe: Recipe, number: int) -> int:
    """What a source is asked for where all of them give what they are asked for."""
    source = recipe.sources[number]
    if source.least:
        return source.least
    others = sum(other.least for other in recipe.sources)
    return max(1, min(source.most, recipe.target - others))


def at_most(recipe: Recipe, gives: Sequence[int | None]) -> int:
    """How many pictures the set can have where sources give so many (None: as many as asked for).

    Quotas are not reckoned, nor that two sources may have the same pictures.
    """
    limits = (
        source.most if give is None else min(source.most, give)
        for source, give in zip(recipe.sources, gives, strict=True)
    )
    return min(recipe.target, sum(limits))
