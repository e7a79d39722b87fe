"""Whether the file is what its source said it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Claims, Measures, Rejection, option
from filters.policy import Policy

if TYPE_CHECKING:
    from filters.picture import Picture


@dataclass(frozen=True)
class Options:
    tolerance: float = option(
        0.02,
        "How far a decoded side may fall short of the claimed one.",
        unit="share of the side",
        low=0,
        high=1,
    )


class Integrity(BaseFilter):
    """Files smaller than claimed: a sample, a thumbnail or a placeholder was served instead.

    ``claims`` are those of the file that was fetched: where a lower rung was, its sizes.
    """

    name: ClassVar[str] = "integrity"
    order: ClassVar[int] = 5
    reasons: ClassVar[Mapping[str, str]] = {
        "smaller_than_claimed": "the decoded picture is smaller than the source said",
    }
    Options: ClassVar[type[Options]] = Options

    def measure(self, picture: Picture) -> Measures:
        """Size as stored, and the format by the bytes, whatever name or type the file came with."""
        return {"width": picture.width, "height": picture.height, "format": picture.format}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        width, height = measures.get("width"), measures.get("height")
        if not isinstance(width, int) or not isinstance(height, int):
            return None
        if not claims.width or not claims.height:
            return None
        # Sources give sizes before or after the EXIF orientation: sides are compared by length.
        decoded, claimed = sorted((width, height)), sorted((claims.width, claims.height))
        share = 1 - policy[self.name].tolerance
        if all(have >= said * share for have, said in zip(decoded, claimed, strict=True)):
            return None
        return Rejection(
            "smaller_than_claimed", f"{width}x{height}", f"{claims.width}x{claims.height}"
        )
