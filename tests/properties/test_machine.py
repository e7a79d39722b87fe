"""Crawls, crashes and changes of mind in any order: the catalog is what the model says.

Every run of the suite takes the same examples; ``TRAWL_EXPLORE=1`` takes others, and
``python -m tests.properties.nightly`` many more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from crawler.errors import FetchError
from tests.properties import machine
from tests.properties.choices import POLICIES
from tests.properties.machine import Catalog
from tests.properties.world import Post

TestCatalog = Catalog.TestCase
TestCatalog.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize="TRAWL_EXPLORE" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

# Sequences that once went wrong.

WIDE = POLICIES[1]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.setattr(machine, "note", print)  # there is no example to note anything of
    made = Catalog()
    yield made
    made.teardown()


def opened(state: Catalog, query: str = "one", want: int | None = None) -> None:
    command = (query, WIDE, want)
    if hasattr(state, "run"):
        state.end_and_run_another(
            command=command,
            stopped=True,
            regrets=False,
            budget=10**9,
            at_end=None,
            at_begin=None,
        )
    else:
        state.open(command)


def finished(state: Catalog) -> None:
    state.go_on_to_the_end()
    state.the_catalog_is_sound()


def states(state: Catalog) -> dict[str, str]:
    state.the_catalog_is_sound()
    return state.model.crawls[state.run.id]


def test_a_file_replaced_while_its_work_was_hidden_is_fetched_anew(state: Catalog) -> None:
    opened(state)
    for post in (Post(), Post(unavailable="hidden"), Post(file="middle")):
        state.a_changed_post_is_listed(site_id="0", post=post, along=[])
        finished(state)
    assert states(state) == {"0": "accepted"}


def test_a_file_replaced_before_its_md5_was_ever_told_is_fetched_anew(state: Catalog) -> None:
    opened(state)
    for post in (Post(says_md5=False), Post(file="middle")):
        state.a_changed_post_is_listed(site_id="0", post=post, along=[])
        finished(state)
    assert states(state) == {"0": "accepted"}


def test_a_work_replaced_while_it_waits_for_its_turn_is_not_what_another_crawl_fetched(
    state: Catalog,
) -> None:
    state.world.posts["0"] = Post(file="middle")
    opened(state, "two")
    state.list_page(listed=["1"], recalls=True, starts=0, fuse=None)
    finished(state)
    opened(state, want=1)
    state.list_page(listed=["0", "1"], recalls=True, starts=0, fuse=None)
    state.start(most=1, fuse=None)
    state.a_changed_post_is_listed(site_id="1", post=Post(file="small"), along=[])
    state.arrive(arrivals=[(0, FetchError("decode_error"))], fuse=None)
    finished(state)
    assert states(state) == {"0": "failed", "1": "accepted"}


@pytest.mark.parametrize("held", [False, True])
def test_a_work_that_another_crawl_finds_hidden_is_unavailable(state: Catalog, held: bool) -> None:
    opened(state)
    state.list_page(listed=["0"], recalls=True, starts=0, fuse=None)
    opened(state, "two")
    state.list_page(listed=["0"] if held else ["1"], recalls=True, starts=0, fuse=None)
    finished(state)
    state.a_changed_post_is_listed(site_id="0", post=Post(unavailable="hidden"), along=[])
    opened(state)
    finished(state)
    assert states(state) == {"0": "unavailable"}


def test_a_rating_that_changes_back_gives_a_work_back(state: Catalog) -> None:
    opened(state)
    for rating in ("g", "e", "g"):
        state.a_changed_post_is_listed(site_id="0", post=Post(rating=rating), along=[])
        finished(state)
    assert states(state) == {"0": "accepted"}
