from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.base import BaseFilter, Claims, Measures, Rejection, Scalar
from filters.content import VERSION, Content
from filters.picture import Picture
from filters.policy import Judge, Policy, PolicyError, laid_over
from tests.filters.support import FILTERS, Work, drawing, encode, judge, tagged

sides = st.none() | st.integers(0, 20_000)
works = st.builds(
    Work,
    tags=st.fixed_dictionaries(
        {
            "general": st.lists(st.sampled_from(["solo", "comic", "loli", "child"]), max_size=3),
            "meta": st.lists(st.sampled_from(["upscaled", "highres", "image_sample"]), max_size=2),
        }
    ),
    rating=st.sampled_from(["g", "s", "q", "e", None]),
    width=sides,
    height=sides,
    format=st.sampled_from([None, "jpg", "gif", "mp4", "psd"]),
    animated=st.sampled_from([None, True, False]),
)
share = st.none() | st.floats(0, 1)
measured: st.SearchStrategy[dict[str, Measures]] = st.fixed_dictionaries(
    {},
    optional={
        "resolution": st.fixed_dictionaries(
            {"width": st.integers(1, 9999), "height": st.integers(1, 9999)}
        ),
        "integrity": st.fixed_dictionaries(
            {"width": st.integers(1, 9999), "height": st.integers(1, 9999)}
        ),
        "animated": st.fixed_dictionaries({"frames": st.integers(1, 3)}),
        "quality": st.fixed_dictionaries(
            {"jpeg_quality": st.none() | st.floats(1, 100), "sharpness": share}
        ),
    },
)
allowable = sorted(set(judge().reasons()) - {"blocked_content", "rating"})


@settings(max_examples=200)
@given(works, measured, st.sets(st.sampled_from(allowable)), st.permutations(FILTERS))
def test_a_verdict_depends_on_nothing_but_claims_measures_and_policy(
    work: Work,
    measures: dict[str, Measures],
    allow: set[str],
    order: list[type[BaseFilter]],
) -> None:
    first, second = judge(), Judge(filter() for filter in order)
    before = json.dumps(measures, sort_keys=True)
    values = {"allow": sorted(allow)}
    one = first.verdict(work, measures, first.policy(values))
    other = second.verdict(work, dict(reversed(measures.items())), second.policy(values))
    assert one == other == first.verdict(work, measures, first.policy(values))
    assert json.dumps(measures, sort_keys=True) == before
    assert one is None or one.reason not in allow


@given(works, measured)
def test_allowing_every_reason_that_is_told_ends_in_acceptance(
    work: Work, measures: dict[str, Measures]
) -> None:
    filters, allow = judge(), set[str]()
    while rejection := filters.verdict(work, measures, filters.policy({"allow": sorted(allow)})):
        assert rejection.reason not in allow
        if rejection.by == "content":
            return
        allow.add(rejection.reason)


@given(works)
def test_unmeasured_works_are_judged_by_their_claims(work: Work) -> None:
    filters = judge()
    policy = filters.policy()
    assert filters.verdict(work, {}, policy) == filters.prescreen(work, policy)


def test_measures_are_plain_json_with_the_version_of_their_filter() -> None:
    picture = Picture.open(encode(drawing(900, 800), "JPEG"))
    measures = judge().measure(picture)
    assert json.loads(json.dumps(measures)) == measures
    assert set(measures) == {"resolution", "animated", "integrity", "quality", "signatures"}
    assert all(values["version"] == 1 for values in measures.values())
    assert measures == judge().measure(Picture.open(encode(drawing(900, 800), "JPEG")))


def test_a_policy_survives_its_json() -> None:
    filters = judge()
    policy = filters.policy({"resolution": {"min_side": 1024}, "allow": ["comic", "monochrome"]})
    assert filters.policy(json.loads(json.dumps(policy.to_json()))) == policy


class LaterContent(Content):
    version: ClassVar[int] = VERSION + 1


