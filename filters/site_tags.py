"""What the tags of a site say against a file before it is fetched.

The tables follow Danbooru's own definitions, which other boorus share; a tag of another site that
means the same is listed beside them. Tags are evidence by people, not measurements: they are judged
before any download and a policy may set each reason aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from filters.base import BaseFilter, Claims, Rejection, option
from filters.monochrome import KINDS
from filters.policy import Policy

_CATEGORIES = ("meta", "general", "")
"""Where tags describe the file; a character may well be called Duplicate."""

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "upscaled": "made larger than it was drawn",
        "resized": "tagged as resized by someone other than its artist",
        "sample": "tagged as a site's reduced copy",
        "jpeg_artifacts": "tagged as visibly damaged by JPEG compression",
        "corrupted": "tagged as a damaged file",
        "not_original": "tagged as differing from the original at its source",
        "md5_mismatch": "tagged as not the very bytes of its source",
        "tagged_duplicate": "tagged as a copy of another post",
        "ai_generated": "tagged as made by or with a generative model",
        "third_party_edit": "tagged as altered by someone other than its artist",
        "monochrome": "in one colour or in greys",
        "comic": "tagged as a comic",
        "sketch": "tagged as a sketch",
        "lineart": "tagged as line art",
        "screencap": "tagged as taken from a video or a game",
        "lowres": "tagged as very small",
    }
)

_TAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "upscaled": ("upscaled", "ai_upscaled", "waifu2x"),
        "resized": ("resized", "downscaled"),
        "sample": ("image_sample",),
        "jpeg_artifacts": ("jpeg_artifacts",),
        "corrupted": ("corrupted_image", "corrupted_file"),
        "not_original": ("source_larger", "source_smaller", "resolution_mismatch"),
        "md5_mismatch": ("md5_mismatch",),
        "tagged_duplicate": ("duplicate", "pixel_perfect_duplicate"),
        "ai_generated": ("ai_generated", "ai_assisted", "stable_diffusion", "midjourney"),
        "third_party_edit": ("third_party_edit", "nude_filter", "decensored", "hard_translated"),
        # In spot_color nearly everything is grey, so a set loses the character's colours. In
        # partially_colored and limited_palette they are there: those are not monochrome.
        "monochrome": (
            "monochrome", "greyscale", "grayscale", "black_and_white", "sepia", "spot_color",
        ),
        "comic": (
            "comic", "2koma", "3koma", "4koma", "5koma", "6koma", "multiple_4koma",
            "silent_comic", "webtoon", "manga_page",
        ),
        "sketch": ("sketch", "unfinished", "rough_sketch"),
        "lineart": ("lineart", "line_art"),
        "screencap": ("anime_screenshot", "game_screenshot", "screenshot", "screencap"),
        "lowres": ("lowres", "low_resolution"),
    }
)  # fmt: skip

_MONOCHROME = MappingProxyType(
    {
        "greyscale": "grey",
        "grayscale": "grey",
        "black_and_white": "grey",
        "sepia": "sepia",
        "spot_color": "spot_colour",
    }
)
"""Tag -> the kind that ``monochrome.reject`` calls it; the tag ``monochrome`` may be any."""

_OFF = ("md5_mismatch", "sketch", "lineart", "screencap")


@dataclass(frozen=True)
class Options:
    reject: tuple[str, ...] = option(
        tuple(reason for reason in REASONS if reason not in _OFF),
        "Reasons for which a site's own tags reject a work before it is fetched.",
        choices=tuple(REASONS),
        source="Danbooru's definitions of its tags",
    )


class SiteTags(BaseFilter):
    """Tags that speak against a file in a character set."""

    name: ClassVar[str] = "site_tags"
    order: ClassVar[int] = 10
    reasons: ClassVar[Mapping[str, str]] = REASONS
    Options: ClassVar[type[Options]] = Options

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        evidence = _evidence(claims)
        wanted: tuple[str, ...] = policy[self.name].reject
        return policy.first(
            Rejection(reason, tag)
            for reason in REASONS
            if reason in wanted
            for name, tag in _found(reason, evidence)
            if reason != "monochrome" or _is_unwanted(name, policy)
        )


def _is_unwanted(name: str, policy: Policy) -> bool:
    """Whether the kind of monochrome that a tag names is one that the policy rejects."""
    wanted = getattr(policy.sections.get("monochrome"), "reject", KINDS)
    if name in _MONOCHROME:
        return _MONOCHROME[name] in wanted
    return set(KINDS) <= set(wanted)


def _evidence(claims: Claims) -> dict[str, tuple[str, str]]:
    """Tag in one spelling -> (as the site spells it, its category)."""
    return {
        tag.casefold().replace("-", "_").replace(" ", "_"): (tag, category)
        for category in _CATEGORIES
        for tag in claims.tags.get(category, ())
    }


def _found(reason: str, evidence: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(in our spelling, as the site spells it) of each tag that gives a reason."""
    for name in _TAGS[reason]:
        if name in evidence:
            yield name, evidence[name][0]
    if reason == "sample":
        # pixiv_sample, twitter_sample and the like; as general tags, samples are things.
        for name, (tag, category) in sorted(evidence.items()):
            if name.endswith("_sample") and category != "general" and name != "image_sample":
                yield name, tag
