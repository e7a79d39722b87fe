"""A filter that breaks costs the work in hand, and is told by name; content safety fails closed."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from filters.base import BaseFilter, Claims, Measures, Rejection
from filters.picture import Picture, PictureError
from filters.policy import FAILED, Judge, Policy, failed_measures
from tests.filters.support import FILTERS, Work, drawing, encode


class Broken(BaseFilter):
    """Raises at the moments it is told to."""

    name: ClassVar[str] = "broken"
    version: ClassVar[int] = 3
    order: ClassVar[int] = 1
    reasons: ClassVar[Mapping[str, str]] = {"ugly": "it is ugly"}

    def __init__(self, *moments: str, error: Exception | None = None) -> None:
        self.moments = moments
        self.error = error or ZeroDivisionError("of its own")

    def _maybe(self, moment: str) -> None:
        if moment in self.moments:
            raise self.error

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        self._maybe("prescreen")
        return None

    def measure(self, picture: Picture) -> Measures:
        self._maybe("measure")
        return {"beauty": 1}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        self._maybe("judge")
        return None


class BrokenContent(Broken):
    forced: ClassVar[bool] = True


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "filters.policy")


def judged(filter: BaseFilter, work: Work | None = None) -> Rejection | None:
    """The verdict on a good picture with this filter beside the usual ones."""
    judge = Judge([filter, *(made() for made in FILTERS)])
    measures = judge.measure(Picture.open(encode(drawing(1000, 1000), "PNG")))
    return judge.verdict(work or Work(rating="g"), measures, judge.policy())


def test_the_filter_is_no_obstacle_while_it_works() -> None:
    assert judged(Broken()) is None


@pytest.mark.parametrize("moment", ["measure", "judge"])
def test_whichever_moment_breaks_the_work_has_no_verdict(moment: str) -> None:
    assert judged(Broken(moment)) == Rejection(FAILED, "ZeroDivisionError: of its own", by="broken")


def test_a_prescreen_that_breaks_is_told_before_anything_is_fetched() -> None:
    judge = Judge([Broken("prescreen")])
    found = judge.prescreen(Work(), judge.policy())
    assert found is not None
    assert (found.reason, found.by) == (FAILED, "broken")


def test_another_filters_objection_stands_whatever_broke_before_it() -> None:
    found = judged(Broken("judge"), Work(rating="g", tags={"general": ["comic"]}))
    assert found is not None
    assert found.reason == "comic"


@pytest.mark.parametrize("moment", ["measure", "judge"])
def test_content_safety_that_breaks_is_told_whatever_the_others_say(moment: str) -> None:
    found = judged(BrokenContent(moment), Work(rating="g", tags={"general": ["comic"]}))
    assert found is not None
    assert (found.reason, found.by) == (FAILED, "broken")


def test_a_failure_cannot_be_allowed() -> None:
    judge = Judge([Broken("judge")])
    with pytest.raises(ValueError, match="no reason to allow"):
        judge.policy({"allow": [FAILED]})


def test_what_could_not_be_measured_is_known_from_its_measures() -> None:
    judge = Judge([Broken("measure")])
    measures = judge.measure(Picture.open(encode(drawing(40, 40), "PNG")))
    assert measures == {"broken": {"version": 3, "failed": "ZeroDivisionError: of its own"}}
    assert failed_measures(measures)
    assert not failed_measures({"broken": {"version": 3, "beauty": 1}})


class Odd(BaseFilter):
    name: ClassVar[str] = "odd"

    def __init__(self, value: Any) -> None:
        self.value = value

    def measure(self, picture: Picture) -> Measures:
        return {"value": self.value}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", [1], {"a": 1}, object()])
def test_what_json_cannot_keep_is_a_failure(value: Any) -> None:
    judge = Judge([Odd(value)])
    measures = judge.measure(Picture.open(encode(drawing(40, 40), "PNG")))
    assert "which JSON has not" in str(measures["odd"]["failed"])


HALF = "half \ud800 character"


def test_what_utf8_cannot_hold_is_a_failure_and_is_told_without_it() -> None:
    class OddName(Odd):
        def measure(self, picture: Picture) -> Measures:
            return {HALF: self.value}

    for filter in (Odd(HALF), OddName(1), Broken("measure", error=ValueError(HALF))):
        judge = Judge([filter])
        measures = judge.measure(Picture.open(encode(drawing(40, 40), "PNG")))
        told = str(measures[filter.name]["failed"])
        assert told.encode().count(b"half \\ud800 character") == 1


@pytest.mark.parametrize(
    "error",
    [
        PictureError("truncated"),
        MemoryError(),
        OSError(errno.EMFILE, "too many open files"),
        OSError(errno.ENOSPC, "full"),
    ],
    ids=str,
)
def test_what_is_no_filters_fault_passes(error: Exception) -> None:
    judge = Judge([Broken("measure", error=error)])
    with pytest.raises(type(error)) as told:
        judge.measure(Picture.open(encode(drawing(40, 40), "PNG")))
    assert told.value is error


def test_each_kind_of_failure_is_logged_in_full_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "filters.policy")
    judge = Judge([Broken("prescreen")])
    for _ in range(5):
        judge.prescreen(Work(), judge.policy())
    assert caplog.text.count("Traceback") == 1
    assert "the filter broken failed: ZeroDivisionError" in caplog.text


class Nonsense(BaseFilter):
    """Answers with what is no objection at all."""

    name: ClassVar[str] = "nonsense"
    prescreen: Callable[..., Any] = lambda *_: "ugly"  # type: ignore[assignment]


def test_an_answer_that_is_none_is_a_failure() -> None:
    judge = Judge([Nonsense()])
    found = judge.prescreen(Work(), judge.policy())
    assert found is not None
    assert (found.reason, found.by) == (FAILED, "nonsense")


@pytest.mark.parametrize(
    "rejection",
    [
        Rejection("ugly", np.float32(1.5)),  # type: ignore[arg-type]
        Rejection("ugly", float("nan")),
        Rejection("ugly", 1, float("inf")),
        Rejection("ugly", 1, [2]),  # type: ignore[arg-type]
        Rejection(7),  # type: ignore[arg-type]
        Rejection(HALF),
        Rejection("ugly", HALF),
        Rejection("ugly", 1, HALF),
    ],
)
def test_an_objection_that_cannot_be_kept_is_a_failure_of_the_filter(rejection: Rejection) -> None:
    class Objects(Odd):
        def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
            return rejection

    judge = Judge([Objects(0)])
    found = judge.prescreen(Work(), judge.policy())
    assert found is not None
    assert (found.reason, found.by) == (FAILED, "odd")
