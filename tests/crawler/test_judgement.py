"""Judging a crawl again in pieces: what comes between, and who waits for their turn."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from crawler import judging, plugins
from crawler.judgement import Case, judged, write
from crawler.policy_change import change_of
from crawler.verdicts import Rules
from filters.base import BaseFilter, Bound, Claims, Measures, Rejection
from filters.policy import Judge, Policy
from filters.resolution import Resolution
from storage import actions, crawls, decisions, naming
from storage.database import open_writer
from storage.judging.thresholds import Threshold
from tests.storage.catalog import Catalog, candidate

T = TypeVar("T")
JUDGE = plugins.judge()
SIZE = {"version": 1, "width": 800, "height": 900, "side": 800, "pixels": 720_000}


def policy(**sections: Any) -> Policy:
    return JUDGE.policy({"resolution": {"min_side": 500, "min_pixels": 1}, **sections})


LARGE = policy(resolution={"min_side": 900, "min_pixels": 1})


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog(tmp_path / "ws")
    yield made
    made.db.close()


def filled(catalog: Catalog, query: str = "one", *, fetched: str = "1") -> str:
    crawl = catalog.crawl(query, policy=policy().to_json())
    catalog.page(crawl, candidate("1"), candidate("2"))
    for site_id in fetched:
        catalog.fetched(crawl, site_id, site_id, resolution=SIZE)
    return crawl


def case(catalog: Catalog, crawl_id: str, other: Policy) -> Case:
    crawl = crawls.get(catalog.db, crawl_id)
    assert crawl is not None
    return Case.of(crawl, Rules(JUDGE, other))


async def test_what_a_person_decides_while_works_are_looked_at_is_heeded(
    catalog: Catalog,
) -> None:
    crawl = filled(catalog)
    one = case(catalog, crawl, LARGE)
    steps = 0

    async def do(work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        nonlocal steps
        steps += 1
        result = catalog.write(work)
        if steps == 1:  # another process, between two transactions of ours
            names = [naming.read_name("site:1")]
            rule = Rules(JUDGE, policy()).of_record
            catalog.write(lambda db: decisions.decide(db, "accept", names, lambda _: rule))
        return result

    await judged(do, [one], lambda db: write(db, [one]))
    assert catalog.states(crawl) == {"1": "accepted:by_person", "2": "pending"}


async def test_undoing_leaves_works_waiting_that_waited_for_their_turn(catalog: Catalog) -> None:
    """Another crawl has the picture, and how many this one takes its own order decides."""
    filled(catalog, "one")
    two = catalog.crawl("two", policy=policy().to_json(), want=1)
    catalog.page(two, candidate("1"))
    catalog.db.close()
    over = {"resolution": {"min_side": 900}}
    done = await judging.apply(catalog.workspace, over)
    catalog.db = open_writer(catalog.path)
    assert catalog.states(two) == {"1": "rejected:too_small"}
    action = actions.last(catalog.db)
    assert action is not None
    assert action.id == done.action
    catalog.db.close()
    await judging.undo_judge(catalog.workspace, action)
    catalog.db = open_writer(catalog.path)
    assert catalog.states(two) == {"1": "pending"}
    assert actions.last(catalog.db) is None


# -- which changes are thresholds ---------------------------------------------------------------


def test_another_threshold_is_asked_of_the_catalog() -> None:
    change = change_of(JUDGE, policy().to_json(), LARGE)
    assert not change.whole
    found, fake = change.changed
    assert found == Threshold("resolution", "too_small", "side", 500, 900, claimed=True)
    assert fake == Threshold("upscale", "fake_side", "effective_side", 500, 900)
    assert found.tighter
    assert not found.looser


def test_a_threshold_that_is_allowed_asks_for_nothing() -> None:
    change = change_of(JUDGE, policy().to_json(), policy(allow=["too_small", "comic"]))
    for found in change.changed:
        assert (found.old, found.new, found.looser) == (500, None, True)
    assert [one.reason for one in change.changed] == ["too_small", "fake_side"]
    assert change.allowed == {("site_tags", "comic")}


@pytest.mark.parametrize(
    "other",
    [
        {"content": {"ratings": ["g"]}},
        {"site_tags": {"reject": ["comic"]}},
        {"integrity": {"tolerance": 0.5}},
    ],
)
def test_what_is_no_threshold_is_asked_of_every_work(other: dict[str, Any]) -> None:
    assert change_of(JUDGE, policy().to_json(), policy(**other)).whole


def test_an_allowance_taken_back_is_asked_of_every_work() -> None:
    assert change_of(JUDGE, policy(allow=["comic"]).to_json(), policy()).whole


class Detail(BaseFilter):
    """Holds what it measures against the limit of another filter."""

    name: ClassVar[str] = "detail"
    reasons: ClassVar[Mapping[str, str]] = {"little_detail": "too small for what it shows"}
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("little_detail", "side", "min_side", section="resolution", unless="too_small"),
    )


class Opinion(Detail):
    """Does so, too, among other judgements."""

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        return super().judge(claims, measures, policy)


def change_with(filter: BaseFilter, **after: Any) -> Any:
    with_it = Judge([Resolution(), filter])
    before = {"resolution": {"min_side": 500, "min_pixels": 1}}
    return change_of(with_it, with_it.policy(before).to_json(), with_it.policy(before | after))


def test_a_limit_that_two_filters_hold_is_two_thresholds() -> None:
    change = change_with(Detail(), resolution={"min_side": 900, "min_pixels": 1})
    assert not change.whole
    assert set(change.changed) == {
        Threshold("resolution", "too_small", "side", 500, 900, claimed=True),
        Threshold("detail", "little_detail", "side", 500, 900),
    }


def test_an_allowance_of_the_limit_is_one_for_both() -> None:
    change = change_with(Detail(), allow=["too_small"])
    assert {(one.reason, one.old, one.new) for one in change.changed} == {
        ("too_small", 500, None),
        ("little_detail", 500, None),
    }


def test_of_a_filter_with_judgements_of_its_own_only_works_between_the_limits_are_asked() -> None:
    change = change_with(Opinion(), resolution={"min_side": 900, "min_pixels": 1})
    assert not change.whole
    assert [one.filter for one in change.changed] == ["resolution"]
    assert change.doubtful == (Threshold("detail", "little_detail", "side", 500, 900),)
    assert "detail" in change.opaque


def test_a_filter_that_came_or_went_is_asked_of_every_work() -> None:
    kept = policy().to_json()
    assert change_of(JUDGE, {k: v for k, v in kept.items() if k != "quality"}, policy()).whole
    assert change_of(JUDGE, {**kept, "gone": {"option": 1}}, policy()).whole
    assert change_of(
        JUDGE, {**kept, "versions": {**kept["versions"], "quality": 0}}, policy()
    ).whole


class Taste(BaseFilter):
    """A plug-in with a judgement of its own, last of all."""

    name = "taste"
    order = 99
    reasons: ClassVar[Mapping[str, str]] = {"dull": "by chance"}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        return Rejection("dull") if claims.site_id == "1" else None

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        return self.judge(claims, {}, policy)


async def test_works_a_threshold_releases_are_judged_by_the_filters_after_it(
    catalog: Catalog,
) -> None:
    own = Judge([*JUDGE.filters, Taste()])
    tight = own.policy({"resolution": {"min_side": 900, "min_pixels": 1}})
    loose = own.policy({"resolution": {"min_side": 500, "min_pixels": 1}})
    crawl = catalog.crawl("one", policy=tight.to_json())
    rules = Rules(own, tight)
    listed = [candidate(site_id, width=800, height=800) for site_id in "12"]
    catalog.page(crawl, *((one, rules.of_claims(one)) for one in listed))
    assert set(catalog.states(crawl).values()) == {"rejected:too_small"}
    found = crawls.get(catalog.db, crawl)
    assert found is not None
    one = Case.of(found, Rules(own, loose))

    async def do(work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        return catalog.write(work)

    await judged(do, [one], lambda db: write(db, [one]))
    assert catalog.states(crawl) == {"1": "rejected:dull", "2": "pending"}