def test_a_policy_of_other_forced_filters_is_another_one() -> None:
    today = judge().policy()
    later = Judge([LaterContent(), *(f for f in judge().filters if f.name != "content")])
    kept = json.loads(json.dumps(today.to_json()))
    assert kept["versions"]["content"] == VERSION
    assert later.policy(kept).to_json() == {
        **kept,
        "versions": {**kept["versions"], "content": VERSION + 1},
    }
    assert later.policy().sections == today.sections


class PixelMonochrome(BaseFilter):
    """Gives a reason that site tags give too, from another kind of evidence."""

    name: ClassVar[str] = "monochrome"
    order: ClassVar[int] = 50
    reasons: ClassVar[Mapping[str, str]] = {"monochrome": "its pixels have no colour"}

    def measure(self, picture: Picture) -> Measures:
        return {"colour": 0.0}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        colour: Scalar = measures.get("colour")
        return Rejection("monochrome", colour, 0.1) if colour == 0.0 else None


def test_two_filters_may_share_a_reason_and_one_allow_covers_both() -> None:
    filters = Judge([*(filter() for filter in FILTERS), PixelMonochrome()])
    grey = {"monochrome": {"version": 1, "colour": 0.0}}
    by_tag = filters.verdict(tagged("greyscale"), grey, filters.policy())
    by_pixels = filters.verdict(tagged("solo"), grey, filters.policy())
    assert by_tag is not None
    assert by_pixels is not None
    assert (by_tag.reason, by_tag.by) == ("monochrome", "site_tags")
    assert (by_pixels.reason, by_pixels.by) == ("monochrome", "monochrome")
    allowed = filters.policy({"allow": ["monochrome"]})
    assert filters.verdict(tagged("greyscale"), grey, allowed) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resolutoin": {}}, "did you mean resolution"),
        ({"resolution": {"min_sides": 3}}, "did you mean min_side"),
        ({"resolution": {"min_side": "large"}}, "takes int"),
        ({"resolution": {"min_side": True}}, "takes int"),
        ({"quality": {"min_sharpness": 2}}, "at most 1"),
        ({"integrity": {"tolerance": -1}}, "at least 0"),
        ({"site_tags": {"reject": "comic"}}, "takes a list"),
    ],
)
def test_a_policy_that_cannot_be_says_what_is_wrong(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(PolicyError, match=message):
        judge().policy(values)


def test_reading_options_imports_no_pixel_library() -> None:
    modules = ", ".join(sorted({filter.__module__ for filter in FILTERS}))
    program = f"import sys, {modules}; print({{'numpy', 'PIL', 'imagehash'}} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"


class Eager(BaseFilter):
    """Wants to be asked before everybody else."""

    name: ClassVar[str] = "eager"
    order: ClassVar[int] = -1_000
    reasons: ClassVar[Mapping[str, str]] = {"ugly": "it is ugly"}

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        return Rejection("ugly")


def test_content_safety_is_asked_first_whatever_order_a_filter_gives_itself() -> None:
    filters = Judge([Eager(), *(filter() for filter in FILTERS)])
    found = filters.prescreen(tagged("loli"), filters.policy())
    assert found is not None
    assert (found.reason, found.by) == ("blocked_content", "content")
    assert [filter.name for filter in filters.filters][:2] == ["content", "eager"]


def test_policies_merge_option_by_option_and_allowed_reasons_add_up() -> None:
    below = {"resolution": {"min_side": 1, "min_pixels": 2}, "allow": ("a",)}
    above = {"resolution": {"min_side": 3}, "content": {"ratings": ("g",)}, "allow": ("b",)}
    assert laid_over(below, above) == {
        "resolution": {"min_side": 3, "min_pixels": 2},
        "content": {"ratings": ("g",)},
        "allow": ["a", "b"],
    }
    assert laid_over({}, {}) == {"allow": []}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_threshold_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(PolicyError, match="min_sharpness is a number"):
        judge().policy({"quality": {"min_sharpness": value}})
