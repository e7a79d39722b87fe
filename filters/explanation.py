"""What a filter looked at, and what it saw there: for people, never for a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from filters.base import Measures
    from filters.picture import Picture

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels of the picture as seen, as Pillow's ``crop`` takes them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One place that a filter looked at."""

    box: Box
    score: float | None = None
    """None: it could not tell."""
    label: str = ""
    """What it showed, in a word or two."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a filter came to what it measured of one picture."""

    tiles: tuple[Seen, ...] = ()
    """In the order in which they are numbered, from 1."""
    content: Box | None = None
    """What counts as the picture, where bars around it do not."""
    notes: tuple[str, ...] = ()
    """Sentences for a person, one a line."""


@runtime_checkable
class Summarising(Protocol):
    """What a filter has that can say in a few words what it measured."""

    def summary(self, measures: Measures) -> str:
        """Of what its ``measure`` returned."""
        ...


@runtime_checkable
class Explainable(Protocol):
    """What a filter that can explain itself has beside :class:`filters.base.Filter`."""

    def explain(self, picture: Picture) -> Explanation | None:
        """What ``measure`` looks at in this picture; None where there is nothing to show."""
        ...
