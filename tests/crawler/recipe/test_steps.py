"""What is asked of sources: as much as the set lacks, and the same whatever came between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.recipe.plan import Recipe
from crawler.recipe.selection import Picture, Selection, select
from crawler.recipe.steps import Standing, at_most, first_want, next_step
from tests.crawler.recipe.plans import picture, rated, recipe, recipes, source, supplies


def gather(
    asked: Recipe, supply: list[list[Picture]], had: list[int], cut: int | None = None
) -> Selection:
    """Run a recipe over crawls that give their pictures in order; ``had`` is what is accepted.

    ``cut``: pictures accepted before a kill, which may fall into the middle of a crawl.
    """
    standings = [Standing(accepted=count) for count in had]
    left = 10_000 if cut is None else cut
    for _ in range(1_000):
        pictures = [p for has, n in zip(supply, had, strict=True) for p in has[:n]]
        selection = select(asked, pictures)
        step = next_step(asked, selection, standings)
        if step is None or left == 0:
            return selection
        has = len(supply[step.source])
        more = min(step.want, has) - had[step.source]
        assert step.want > had[step.source]
        had[step.source] += min(more, left)
        left -= min(more, left)
        standings[step.source].accepted = had[step.source]
        standings[step.source].ended = has < step.want
    raise AssertionError("it never ends")


def test_a_source_is_asked_for_its_share_first_and_the_rest_by_the_others() -> None:
    asked = recipe(10, source("official", 6, 6), source("rest"))
    supply = [[picture(0, i) for i in range(20)], [picture(1, i) for i in range(20)]]
    had = [0, 0]
    assert len(gather(asked, supply, had).chosen) == 10
    assert had == [6, 4]
    assert [first_want(asked, 0), first_want(asked, 1)] == [6, 4]


def test_a_source_that_falls_short_is_made_up_for() -> None:
    asked = recipe(10, source("official", 6, 6), source("rest"))
    supply = [[picture(0, i) for i in range(2)], [picture(1, i) for i in range(20)]]
    had = [0, 0]
    assert len(gather(asked, supply, had).chosen) == 10
    assert had == [2, 8]


def test_more_is_asked_for_while_quotas_turn_pictures_away() -> None:
    asked = recipe(4, artist=2)
    supply = [[picture(0, i, artists=("a" if i < 10 else "b",)) for i in range(20)]]
    had = [0]
    assert len(gather(asked, supply, had).chosen) == 4
    assert had == [12]


def test_a_quota_that_cannot_be_met_does_not_fetch_the_whole_source() -> None:
    asked = recipe(4, spare=5, **rated(general=3, sensitive=1))
    supply = [[picture(0, i, rating="g") for i in range(1_000)]]
    had = [0]
    assert len(gather(asked, supply, had).chosen) == 3
    assert had == [8]


def test_a_crawl_of_another_policy_is_brought_up_to_date_first() -> None:
    asked = recipe(2, source("a", 1, 1), source("b"))
    pictures = [picture(0, 0), picture(1, 0), picture(1, 1)]
    standings = [Standing(accepted=1), Standing(accepted=2, outdated=True)]
    step = next_step(asked, select(asked, pictures), standings)
    assert step is not None
    assert (step.source, step.want) == (1, 1)


@given(st.data())
def test_a_run_that_was_killed_anywhere_ends_with_the_same_set(data: st.DataObject) -> None:
    asked = data.draw(recipes())
    supply = data.draw(supplies(asked, shared=data.draw(st.booleans())))
    undisturbed = [0 for _ in supply]
    whole = gather(asked, supply, undisturbed)
    killed = [0 for _ in supply]
    for cut in data.draw(st.lists(st.integers(0, 9), max_size=4)):
        gather(asked, supply, killed, cut)
    assert gather(asked, supply, killed) == whole
    assert gather(asked, supply, killed) == whole


@given(st.data())
def test_sources_with_the_same_pictures_are_asked_until_the_set_is_full_or_nothing_is_left(
    data: st.DataObject,
) -> None:
    asked = data.draw(recipes())
    supply = data.draw(supplies(asked, shared=True))
    had = [0 for _ in supply]
    found = gather(asked, supply, had)
    for one, count, has in zip(asked.sources, had, supply, strict=True):
        chosen = found.of(one.name)
        wanted = chosen < one.least or (len(found.chosen) < asked.target and chosen < one.most)
        assert not wanted or count == len(has) or count - chosen >= asked.spare


def test_a_set_is_at_most_what_its_sources_have_and_may_give() -> None:
    asked = recipe(200, source("official", 120, 120), source("rest", 80, 80))
    assert at_most(asked, [8, None]) == 88
    assert at_most(asked, [None, None]) == 200
    assert at_most(recipe(200, source("official", 120, 120), source("rest")), [8, None]) == 200
