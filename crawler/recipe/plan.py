"""What a recipe asks for: sources, places of the set, quotas, and the folder it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, TypeAlias

Label: TypeAlias = tuple[str, str]
"""What a quota counts: ``("source", "official")``, ``("artist", "mofu_panda")``,
``("rating", "general")``."""

OTHER: Label = ("rating", "other")
"""Ratings that a recipe with a quota of ratings gives no place."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source: an ordinary crawl, and the places of the set that are its."""

    name: str
    source: str
    """As ``trawl crawl`` takes it."""
    words: tuple[str, ...]
    least: int
    """Places kept for it; what it cannot fill goes to the others."""
    most: int
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    """As :meth:`filters.policy.Judge.policy` takes it: the recipe's own and the source's."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most pictures of one kind, counted in pictures of a full set: a set that stays short has
    the same limits.
    """

    artist: int | None = None
    """Of any one artist."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Letter of a rating -> name of the group it is counted in; empty for no such quota."""
    ratings: Mapping[str, int] = field(default_factory=dict)
    """Name of the group -> its places. A known rating in no group has none."""


@dataclass(frozen=True, slots=True)
class Export:
    """The folder a set becomes."""

    out: Path
    layout: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe, checked."""

    target: int
    sources: tuple[Source, ...]
    quotas: Quotas = Quotas()
    spare: int = 0
    """Accepted pictures without a place that a source may have before no more are asked of it."""
    export: Export | None = None

    def most(self, label: Label) -> int | None:
        """How many pictures of the set may have a label; None for any number."""
        kind, value = label
        if kind == "artist":
            return self.quotas.artist
        if kind == "rating":
            return self.quotas.ratings.get(value, 0)
        return next(source.most for source in self.sources if source.name == value)


def places(shares: Sequence[Fraction], total: int) -> list[int]:
    """Whole places for shares of ``total``, which together are their sum rounded down.

    By largest remainder; of equal remainders the first.
    """
    exact = [share * total for share in shares]
    whole = [floor(part) for part in exact]
    left = floor(sum(exact)) - sum(whole)
    by_remainder = sorted(range(len(exact)), key=lambda i: (whole[i] - exact[i], i))
    for number in by_remainder[:left]:
        whole[number] += 1
    return whole
