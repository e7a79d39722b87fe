"""A perceptual hash of every picture, so that later work on near-duplicates decodes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from filters.base import BaseFilter, Measures

if TYPE_CHECKING:
    from filters.picture import Picture

MAX_SIDE = 256
"""The copy that is hashed is at most this large; the hash itself looks at 64 x 64 pixels."""


class Signatures(BaseFilter):
    """Measures the 256-bit DCT hash of imagehash; objects to nothing."""

    name: ClassVar[str] = "signatures"
    order: ClassVar[int] = 90

    def measure(self, picture: Picture) -> Measures:
        """``phash256``: 64 hex digits, most significant bit first, row by row; and its recipe."""
        import imagehash  # a quarter of a second that commands without pictures need not spend

        digest = imagehash.phash(picture.reduced(MAX_SIDE), hash_size=16)
        return {"phash256": str(digest), "algorithm": "imagehash.phash/16 of box256"}
