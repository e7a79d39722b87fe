"""Recipes and pictures for tests: made in one line, or drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from crawler.recipe.plan import Quotas, Recipe, Source
from crawler.recipe.selection import Picture

ARTISTS = "abc"
GROUPS = {"g": "general", "s": "sensitive"}


def source(name: str, least: int = 0, most: int = 1_000) -> Source:
    return Source(name, "danbooru", (name,), least, most)


def recipe(target: int, *sources: Source, spare: int = 1_000, **quotas: Any) -> Recipe:
    return Recipe(target, sources or (source("all"),), Quotas(**quotas), spare)


def picture(source: int, position: int, **more: Any) -> Picture:
    return Picture(source, position, more.pop("sha256", f"{source}-{position}"), **more)


def rated(**places: int) -> Mapping[str, Any]:
    return {"groups": GROUPS, "ratings": {"general": 0, "sensitive": 0, **places}}


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    target = draw(st.integers(1, 12))
    left = target
    sources = []
    for number in range(draw(st.integers(1, 3))):
        least = draw(st.integers(0, left))
        left -= least
        sources.append(source(str(number), least, draw(st.integers(max(least, 1), target))))
    general = draw(st.integers(0, target))
    return recipe(
        target,
        *sources,
        spare=draw(st.integers(0, 8)),
        artist=draw(st.none() | st.integers(1, target)),
        **(rated(general=general, sensitive=target - general) if draw(st.booleans()) else {}),
    )


@st.composite
def supplies(draw: st.DrawFn, recipe: Recipe, *, shared: bool) -> list[list[Picture]]:
    """All that each source has, in its order. ``shared``: some have the same pictures."""
    found = []
    for number in range(len(recipe.sources)):
        has = []
        for position in range(draw(st.integers(0, 15))):
            same = shared and draw(st.integers(0, 3)) == 0
            has.append(
                picture(
                    number,
                    position,
                    sha256=f"same-{draw(st.integers(0, 5))}" if same else f"{number}-{position}",
                    artists=tuple(draw(st.sets(st.sampled_from(ARTISTS), max_size=2))),
                    rating=draw(st.sampled_from(["g", "s", "e", None])),
                )
            )
        unique = {one.sha256: one for one in reversed(has)}.values()
        found.append(sorted(unique, key=lambda one: one.position))
    return found
