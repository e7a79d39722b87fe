"""Moving pictures, and files that no picture decoder of ours opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Claims, Measures, Rejection
from filters.policy import Policy

if TYPE_CHECKING:
    from filters.picture import Picture

_STILL = frozenset({"jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif"})
_MOVING = frozenset(
    {"mp4", "webm", "zip", "ugoira", "swf", "apng", "m4v", "mov", "mkv", "avi", "flv"}
)


class Animated(BaseFilter):
    """Animations, videos, ugoira and Flash. A GIF is one only where it is said or seen to move."""

    name: ClassVar[str] = "animated"
    order: ClassVar[int] = 15
    reasons: ClassVar[Mapping[str, str]] = {
        "animated": "an animation or a video",
        "unsupported_format": "no format that is decoded here",
    }

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        format = (claims.format or "").lower().removeprefix(".")
        found = []
        if claims.animated or format in _MOVING:
            found.append(Rejection("animated", format or None))
        if format and format not in _STILL | _MOVING:
            found.append(Rejection("unsupported_format", format))
        return policy.first(found)

    def measure(self, picture: Picture) -> Measures:
        return {"frames": picture.frames}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        frames = measures.get("frames")
        if isinstance(frames, int) and frames > 1:
            return policy.first([Rejection("animated", frames, 1)])
        return None
