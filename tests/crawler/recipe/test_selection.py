"""Which pictures become the set: by places, quotas and order alone."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from crawler.recipe.plan import Recipe
from crawler.recipe.selection import Picture, labels, select
from tests.crawler.recipe.plans import picture, rated, recipe, recipes, source, supplies


def names(recipe: Recipe, *pictures: Picture) -> list[str]:
    return [one.sha256 for one in select(recipe, pictures).chosen]


def test_the_first_pictures_of_the_first_source_come_first() -> None:
    pictures = [picture(0, 2), picture(1, 0), picture(0, 1)]
    assert names(recipe(2, source("a"), source("b")), *pictures) == ["0-1", "0-2"]


def test_places_kept_for_a_later_source_are_its() -> None:
    asked = recipe(3, source("a"), source("b", least=2))
    many = [picture(0, i) for i in range(9)]
    assert names(asked, *many, picture(1, 0), picture(1, 1)) == ["0-0", "1-0", "1-1"]


def test_places_that_a_source_cannot_fill_go_to_the_others() -> None:
    asked = recipe(3, source("official", least=2, most=2), source("rest"))
    assert names(asked, picture(0, 0), *(picture(1, i) for i in range(9))) == ["0-0", "1-0", "1-1"]


def test_a_picture_of_two_sources_is_one_picture_of_the_first() -> None:
    asked = recipe(3, source("a"), source("b"))
    chosen = select(asked, [picture(1, 0, sha256="x"), picture(0, 4, sha256="x")]).chosen
    assert [(one.sha256, one.source) for one in chosen] == [("x", 0)]


def test_a_picture_for_which_one_source_has_no_room_may_come_by_another() -> None:
    asked = recipe(3, source("a", most=1), source("b"))
    pictures = [picture(0, 0), picture(0, 1, sha256="x"), picture(1, 0, sha256="x")]
    found = select(asked, pictures)
    assert [(one.sha256, one.source) for one in found.chosen] == [("0-0", 0), ("x", 1)]
    assert found.turned_away == {}


def test_an_artist_fills_no_more_than_its_places_however_short_the_set_is() -> None:
    asked = recipe(10, artist=1)
    one_artist = [picture(0, i, artists=("a",)) for i in range(5)]
    found = select(asked, [*one_artist, picture(0, 9, artists=("b", "a")), picture(0, 10)])
    assert [one.position for one in found.chosen] == [0, 10]
    assert found.turned_away == {("artist", "a"): 5}


def test_ratings_have_their_places_and_others_have_none() -> None:
    asked = recipe(4, **rated(general=2, sensitive=1))
    pictures = [picture(0, i, rating=r) for i, r in enumerate(["s", "s", "e", "g", None, "g", "g"])]
    found = select(asked, pictures)
    assert [one.position for one in found.chosen] == [0, 3, 4, 5]
    assert found.turned_away == {("rating", "sensitive"): 1, ("rating", "other"): 1}


@given(st.data())
def test_the_set_is_a_function_of_the_pictures_not_of_when_they_came(data: st.DataObject) -> None:
    asked = data.draw(recipes())
    pictures = [p for has in data.draw(supplies(asked, shared=True)) for p in has]
    shuffled = random.Random(data.draw(st.integers())).sample(pictures, len(pictures))
    assert select(asked, shuffled) == select(asked, pictures)


@given(st.data())
def test_no_maximum_is_passed_and_nothing_with_room_is_left_out(data: st.DataObject) -> None:
    asked = data.draw(recipes())
    pictures = [p for has in data.draw(supplies(asked, shared=True)) for p in has]
    found = select(asked, pictures)
    counts: dict[tuple[str, str], int] = {}
    for one in found.chosen:
        for label in labels(asked, one):
            counts[label] = counts.get(label, 0) + 1
    assert counts == found.counts
    assert len(found.chosen) <= asked.target
    limits = {label: asked.most(label) for label in counts}
    assert all(most is None or counts[label] <= most for label, most in limits.items())
    assert len({one.sha256 for one in found.chosen}) == len(found.chosen)
    if len(found.chosen) == asked.target:
        return
    in_set = {one.sha256 for one in found.chosen}
    for one in pictures:
        if one.sha256 not in in_set:
            bounds = [(counts.get(label, 0), asked.most(label)) for label in labels(asked, one)]
            assert any(most is not None and count >= most for count, most in bounds)


@given(st.data())
def test_a_source_has_the_places_kept_for_it_wherever_no_quota_is_in_the_way(
    data: st.DataObject,
) -> None:
    asked = data.draw(recipes())
    free = recipe(asked.target, *asked.sources)
    supply = data.draw(supplies(free, shared=False))
    found = select(free, [p for has in supply for p in has])
    for one, has in zip(free.sources, supply, strict=True):
        assert found.of(one.name) >= min(one.least, len(has))


def test_what_quotas_kept_out_is_told_by_source() -> None:
    made = recipe(4, source("one", 2, 2), source("two"), artist=1)
    artists = {"artists": ("a",)}
    pictures = [picture(0, n, **artists) for n in range(3)] + [picture(1, 0, **artists)]
    chosen = select(made, pictures)
    assert chosen.kept_out == {("artist", "one"): 2, ("artist", "two"): 1}
