"""From judgements to states, and from a policy to what a site is asked for."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from crawler import plugins
from crawler.opening import plain
from crawler.verdicts import ACCEPTED, PENDING, Rules, predicate_of, wider
from storage.records import Candidate, Ruling, Rung


def rules(**policy: Any) -> Rules:
    judge = plugins.judge()
    return Rules(judge, judge.policy(policy))


GOOD = Candidate("site", "o", "1", (Rung("u", width=1000, height=1000, format="jpg"),), rating="g")
DECODED: dict[str, dict[str, int]] = {
    **{filter.name: {"version": filter.version} for filter in plugins.judge().filters},
    "resolution": {"version": 1, "side": 1000, "pixels": 1_000_000},
}


def test_claims_without_fault_leave_the_work_pending() -> None:
    assert rules().of_claims(GOOD) == PENDING


def test_claims_alone_can_reject() -> None:
    ruling = rules().of_claims(replace(GOOD, rating="e"))
    assert (ruling.state, ruling.reason, ruling.measured) == ("rejected", "rating", "e")
    assert ruling.filter == "content"


def test_a_work_without_a_file_is_unavailable() -> None:
    assert rules().of_claims(replace(GOOD, unavailable="hidden")) == Ruling("unavailable", "hidden")
    assert rules().of_claims(replace(GOOD, ladder=())) == Ruling("unavailable", "no_file")


def test_content_safety_comes_before_everything_and_keeps_no_evidence() -> None:
    marked = replace(GOOD, unavailable="hidden", ladder=(), tags={"general": ("loli",)})
    assert rules(allow=["comic"]).of_claims(marked) == Ruling(
        "rejected", "blocked_content", filter="content"
    )
    assert rules().of_picture(marked, DECODED).reason == "blocked_content"


def test_what_was_decoded_outweighs_what_was_claimed() -> None:
    claimed_large = replace(GOOD, ladder=(Rung("u", width=4000, height=4000),))
    small = {"resolution": {"version": 1, "side": 100, "pixels": 10_000}}
    assert rules().of_picture(claimed_large, small).reason == "too_small"
    assert rules().of_picture(claimed_large, DECODED) == ACCEPTED
    claimed_small = replace(GOOD, ladder=(Rung("u", width=1, height=1),))
    assert rules().of_picture(claimed_small, DECODED) == ACCEPTED


def test_a_record_is_judged_by_its_measures_where_there_are_any() -> None:
    assert rules().of_record(GOOD, None) == PENDING
    assert rules().of_record(GOOD, DECODED) == ACCEPTED


def test_what_was_measured_before_a_filter_came_or_changed_is_measured_again() -> None:
    before = {name: measured for name, measured in DECODED.items() if name != "upscale"}
    assert rules().of_record(GOOD, before) == PENDING
    assert rules().of_record(GOOD, {**DECODED, "quality": {"version": 0}}) == PENDING
    small = {"resolution": {"version": 1, "side": 100, "pixels": 10_000}}
    assert rules().of_record(GOOD, small).reason == "too_small"


def test_what_is_hidden_stays_hidden_though_its_picture_is_held() -> None:
    hidden = replace(GOOD, unavailable="hidden", ladder=())
    assert rules().of_record(hidden, DECODED) == Ruling("unavailable", "hidden")


# -- what a site is asked for -----------------------------------------------------------------


def test_a_site_is_asked_for_what_the_policy_wants() -> None:
    predicate = predicate_of(rules(resolution={"min_side": 512, "min_pixels": 400_000}).policy)
    assert (predicate.min_width, predicate.min_height, predicate.min_pixels) == (512, 512, 400_000)
    assert predicate.ratings == ("g", "s")


@pytest.mark.parametrize(
    ("allow", "side", "pixels"),
    [(["too_small"], 0, 900_000), (["too_few_pixels"], 768, 0), (["comic"], 768, 900_000)],
)
def test_what_a_person_allows_is_asked_for(allow: list[str], side: int, pixels: int) -> None:
    predicate = predicate_of(rules(allow=allow).policy)
    assert (predicate.min_width, predicate.min_pixels) == (side, pixels)


@pytest.mark.parametrize(
    ("change", "is_wider"),
    [
        ({}, False),
        ({"min_width": 500}, True),
        ({"min_height": 500}, True),
        ({"min_pixels": 1}, True),
        ({"min_width": 2000}, False),
        ({"ratings": ("g",)}, False),
        ({"ratings": ("g", "s", "q")}, True),
        ({"formats": ("jpg",)}, False),
        ({"formats": ("jpg", "png", "webp", "avif", "gif", "jxl")}, True),
        ({"min_width": 2000, "ratings": ("g", "e")}, True),
    ],
)
def test_a_wider_predicate_is_known_from_a_narrower_one(
    change: dict[str, Any], is_wider: bool
) -> None:
    before = predicate_of(rules().policy)
    assert wider(replace(before, **change), plain(before)) is is_wider


def test_a_listing_of_another_shape_is_done_again() -> None:
    predicate = predicate_of(rules().policy)
    assert wider(predicate, {})
    assert wider(predicate, {**asdict(predicate), "unheard_of": 1})
