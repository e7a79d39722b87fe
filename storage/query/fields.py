"""The words of a query and where the catalog keeps what they mean.

SQL is over the aliases ``c`` (candidates), ``i`` (images, where it was decoded) and ``w`` (works).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Zero is how some sites say that they do not know.
_WIDTH = "coalesce(i.width, nullif(c.width, 0))"
_HEIGHT = "coalesce(i.height, nullif(c.height, 0))"


def _told_by_site(name: str) -> str:
    """SQL of a number that the site itself tells; a text there is none."""
    path = f"'$.{name}'"
    number = f"json_type(c.metadata, {path}) IN ('integer', 'real')"
    return f"CASE WHEN {number} THEN c.metadata ->> {path} END"


NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "width": _WIDTH,
        "height": _HEIGHT,
        "side": "c.side",
        "pixels": "c.pixels",
        "ratio": f"1.0 * {_WIDTH} / {_HEIGHT}",
        "bytes": "coalesce(i.bytes, nullif(c.bytes, 0))",
        "position": "w.position",
        "score": _told_by_site("score"),
        "favorites": _told_by_site("fav_count"),
    }
)
"""Field -> its number; NULL where nobody knows it."""
MULTIPLES: Mapping[str, tuple[str, float]] = MappingProxyType({"megapixels": ("pixels", 1e6)})
"""Field -> the number it is a multiple of, and how many of that it is."""
DATES: Mapping[str, str] = MappingProxyType({"posted": "c.posted_at", "added": "c.first_seen_at"})
"""Field -> its moment, as ISO 8601 text."""
TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "site": "c.site",
        "id": "c.site_id",
        "rating": "c.rating",
        "format": "coalesce(i.format, c.format)",
        "licence": "c.licence",
        "state": "w.state",
        "reason": "w.reason",
        "crawl": "w.crawl_id",
        "sha256": "c.image",
        "parent": "c.parent",
    }
)
CATEGORIES = ("artist", "character", "copyright", "general", "meta")
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "aspect": "ratio",
        "mp": "megapixels",
        "size": "bytes",
        "date": "posted",
        "ext": "format",
        "favcount": "favorites",
        "filesize": "bytes",
        "filetype": "format",
        "mpixels": "megapixels",
        "favourites": "favorites",
        "license": "licence",
        "series": "copyright",
    }
)
"""Other names people try."""
FIELDS = (*NUMBERS, *MULTIPLES, *DATES, *TEXTS, *CATEGORIES, "tag", "group", "sort")

RATINGS: Mapping[str, str] = MappingProxyType(
    {"general": "g", "sensitive": "s", "questionable": "q", "explicit": "e"}
)
"""The name of a rating -> the letter that the catalog holds; a query takes both."""
FORMATS: Mapping[str, str] = MappingProxyType({"jpeg": "jpg"})
"""Another name of a format -> the one that the catalog holds."""
IN_SMALL_LETTERS = frozenset({"site", "rating", "format", "state", "reason", "crawl", "sha256"})
"""Texts of which the catalog holds small letters only; queries take any."""

SORTS: Mapping[str, str] = MappingProxyType({"id": "c.id", **NUMBERS, **DATES})
"""What works can be sorted by, beside measures and ``random``."""
INDEXED: Mapping[str, str] = MappingProxyType(
    {"side": "side", "pixels": "pixels", "posted": "posted_at"}
)
"""Field -> the column of candidates that it is, which has an index of its own."""
OF_WORKS = frozenset({"state", "reason", "crawl", "position"})
"""Fields of a work in one crawl; the others are of the candidate, whoever met it."""
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "order": "the order is sort:score, or with the largest first sort:-score",
        "limit": "how many is told beside the query: --limit 3",
        "md5": "a file is found by sha256:, or by `trawl show FILE`",
        "source": "where a work is from is site:",
        "set": "what a crawl gathered is crawl:ID state:accepted",
        "age": "when a work was posted is posted>=2024-06, when it was met added>=2024-06",
        "tagcount": "how many tags a work has is not kept",
        "gentags": "how many tags a work has is not kept",
        "caption": "captions cannot be searched",
    }
)
"""Words of boorus and of other places -> how it is asked here."""
