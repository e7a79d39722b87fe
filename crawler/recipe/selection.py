"""Which accepted pictures are the set of a recipe: a pure function of both.

The rule is greedy, best first. Pictures are looked at source by source in the order of the recipe,
those of a source in its crawl's order. First every source fills the places that are kept for it.
Then, in the same order, whatever has room fills the set. A picture has room where its source, its
artists and its rating all have places left; one that several sources accepted is in the set once,
for the first of them that has room. No picture is ever exchanged for another, so one that is left
out has no room, or the set is full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crawler.recipe.plan import OTHER, Label, Recipe


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that the crawl of a source accepted."""

    source: int
    """Its number in the recipe."""
    position: int
    """In the crawl's order."""
    sha256: str
    candidate_id: int = 0
    artists: tuple[str, ...] = ()
    rating: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The set, and what kept others out of it."""

    chosen: tuple[Picture, ...]
    """In the order of sources and their crawls."""
    counts: Mapping[Label, int]
    """Label -> pictures of the set that have it."""
    turned_away: Mapping[Label, int]
    """Label without a place left -> pictures it kept out, each counted once: for its source where
    that is full, else for its rating, else for an artist."""
    kept_out: Mapping[Label, int] = field(default_factory=dict)
    """(Kind of quota, name of a source) -> pictures of that source that it kept out."""

    def of(self, name: str) -> int:
        """How many pictures of a source are in the set."""
        return self.counts.get(("source", name), 0)


def select(recipe: Recipe, pictures: Iterable[Picture]) -> Selection:
    """The set of a recipe. The order in which the pictures are given means nothing."""
    taken: dict[str, Picture] = {}
    counts: Counter[Label] = Counter()
    left_out: dict[str, Label] = {}
    losses: dict[tuple[str, int], str] = {}
    ordered = sorted(pictures, key=lambda one: (one.source, one.position))

    def full(picture: Picture) -> Label | None:
        for label in labels(recipe, picture):
            most = recipe.most(label)
            if most is not None and counts[label] >= most:
                return label
        return None

    def take(picture: Picture) -> None:
        taken[picture.sha256] = picture
        counts.update(labels(recipe, picture))

    for picture in ordered:
        source = recipe.sources[picture.source]
        kept = counts["source", source.name] < source.least
        if kept and picture.sha256 not in taken and full(picture) is None:
            take(picture)
    for picture in ordered:
        if len(taken) >= recipe.target:
            break
        if picture.sha256 in taken:
            continue
        if (label := full(picture)) is None:
            take(picture)
        else:
            left_out[picture.sha256] = label
            losses[picture.sha256, picture.source] = label[0]
    kept_out = Counter(
        (kind, recipe.sources[source].name)
        for (sha256, source), kind in losses.items()
        if sha256 not in taken
    )
    return Selection(
        tuple(sorted(taken.values(), key=lambda one: (one.source, one.position))),
        dict(counts),
        dict(Counter(label for sha256, label in left_out.items() if sha256 not in taken)),
        dict(kept_out),
    )


def labels(recipe: Recipe, picture: Picture) -> list[Label]:
    """What the quotas of a recipe count a picture as; an unknown rating or artist is nobody's."""
    found: list[Label] = [("source", recipe.sources[picture.source].name)]
    if recipe.quotas.groups and picture.rating is not None:
        group = recipe.quotas.groups.get(picture.rating)
        found.append(OTHER if group is None else ("rating", group))
    if recipe.quotas.artist is not None:
        found += (("artist", artist) for artist in dict.fromkeys(picture.artists))
    return found
