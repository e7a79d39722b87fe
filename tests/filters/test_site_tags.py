from __future__ import annotations

import pytest

from filters.policy import PolicyError
from filters.site_tags import REASONS, SiteTags
from tests.filters.support import Work, judge, tagged

EVIDENCE = {
    "upscaled": ["upscaled"],
    "resized": ["resized", "downscaled"],
    "sample": ["image_sample", "pixiv_sample", "twitter_sample"],
    "jpeg_artifacts": ["jpeg_artifacts"],
    "corrupted": ["corrupted_image"],
    "not_original": ["source_larger", "source_smaller", "resolution_mismatch"],
    "tagged_duplicate": ["duplicate"],
    "ai_generated": ["ai-generated", "ai-assisted", "ai_generated"],
    "third_party_edit": ["third-party_edit", "nude_filter", "hard-translated"],
    "monochrome": ["monochrome", "greyscale", "spot_color", "Greyscale"],
    "comic": ["comic", "4koma"],
    "lowres": ["lowres"],
}
OFF = {
    "md5_mismatch": ["md5_mismatch"],
    "sketch": ["sketch"],
    "lineart": ["lineart"],
    "screencap": ["anime_screenshot", "game_screenshot"],
}


def told(work: Work, **options: object) -> str | None:
    filters = judge()
    policy = filters.policy({"site_tags": options, "allow": ()})
    rejection = filters.prescreen(work, policy)
    return rejection.reason if rejection else None


@pytest.mark.parametrize(("reason", "tag"), [(r, t) for r, tags in EVIDENCE.items() for t in tags])
@pytest.mark.parametrize("category", ["meta", ""])
def test_tags_against_a_character_set_reject_by_default(
    reason: str, tag: str, category: str
) -> None:
    filters = judge()
    rejection = filters.prescreen(tagged("1girl", tag, category=category), filters.policy())
    assert rejection is not None
    assert (rejection.reason, rejection.measured, rejection.by) == (reason, tag, "site_tags")


@pytest.mark.parametrize(("reason", "tag"), [(r, t) for r, tags in OFF.items() for t in tags])
def test_weak_evidence_and_matters_of_taste_are_off_until_asked_for(reason: str, tag: str) -> None:
    work = tagged(tag, category="meta")
    assert told(work) is None
    assert told(work, reject=(reason,)) == reason


@pytest.mark.parametrize(
    "tag", ["partially_colored", "limited_palette", "white_background", "official_art", "highres"]
)
def test_colour_and_good_signs_are_no_objection(tag: str) -> None:
    assert told(tagged(tag)) is None


def test_every_reason_has_evidence_behind_it() -> None:
    assert set(REASONS) == set(EVIDENCE) | set(OFF) == set(SiteTags.reasons)


@pytest.mark.parametrize("category", ["character", "artist", "copyright"])
def test_names_are_not_evidence(category: str) -> None:
    assert told(tagged("comic", "monochrome", "duplicate", category=category)) is None


def test_a_sample_of_something_drawn_is_not_a_sample_of_the_file() -> None:
    assert told(tagged("fabric_sample", category="general")) is None


def test_an_allowed_reason_does_not_hide_the_next() -> None:
    filters = judge()
    work = tagged("monochrome", "comic")
    policy = filters.policy({"allow": ["monochrome"]})
    rejection = filters.prescreen(work, policy)
    assert rejection is not None
    assert rejection.reason == "comic"
    assert filters.prescreen(work, filters.policy({"allow": ["monochrome", "comic"]})) is None


def test_a_reason_that_does_not_exist_is_a_usage_error_with_a_hint() -> None:
    with pytest.raises(PolicyError, match="did you mean monochrome"):
        judge().policy({"site_tags": {"reject": ["monocrome"]}})
    with pytest.raises(PolicyError, match="did you mean monochrome"):
        judge().policy({"allow": ["monocrome"]})
