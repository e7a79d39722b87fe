"""What a run of a recipe ends with, in words."""

from __future__ import annotations

from crawler.cli.mixture import text, why_again
from crawler.recipe.gathering import Gathered, SourceResult, Turn
from crawler.recipe.selection import select
from tests.crawler.recipe.plans import picture, recipe, source


def test_an_artist_of_control_characters_is_not_passed_to_the_terminal() -> None:
    made = recipe(3, artist=1)
    chosen = select(made, [picture(0, n, artists=("\x1b[31mred",)) for n in range(3)])
    told = text(Gathered(made, chosen, (), (), (), None))
    assert "[31mred is full (1 of 1; 2 left out)" in told
    assert "\x1b" not in told


def test_a_source_that_is_asked_no_more_says_what_spare_has_to_do_with_it() -> None:
    made = recipe(3, source("all"), spare=2, artist=1)
    result = SourceResult(made.sources[0], None, 3, 1, ended=False, spent=True)
    told = text(Gathered(made, select(made, []), (), (result,), (), None))
    assert "2 of it found no place, so no more was asked for (spare = 2)" in told


def test_a_source_is_asked_again_for_what_its_quotas_left_out() -> None:
    turn = Turn(source("all"), 10, {"artist": 8, "rating": 1, "source": 3})
    assert why_again(turn, 15) == (
        "8 left out by quota.artist, 1 left out by quota.rating: 5 more wanted"
    )
    assert why_again(Turn(source("all"), 10, {}), 15) == "5 more wanted"
