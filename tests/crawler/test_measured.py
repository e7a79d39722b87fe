"""What was measured of a picture, beside what crawls ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crawler import plugins
from crawler.measured import asked_of
from filters.base import BaseFilter, Bound
from filters.policy import Judge
from filters.resolution import Resolution
from storage import crawls
from storage.records import Crawl
from tests.storage.catalog import Catalog


class Detail(BaseFilter):
    """Holds what it measures against the limit of another filter."""

    name: ClassVar[str] = "detail"
    reasons: ClassVar[Mapping[str, str]] = {"little_detail": "too small for what it shows"}
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("little_detail", "fine", "min_side", section="resolution", unless="too_small"),
    )


PICTURE = {"measures": {"resolution": {"version": 1, "side": 900}, "detail": {"fine": 400}}}


@pytest.fixture
def crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crawl:
    judge = Judge([Resolution(), Detail()])
    monkeypatch.setattr(plugins, "judge", lambda: judge)
    catalog = Catalog(tmp_path / "ws")
    policy = judge.policy({"resolution": {"min_side": 500}, "allow": ["too_small"]})
    found = crawls.get(catalog.db, catalog.crawl("one", policy=policy.to_json()))
    catalog.db.close()
    assert found is not None
    return found


def test_a_measure_is_shown_beside_the_limit_of_another_filter(crawl: Crawl) -> None:
    asked: dict[Any, Any] = {one["measure"]: one for one in asked_of(PICTURE, {}, [crawl])}
    fine = asked["fine"]
    assert (fine["option"], fine["least"], fine["value"]) == ("resolution.min_side", 500, 400)
    assert fine["passes"] is False
    assert asked["side"]["passes"] is True


def test_an_allowance_of_the_limit_is_shown_at_both_measures(crawl: Crawl) -> None:
    asked = {one["measure"]: one for one in asked_of(PICTURE, {}, [crawl])}
    assert asked["side"]["allowed"] is asked["fine"]["allowed"] is True
