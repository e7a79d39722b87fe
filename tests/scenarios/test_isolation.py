"""One bad entry, page, filter or picture costs only itself, and is told with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.demo.faults import Action, Body, Course, Fault, Faults, Html
from crawler.demo.posts import World
from crawler.demo.world import REIMU
from tests.crawler.shelf import paint
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, serving
from tests.scenarios.outcome import assert_sound, outcome
from tests.scenarios.plugin import install

CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--all", "--option", "tiers=official,rest")

FRAGILE = """
from filters.base import BaseFilter

class Fragile(BaseFilter):
    name = "fragile"
    order = 55

    def measure(self, picture):
        if picture.bytes % 3 == 0:
            raise RuntimeError("a third of all pictures is too much for me")
        return {}
"""


def pictures(folder: Path, count: int) -> Path:
    for number in range(count):
        paint(folder, f"{number:03}", 40 + number % 7)
    return folder


def test_a_filter_that_breaks_on_some_pictures_keeps_the_others(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 30)
    plugin = install(
        tmp_path / "plugin", "fragile", FRAGILE, "[trawl.filters]\nfragile = fragile:Fragile\n"
    )
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    bad = {name for name, size in sizes.items() if size % 3 == 0}
    assert 3 < len(bad) < 27
    words = ("crawl", "folder", folder, "-w", "set", "--min-side", "32", "--min-pixels", "1")
    process = Trawl(tmp_path, None, plugin).start(*words)
    done = Trawl(tmp_path).finish(process)
    assert done.code == 0
    assert done.err.count("Traceback") == 1
    assert "warning: the filter fragile failed (RuntimeError: a third of all" in done.err
    assert "filter_failed" in done.out
    facts = outcome(tmp_path / "set").facts
    assert {name for name, fact in facts.items() if fact.reason == "filter_failed"} == bad
    assert {name for name, fact in facts.items() if fact.state == "accepted"} == set(sizes) - bad
    assert_sound(tmp_path / "set")
    plain = Trawl(tmp_path)
    name = min(bad)
    shown = plain("show", f"folder:{name}", "-w", "set").out
    assert "fragile" in shown
    assert "a filter broke on it" in shown
    plain(*words)  # the plug-in is gone: what it broke on is looked at again
    assert len(outcome(tmp_path / "set").accepted) == 30
    assert_sound(tmp_path / "set")


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The accepted posts of an undisturbed crawl."""
    home = tmp_path_factory.mktemp("undisturbed")
    with serving(world) as site:
        Trawl(home, address(site))(*CRAWL)
    return set(outcome(home / "set").accepted)


PAGE = "*official_art*"
HASTY = {"TRAWL_NET__RETRY_FIRST": "0.01", "TRAWL_NET__RETRY_LONGEST": "0.02"}


@pytest.mark.parametrize(
    "bad",
    [Body(b'[{"id": 1, "md5": '), Html(), Body(b'{"success": false}')],
    ids=["cut JSON", "a web page", "no list"],
)
def test_a_part_of_the_crawl_whose_page_stays_bad_is_tried_again_by_the_next_run(
    world: World, serve: Serve, tmp_path: Path, undisturbed: set[str], bad: Action
) -> None:
    site = serve(world, faults=Faults([Fault(bad, "/posts.json", query=PAGE)]))
    trawl = Trawl(tmp_path, address(site), HASTY)
    done = trawl(*CRAWL, code=5)
    assert len(done.lines) == 2
    assert "'official'" in done.lines[0]
    assert "E_BAD_ANSWER" in done.lines[0]
    assert "tries that page again" in done.lines[1]
    kept = outcome(tmp_path / "set")
    assert set(kept.accepted) > set()
    assert {fact.state for fact in kept.facts.values()} & {"pending", "waiting"} == set()
    assert "'official'" in trawl("status", "-w", "set").out
    assert_sound(tmp_path / "set")
    site.course = Course(Faults())
    trawl(*CRAWL)
    assert set(outcome(tmp_path / "set").accepted) == undisturbed
    assert_sound(tmp_path / "set")
