"""What the words of a command line become."""

from __future__ import annotations

import click
import pytest

from crawler.cli.options import WordsCommand, policy_of
from crawler.errors import UsageError


def words_of(*arguments: str) -> dict[str, object]:
    @click.command(cls=WordsCommand)
    @click.argument("words", nargs=-1)
    @click.option("-w", "--workspace")
    @click.option("-0", "nul", is_flag=True)
    @click.option("--sort")
    def command() -> None:
        """A command that ends in words."""

    return command.make_context("command", list(arguments)).params


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["1girl", "-comic"], ("1girl", "-comic")),
        (["-wings", "-0", "solo"], ("-wings", "solo")),
        (["--", "--odd", "-w"], ("--odd", "-w")),
        (["width>=3", "-site:danbooru"], ("width>=3", "-site:danbooru")),
    ],
)
def test_a_word_with_a_minus_is_no_option(arguments: list[str], words: tuple[str, ...]) -> None:
    assert words_of(*arguments)["words"] == words


def test_options_still_take_their_values() -> None:
    found = words_of("-w", "a folder", "x", "--sort", "-pixels", "-0")
    assert found == {"words": ("x",), "workspace": "a folder", "sort": "-pixels", "nul": True}
    assert words_of("--sort=-pixels")["sort"] == "-pixels"


def test_an_unknown_option_is_still_an_error() -> None:
    with pytest.raises(click.UsageError, match="--wrong"):
        words_of("--wrong")


def test_named_flags_and_set_become_one_policy() -> None:
    given = {
        "min_side": 512,
        "min_pixels": None,
        "rating": ("g",),
        "allow": ("comic",),
        "settings_given": [("resolution.max_pixels", "50M")],
    }
    assert policy_of(given) == {
        "resolution": {"min_side": 512, "max_pixels": 50_000_000},
        "content": {"ratings": ("g",)},
        "allow": ("comic",),
    }
    assert policy_of({}) == {}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("min_side", "FILTER.OPTION=VALUE"),
        ("resolutoin.min_side", "did you mean resolution"),
        ("resolution.min_sid", "did you mean min_side"),
    ],
)
def test_set_names_what_there_is(key: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        policy_of({"settings_given": [(key, "1")]})
