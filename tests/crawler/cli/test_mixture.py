"""What a run of a recipe ends with, in words."""

from __future__ import annotations

from crawler.cli.mixture import text
from crawler.recipe.gathering import Gathered
from crawler.recipe.selection import select
from tests.crawler.recipe.plans import picture, recipe


def test_an_artist_of_control_characters_is_not_passed_to_the_terminal() -> None:
    made = recipe(3, artist=1)
    chosen = select(made, [picture(0, n, artists=("\x1b[31mred",)) for n in range(3)])
    told = text(Gathered(made, chosen, (), (), (), None))
    assert "[31mred is full (1 of 1; 2 left out)" in told
    assert "\x1b" not in told
