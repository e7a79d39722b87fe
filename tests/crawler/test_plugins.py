"""Plug-ins are found by entry points, loaded one by one, and named where they are broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from crawler import plugins
from crawler.errors import UsageError
from filters.base import option

Install = Callable[[str, str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution with one plug-in on the path."""

    def install(distribution: str, group: str, name: str, source: str) -> None:
        folder = tmp_path / distribution
        info = folder / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {distribution}_code:Plugin\n")
        (folder / f"{distribution}_code.py").write_text(source)
        monkeypatch.syspath_prepend(str(folder))

    return install


def test_our_own_plugins_are_there() -> None:
    assert {"danbooru", "folder"} <= set(plugins.names(plugins.ADAPTERS))
    assert {"kohya", "imagefolder", "sheet"} <= set(plugins.names(plugins.EXPORTS))


def test_a_plugin_of_another_distribution_is_loaded(install: Install) -> None:
    install("otherbooru", plugins.ADAPTERS, "otherbooru", "class Plugin: name = 'otherbooru'\n")
    assert plugins.load(plugins.ADAPTERS, "otherbooru").name == "otherbooru"
    assert "otherbooru" in plugins.names(plugins.ADAPTERS)


@pytest.mark.parametrize(
    "source", ["import no_such_module_anywhere\n", "x = 1\n", "def broken(:\n"]
)
def test_a_broken_plugin_names_its_distribution(install: Install, source: str) -> None:
    install("brokenplugin", plugins.ADAPTERS, "broken", source)
    with pytest.raises(plugins.BrokenPlugin, match="brokenplugin") as error:
        plugins.load(plugins.ADAPTERS, "broken")
    assert "brokenplugin" in error.value.hint


def test_a_plugin_that_lacks_an_extra_says_so_itself(install: Install) -> None:
    source = "from crawler.errors import MissingExtra\nraise MissingExtra('install it')\n"
    install("needsmore", plugins.ADAPTERS, "needsmore", source)
    with pytest.raises(UsageError, match="install it"):
        plugins.load(plugins.ADAPTERS, "needsmore")


def test_two_distributions_may_not_bring_the_same_name(install: Install) -> None:
    install("first", plugins.ADAPTERS, "same", "class Plugin: pass\n")
    install("second", plugins.ADAPTERS, "same", "class Plugin: pass\n")
    with pytest.raises(plugins.BrokenPlugin, match="first and second"):
        plugins.load(plugins.ADAPTERS, "same")


def test_an_unknown_name_is_answered_with_the_close_ones() -> None:
    with pytest.raises(UsageError, match="no source called 'danboru'; did you mean danbooru"):
        plugins.load(plugins.ADAPTERS, "danboru")
    with pytest.raises(UsageError, match=r"no layout called 'zzz'; there are: .*kohya"):
        plugins.load(plugins.EXPORTS, "zzz")


def test_the_judge_has_every_filter() -> None:
    judge = plugins.judge()
    assert sorted(f.name for f in judge.filters) == plugins.names(plugins.FILTERS)


@dataclass(frozen=True)
class Options:
    count: int = option(1, "a count")
    share: float = option(0.5, "a share")
    on: bool = option(False, "a switch")
    word: str = option("", "a word")
    names: tuple[str, ...] = option((), "names")
    maybe: int | None = option(None, "perhaps a count")


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("count", "50M", 50_000_000),
        ("count", "-3", -3),
        ("count", 7, 7),
        ("share", "0.25", 0.25),
        ("share", 1, 1.0),
        ("on", "yes", True),
        ("on", "off", False),
        ("word", "50M", "50M"),
        ("names", "a, b,", ("a", "b")),
        ("names", ["a"], ("a",)),
        ("maybe", "2k", 2000),
        ("maybe", "none", None),
    ],
)
def test_text_becomes_what_the_option_is(name: str, given: object, value: object) -> None:
    found = plugins.option_value("thing", Options, name, given)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given"), [("count", "many"), ("share", "half"), ("on", "maybe"), ("cuont", "1")]
)
def test_what_does_not_fit_an_option_is_a_usage_error(name: str, given: str) -> None:
    with pytest.raises(UsageError):
        plugins.option_value("thing", Options, name, given)


def test_a_plugin_that_is_no_class_is_broken(install: Install) -> None:
    install("factory", plugins.FILTERS, "made", "def Plugin(): return object()\n")
    with pytest.raises(plugins.BrokenPlugin, match="names a function"):
        plugins.load(plugins.FILTERS, "made")
