"""Every kind of post of the demo world, and what a faithful crawler makes of it by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

FateState: TypeAlias = Literal["accepted", "rejected", "failed", "unavailable", "duplicate", "copy"]


@dataclass(frozen=True, slots=True)
class Fate:
    """The state and reason of a work under the default policy.

    ``copy`` stands for posts that are equally good: of those with the same ``Post.copies`` exactly
    one ends accepted and every other one duplicate. ``unlisted`` is True where a query that pushes
    the policy down to the site (status, file type, sides, rating) never meets the post; a crawler
    that does not push down must come to the same state and reason by itself.
    """

    state: FateState
    reason: str | None = None
    unlisted: bool = False


_ACCEPTED = Fate("accepted")


def _rejected(reason: str, *, unlisted: bool = False) -> Fate:
    return Fate("rejected", reason, unlisted)


KINDS: Final[Mapping[str, Fate]] = MappingProxyType(
    {
        # good pictures
        "official_art": _ACCEPTED,
        "highres_solo": _ACCEPTED,
        "absurdres_solo": _ACCEPTED,
        "huge": _ACCEPTED,
        "plain": _ACCEPTED,
        "photo": _ACCEPTED,
        # good pictures in every format
        "webp": _ACCEPTED,
        "avif": _ACCEPTED,
        "png": _ACCEPTED,
        "rgba": _ACCEPTED,
        "palette": _ACCEPTED,
        "exif_rotated": _ACCEPTED,
        # good pictures with awkward words
        "non_ascii_artist": _ACCEPTED,
        "parenthesis_artist": _ACCEPTED,
        "hostile_artist": _ACCEPTED,
        "no_artist": _ACCEPTED,
        "no_general": _ACCEPTED,
        "kaomoji": _ACCEPTED,
        "parent": _ACCEPTED,
        "child": _ACCEPTED,
        # good pictures the site has deleted: their files are there, listings leave them out
        "deleted": Fate("accepted", unlisted=True),
        # the same picture again
        "original_of_copy": _ACCEPTED,
        "near_duplicate": Fate("duplicate"),
        "pixel_identical": Fate("copy"),
        # trouble on the way that passes
        "error_once": _ACCEPTED,
        "truncated_once": _ACCEPTED,
        "replaced": _ACCEPTED,
        # trouble that does not
        "dead": Fate("failed", "http_404"),
        "md5_mismatch": Fate("failed", "md5_mismatch"),
        "cut_upload": Fate("failed", "truncated"),
        # not to be had
        "hidden": Fate("unavailable", "hidden"),
        "hidden_banned": Fate("unavailable", "hidden"),
        # refused by what the site says
        "blocked_tag": _rejected("blocked_content"),
        "blocked_age_coded": _rejected("blocked_content"),
        "rating_q": _rejected("rating", unlisted=True),
        "rating_e": _rejected("rating", unlisted=True),
        "too_small": _rejected("too_small", unlisted=True),
        "lowres": _rejected("lowres", unlisted=True),
        "too_few_pixels": _rejected("too_few_pixels", unlisted=True),
        "upscaled": _rejected("upscaled"),
        "resized": _rejected("resized"),
        "image_sample": _rejected("sample"),
        "jpeg_artifacts": _rejected("jpeg_artifacts"),
        "corrupted": _rejected("corrupted"),
        "monochrome": _rejected("monochrome"),
        "greyscale": _rejected("monochrome"),
        "deep_grey": _rejected("monochrome"),
        "comic": _rejected("comic"),
        "ai_generated": _rejected("ai_generated"),
        "third_party_edit": _rejected("third_party_edit"),
        "animated_gif": _rejected("animated", unlisted=True),
        "video": _rejected("animated", unlisted=True),
        "ugoira": _rejected("animated", unlisted=True),
        # refused by what is seen
        "low_quality": _rejected("low_quality"),
        "blurred": _rejected("blurred"),
    }
)
